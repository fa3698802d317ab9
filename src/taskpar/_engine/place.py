"""Where are we: in a caller's thread, or in a worker?

Code that runs in a worker runs *its* parallel functions serially, as the workers of the whole
program share the processors already.
"""

import os
from contextvars import ContextVar, Token
from typing import Any, Final


class Place:
    """Somewhere where code runs; equal to nothing but itself.

    Args:
        worker: Whether it is a worker.
    """

    __slots__ = ("_token", "worker")

    def __init__(self, *, worker: bool) -> None:
        self.worker: Final = worker
        self._token: Token[Place | None] | None = None

    def __enter__(self) -> None:
        self._token = _thread.set(self)

    def __exit__(self, *exc: object) -> None:
        if self._token is not None:
            _thread.reset(self._token)


given_filters: list[Any] = []
"""The warnings filters that this process, a worker, was given by its caller when it was made."""

_thread: ContextVar[Place | None] = ContextVar("taskpar.place", default=None)
_process = Place(worker=False)


def here() -> Place:
    """Return the place of the code that runs now.

    What was noted at another place does not count here: that of another worker, of the caller of
    this worker (threads and forked processes may inherit its context), or of the process that
    forked this one.
    """
    return _thread.get() or _process


def inside_worker() -> bool:
    """Tell whether the code that runs now is run by a worker."""
    return here().worker


def worker() -> Place:
    """Return a place for a worker thread: a context manager, for as long as it runs a batch."""
    return Place(worker=True)


def enter() -> None:
    """Make all of this process a worker, for good."""
    global _process  # a process is one place
    _process = Place(worker=True)
    _thread.set(None)


def _after_fork() -> None:
    """Make a forked process a place of its own, of the same kind."""
    global _process  # a process is one place
    _process = Place(worker=here().worker)
    _thread.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
