"""Starting processes that do not import the caller's ``__main__``.

Under spawn and forkserver, multiprocessing lets every new process import the script that the
caller runs, so scripts need a guard, or start processes without end. Our functions and classes of
``__main__`` travel by value, so that import is not needed; it is avoided by leaving out, of what a
new process is told, where ``__main__`` comes from.
"""

import os
import pickle
import sys
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import process
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from taskpar._system import ctrl_c
from taskpar._system.forking import check_forkable

# ruff: noqa: SLF001  # the fork server's own state, in the two functions that say why

W = TypeVar("W", bound=BaseProcess)

_starting = threading.RLock()
"""One start at a time: under fork, a process must not inherit the half-made pipes of another. And
none while a child is asked for its exit code: multiprocessing asks all of them at every start, and
two threads that ask at once take the answer from each other. The garbage collector may come here
anywhere: hence the kind of lock."""

_NEEDED = (__name__, "multiprocessing.popen_forkserver")
"""What processes that a fork server starts need to become one of our class."""

_BY_VALUE = "cloudpickle"
"""What they need if functions come by value; only then, as it takes half of their time to start."""

_UNBLOCK = "taskpar._system.unblock"

_MAIN = ("init_main_from_name", "init_main_from_path")


def _after_fork() -> None:
    """Make a forked process free to start processes of its own.

    The lock may have been held by the thread that forked. And the fork server of the parent is
    none of this process's children, nor are the processes that we have started there, which makes
    multiprocessing fail; there is no public way to forget them.
    """
    global _starting
    _starting = threading.RLock()
    module = sys.modules.get("multiprocessing.forkserver")
    server: Any = None if module is None else vars(module)["_forkserver"]
    if server is not None and server._forkserver_pid is not None:
        server.__init__()
    children: set[BaseProcess] = vars(process)["_children"]
    children -= {child for child in children if isinstance(child, _Mainless)}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _warm_forkserver(modules: tuple[str, ...]) -> None:
    """Let a fork server that is about to start import modules, besides what the user has chosen.

    What he has chosen can be asked for in no public way.
    """
    from multiprocessing import forkserver

    server: Any = vars(forkserver)["_forkserver"]
    if server._forkserver_pid is None:
        wanted = [*server._preload_modules, *modules, *_NEEDED]
        if _BY_VALUE in sys.modules:
            wanted.append(_BY_VALUE)
        forkserver.set_forkserver_preload([*dict.fromkeys([*wanted, _UNBLOCK])])


@contextmanager
def _main_hidden() -> Generator[None]:
    """Let the processes that this thread starts in the block know nothing of ``__main__``."""
    from multiprocessing import spawn

    ask, ours = spawn.get_preparation_data, threading.get_ident()

    def without_main(name: str) -> dict[str, Any]:
        data = ask(name)
        if threading.get_ident() == ours:  # other threads may start processes of other libraries
            for where in _MAIN:
                data.pop(where, None)
        return data

    # A debugger clears it away; None is what it is in any script.
    vars(sys.modules["__main__"]).setdefault("__spec__", None)
    spawn.get_preparation_data = without_main
    try:
        yield
    finally:
        spawn.get_preparation_data = ask


class _Mainless(BaseProcess):
    """Mixed in before the process class of a start method and the class that is to run."""

    hosted: type[BaseProcess]
    method: str
    preloaded: tuple[str, ...]

    def start(self) -> None:
        """Start the process."""
        with _starting, ctrl_c.later():
            if self.method != "fork":
                ctrl_c.aside(self._start_anew)
            elif ctrl_c.in_main_thread():
                self._fork()  # the child has the handler that only notes
            else:
                ctrl_c.aside(self._fork)

    def _start_anew(self) -> None:
        if self.method == "forkserver":
            _warm_forkserver(self.preloaded)
        with _main_hidden():
            super().start()

    def _fork(self) -> None:
        check_forkable()
        with warnings.catch_warnings():
            # `warn_of_threads` has said so, once, and named them.
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
            super().start()

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to the new process as the class behind the mixture, by value where it must."""
        cls = type(self).hosted
        if cls.__module__ != "__main__":
            return (_revive, (self.__dict__, cls))
        import cloudpickle  # only here: it costs every new process some milliseconds

        return (_revive_by_value, (self.__dict__, cloudpickle.dumps(cls)))


def exitcode_of(process: BaseProcess, *, ended: bool = False) -> int | None:
    """Return how a process ended, None if it has not; wait for that if it is known to be ending."""
    with _starting:
        if ended:
            process.join()
        return process.exitcode


def _revive(state: dict[str, object], cls: type[BaseProcess]) -> BaseProcess:
    """Make the process; its state came first: it makes ready what the class's module needs."""
    process = cls.__new__(cls)
    process.__dict__.update(state)
    return process


def _revive_by_value(state: dict[str, object], cls: bytes) -> BaseProcess:
    return _revive(state, pickle.loads(cls))


def mainless(
    context: BaseContext, cls: type[W] | None = None, preloaded: tuple[str, ...] = ()
) -> type[W]:
    """Make the class whose instances start by the context's method, without ``__main__``.

    Args:
        context: A context of multiprocessing.
        cls: The subclass of `multiprocessing.Process` to run; None: the context's own.
        preloaded: Modules that a fork server imports once, so that not every process has to.
    """
    process: type[BaseProcess] = context.Process  # type: ignore[attr-defined]  # as every context
    hosted = (process,) if cls is None else (process, cls)
    body = {"hosted": hosted[-1], "method": context.get_start_method(), "preloaded": preloaded}
    return cast("type[W]", type(hosted[-1].__name__, (_Mainless, *hosted), body))
