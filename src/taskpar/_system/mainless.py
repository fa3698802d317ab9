"""Starting processes that do not import the caller's ``__main__``.

Under spawn and forkserver, multiprocessing lets every new process import the script that the
caller runs, so scripts need a guard, or start processes without end. Our functions and classes of
``__main__`` travel by value, so that import is not needed; it is avoided by hiding, while a process
is being started, what tells where ``__main__`` comes from.
"""

import pickle
import sys
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import TypeVar, cast

W = TypeVar("W", bound=BaseProcess)

_starting = threading.Lock()
"""One start at a time: under fork, a process must not inherit the half-made pipes of another."""

_HIDDEN = ("__file__", "__spec__")


@contextmanager
def starting() -> Generator[None]:
    """Hide where ``__main__`` comes from while the block starts processes, one thread at a time."""
    with _starting:
        main = sys.modules["__main__"]
        before = {name: getattr(main, name) for name in _HIDDEN if hasattr(main, name)}
        for name in _HIDDEN:
            setattr(main, name, None)
        try:
            yield
        finally:
            for name in _HIDDEN:
                if name in before:
                    setattr(main, name, before[name])
                else:
                    delattr(main, name)


class _Mainless(BaseProcess):
    """Mixed in before the process class of a start method and the class that is to run."""

    hosted: type[BaseProcess]

    def start(self) -> None:
        """Start the process."""
        with starting(), warnings.catch_warnings():
            # Who asks for fork has been told in the documentation what threads mean for it.
            warnings.filterwarnings("ignore", ".*multi-threaded.*fork", DeprecationWarning)
            super().start()

    def __reduce__(self) -> tuple[object, ...]:
        """Travel to the new process as the class behind the mixture, by value where it must."""
        cls = type(self).hosted
        if cls.__module__ != "__main__":
            return (_revive, (cls, self.__dict__))
        import cloudpickle  # only here: it costs every new process some milliseconds

        return (_revive_by_value, (cloudpickle.dumps(cls), self.__dict__))


def _revive(cls: type[BaseProcess], state: dict[str, object]) -> BaseProcess:
    process = cls.__new__(cls)
    process.__dict__.update(state)
    return process


def _revive_by_value(cls: bytes, state: dict[str, object]) -> BaseProcess:
    return _revive(pickle.loads(cls), state)


def mainless(context: BaseContext, cls: type[W] | None = None) -> type[W]:
    """Make the class whose instances start by the context's method, without ``__main__``.

    Args:
        context: A context of multiprocessing.
        cls: The subclass of `multiprocessing.Process` to run; None: the context's own.
    """
    process: type[BaseProcess] = context.Process  # type: ignore[attr-defined]  # as every context
    hosted = (process,) if cls is None else (process, cls)
    body = {"hosted": hosted[-1]}
    return cast("type[W]", type(hosted[-1].__name__, (_Mainless, *hosted), body))
