"""The ambient executor: where decorated functions run, unless told otherwise.

It is for the program to say, not for the function: the innermost ``with use(executor):``, else one
default for the whole process. In a worker it is a serial one, as the workers of the whole program
share the processors already.
"""

import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

from taskpar._engine import place
from taskpar._model.checks import short
from taskpar.executor import Executor
from taskpar.executors import SerialExecutor
from taskpar.opening import opened

E = TypeVar("E", bound=Executor)

_used: ContextVar[tuple[Executor, place.Place] | None] = ContextVar("taskpar.used", default=None)


def use(executor: E) -> AbstractContextManager[E]:
    """Let decorated functions run on ``executor`` within a ``with`` block.

    Blocks nest; the innermost counts, in the thread (or asyncio task) that is in it. It does not
    count for what the executor's own workers run: there, decorated functions run serially.
    The executor is not shut down at the end of the block, so it can be used again.

    Args:
        executor: One of the executors of taskpar, or a view of one (`Executor.options`).

    Returns:
        A context manager whose value is the executor: ``with use(QueueExecutor(4)) as ex: ...``

    Raises:
        TypeError: ``executor`` is none of those.
    """
    _check_executor(executor)
    return _using(executor)


def _check_executor(value: object) -> None:
    if not isinstance(value, Executor):
        raise TypeError(f"executor must be an executor of taskpar, not {short(value)}")


@contextmanager
def _using(executor: E) -> Generator[E, None, None]:
    token = _used.set((executor, place.here()))
    try:
        yield executor
    finally:
        _used.reset(token)


def ambient(word: str | None = None) -> Executor:
    """Return the executor that decorated functions run on, here and now.

    That of the innermost `use` in this place; else, in a worker, a serial one; else the default
    of the process, which is made when it is first asked for, and again after a shutdown or a fork.

    Args:
        word: What the function wants by default, where the environment says nothing.

    Raises:
        ValueError: The environment variable ``TASKPAR_EXECUTOR``, which tells the default, is no
            word that `open_executor` understands.
        ModuleNotFoundError: What it names is not installed.
    """
    used = _used.get()
    if used is not None and used[1] is place.here():
        return used[0]
    return (_serial if place.inside_worker() or _is_daemon() else _default_for(word)).get()


def _is_daemon() -> bool:
    """Tell whether multiprocessing forbids this process to have children (somebody's Pool)."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and bool(process.current_process().daemon)


class _Kept:
    """An executor that is made when it is needed, once, and again when it was shut down.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._inherited: list[Executor | None] = []

    def begin_anew(self) -> None:
        """Do so in a forked process: the executor is the parent's, and so is the lock, if held.

        The executor is not used, but not let go either: that would end the parent's workers.
        """
        self._inherited.append(self._executor)
        self._lock = threading.Lock()
        self._executor = None

    def get(self) -> Executor:
        """Return the executor."""
        with self._lock:
            if self._executor is None or self._executor.closed:
                self._executor = self._make()
            return self._executor


def _wished(word: str | None = None) -> Executor:
    """Make the executor that the environment asks for, else this word, else the usual one."""
    if asked := os.environ.get("TASKPAR_EXECUTOR"):
        return opened("TASKPAR_EXECUTOR", asked)
    return opened("executor", word or "queue")


_serial = _Kept(SerialExecutor)
_default = _Kept(_wished)
_defaults: dict[str, _Kept] = {}
"""Those of functions that want another one than usual, by the word for it."""


def _default_for(word: str | None) -> _Kept:
    if word is None:
        return _default
    return _defaults.get(word) or _defaults.setdefault(word, _Kept(partial(_wished, word)))


def _begin_anew() -> None:
    for kept in (_serial, _default, *_defaults.values()):
        kept.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
