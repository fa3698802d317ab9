"""What each executor can, as a table out of the code: ``python tests/docs/capabilities.py``.

Writes it to the page. What an executor can is what its backend says of itself: which that is stands
in its constructor. A new executor has its row by being a public name.
"""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import taskpar
from taskpar import CapabilityError, Executor, Options
from taskpar._engine.backend import is_distant
from taskpar._engine.treatment import check_capable

PAGE = Path(__file__).parents[2] / "docs/reference/capabilities.md"
BEGIN, END = "<!-- begin: written by tests/docs/capabilities.py -->\n", "<!-- end -->\n"

# What no backend says of itself: interpreters have memory of their own, but are in our process.
BUT = {"InterpreterExecutor": {"isolation": "no", "counter": "no"}}


def can(**option: Any) -> Callable[[Any], bool]:
    """Tell whether a backend can do what an option asks for, as `Executor.options` does."""

    def ask(backend: Any) -> bool:
        try:
            check_capable(Options(**option), backend, "it")
        except CapabilityError:
            return False
        return True

    return ask


COLUMNS: dict[str, Callable[[Any], bool]] = {
    "isolation": lambda backend: not backend.direct,
    "own memory": lambda backend: not backend.direct,
    "killing": lambda backend: backend.can_kill,
    "time limits": can(time_limit=1.0),
    "cancelling running calls": can(cancel_running=True),
    "zero-copy": lambda backend: backend.direct or hasattr(backend, "loan"),
    "counter": lambda backend: not is_distant(backend),
}


def executors() -> list[type[Executor]]:
    """All of them, in the order of their names."""
    public = [getattr(taskpar, name) for name in taskpar.__all__ if name.endswith("Executor")]
    return [made for made in public if made is not Executor]


def backends_of(executor: type[Executor]) -> list[Any]:
    """The backends that its constructor imports, and that of calls that run where it is asked.

    Raises:
        ImportError: What they need is not installed here.
    """
    found = []
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(executor)))):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            module = importlib.import_module(node.module or "")
            if alias.name.endswith("Backend"):
                found.append(getattr(module, alias.name))
            elif alias.name == "Choosing":
                found.append(importlib.import_module("taskpar.backends.serial").SerialBackend)
    return found


def row(executor: type[Executor]) -> list[str]:
    """The cells of an executor."""
    backends, but = backends_of(executor), BUT.get(executor.__name__, {})
    # A call that needs a worker gets one, if there may be any.
    asked = [backend for backend in backends if not getattr(backend, "inline", False)] or backends
    cells = []
    for column, ask in COLUMNS.items():
        needed = column in ("killing", "time limits", "cancelling running calls")
        answers = {ask(backend) for backend in (asked if needed else backends)}
        word = "depends" if len(answers) > 1 else "yes" if answers == {True} else "no"
        cells.append(but.get(column, word))
    return cells


def written(page: str) -> dict[str, str]:
    """The rows that stand on the page, by the names of their executors."""
    return {
        name: line for line in page.splitlines() for name in re.findall(r"^\| \[`(\w+)`\]", line)
    }


def rows(page: str) -> dict[str, str]:
    """The rows as the code has it; as on the page where a package is missing to ask it."""
    before, now = written(page), {}
    for executor in executors():
        name = executor.__name__
        try:
            now[name] = f"| [`{name}`][taskpar.{name}] | {' | '.join(row(executor))} |"
        except ImportError:
            now[name] = before.get(name, f"{name}: install what it needs, and run this again")
    return now


def table(page: str) -> str:
    """The whole table."""
    head = f"| executor | {' | '.join(COLUMNS)} |"
    return "\n".join([head, "|---" * (len(COLUMNS) + 1) + "|", *rows(page).values()]) + "\n"


def main() -> None:
    """Write the table to the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{table(text)}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
