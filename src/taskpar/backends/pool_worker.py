"""In the process of a pool: what is around the stdlib's loop, which gets tasks and puts answers.

::

    serve ──► ready? ──► the pool's loop: get ──► run: wire.run ──► put
                                                    └─ parts ─────► put
"""

import pickle
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from os import getpid
from typing import TYPE_CHECKING, Any, NamedTuple

from taskpar._engine import exceptions, running, wire
from taskpar._engine.reply import count_of
from taskpar.backends.board import Row
from taskpar.backends.child import Arrival, become_worker
from taskpar.backends.worker import DONE, FAILED, LAST

if TYPE_CHECKING:
    from taskpar._system.segment import Segment

Answer = tuple[bytes, bytes]
"""To a batch: DONE or LAST, and the reply; or FAILED, and why the worker could not be ready."""


class Terms(NamedTuple):
    """What the process of a pool is given.

    Args:
        arrival: What is around its parent; first, as it comes before all that is unpickled.
        board: The pickled memory in which it notes what it does.
        startup: The initializer and its arguments, pickled; None where there is none.
        most: How many calls it may run; 0: no bound.
    """

    arrival: Arrival
    board: bytes
    startup: bytes | None
    most: int


class _Here:
    """What this process is, between two batches."""

    def __init__(self, terms: Terms, say: Callable[[bytes], object]) -> None:
        board: Segment = pickle.loads(terms.board)
        self.row = Row(board, 0)
        self.row.arrive(getpid())
        self.most = self.left = terms.most
        self.error = _failure(terms.startup)
        self._say = say

    def part(self, reply: bytes) -> None:
        """Hand over what is ready; maybe from another thread, while a call runs."""
        self.count(reply)
        self._say(reply)

    def count(self, reply: bytes) -> None:
        """Count how many calls may still come."""
        if self.most:
            self.left -= count_of(reply)


_here: _Here


def serve(
    terms: Terms, loop: Callable[..., object], tasks: Any, results: Any, *more: object
) -> None:
    """Be the worker of a pool.

    Args:
        terms: What it is given.
        loop: What the pool has its workers do.
        tasks: The queue to get tasks from.
        results: The queue to put answers on.
        more: What the loop takes besides.
    """
    global _here
    threading.current_thread().name = "MainThread"  # by fork, it is a copy of the keeper
    if isinstance(terms.arrival, Arrival):  # by fork; else it made this a worker, and is gone
        become_worker(terms.arrival.surroundings)
    try:
        _here = _Here(terms, results.put)
        loop(tasks, results, *more)
    except (BrokenPipeError, FileNotFoundError):
        parent = parent_process()
        if parent is None or parent.is_alive():
            raise  # else there is nobody to tell, nor to work for


def _failure(startup: bytes | None) -> BaseException | None:
    """Make this process ready; return why it could not be."""
    try:
        if startup is not None:
            initializer, initargs = wire.unpack_startup(startup)
            initializer(*initargs)
    except BaseException as error:  # noqa: BLE001  # also SystemExit: it is why there is no worker
        return error
    return None


def run(payload: bytes) -> Answer:
    """Run a batch: this is what a pool's task calls."""
    here = _here
    if here.error is not None:
        return FAILED, exceptions.dumps(here.error)
    reply = running.run(payload, here.row, here.part, here.left)
    here.count(reply)
    return (LAST if here.most and here.left <= 0 else DONE), reply
