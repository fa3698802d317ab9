"""What a fork takes along that it had better not: locks of other threads, and sub-interpreters."""

import sys
import threading
import warnings
from multiprocessing.context import BaseContext

_PACKAGE = __file__.rpartition("_system")[0]

_OURS = "taskpar-"
_POOLS = ("(_handle_workers)", "(_handle_tasks)", "(_handle_results)")
"""How threads are named that hold no lock which a worker needs: ours, those of a stdlib pool."""


def check_forkable() -> None:
    """Check that a child which is forked now can live.

    Raises:
        RuntimeError: It would crash at once, in Python itself.
    """
    interpreters = sys.modules.get("concurrent.interpreters")  # from Python 3.14, and if in use
    if interpreters is not None and len(interpreters.list_all()) > 1:
        raise RuntimeError(
            "this process has sub-interpreters, beside which Python cannot fork (gh-139759): "
            "use mp_context='forkserver', or shut down first what runs on them"
        )


def warn_of_threads(context: BaseContext) -> None:
    """Warn the user, if workers will be forked, of threads that run meanwhile."""
    if context.get_start_method() != "fork":
        return
    here = threading.current_thread()
    others = [thread.name for thread in threading.enumerate() if thread is not here]
    named = [name for name in others if not (name.startswith(_OURS) or name.endswith(_POOLS))]
    if not named:
        return
    from traceback import extract_stack  # here, as it is big and rarely needed

    names = [frame.filename for frame in reversed(extract_stack())]
    level = next((i for i, name in enumerate(names) if not name.startswith(_PACKAGE)), 0)
    warnings.warn(
        f"workers are forked while other threads run: {', '.join(named)}. A lock that one of them "
        "holds at that moment is never released in the worker. Use mp_context='forkserver', which "
        "is the default, or start workers before threads.",
        RuntimeWarning,
        stacklevel=level + 1,
    )
