"""What is not installed: which extra has it."""

import importlib
from typing import Any


def needed(module: str, who: str, extra: str) -> Any:
    """Import a module of an optional package.

    Raises:
        ImportError: It is not installed; the message says what to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ImportError(
            f"{who} needs {module}: pip install 'taskpar[{extra}]'", name=module
        ) from error
