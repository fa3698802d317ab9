"""The worker process: what runs in it, from its first to its last moment.

::

    setup(), initializer ──► READY? ──► read a batch ──► wire.run ──► write the reply ──┐
                                            ▲                                           │
                                            └───────────────────────────────────────────┘
    teardown() ◄── the stop word, or enough calls run; gone at once when the parent has died
"""

import multiprocessing
import pickle
from contextvars import Context
from typing import NamedTuple

from taskpar._engine import exceptions, running, wire
from taskpar._engine.reply import count_of
from taskpar._system.arena import Arena, Shelf
from taskpar._system.channel import WorkerEnd
from taskpar._system.memory import resident
from taskpar.backends.board import Row
from taskpar.backends.child import Arrival, become_worker

STOP = b""
"""The stop word: the message that is no batch."""

PART, DONE, LAST, FAILED = b"p", b"d", b"l", b"f"
"""How a message of a worker begins: some outcomes; the batch is through; so is the worker (it has
run as many calls as it may); it could not be made ready."""


class Assignment(NamedTuple):
    """What a worker is given when it is started.

    Args:
        channel: Its end of the channel.
        arrival: What is around its parent; first, as it comes before all that is unpickled.
        memory: What is shared with the parent, pickled: the rows in which workers note what they
            do, where batches have what is big, and where replies have it.
        place: Which of the rows is this worker's.
        startup: The initializer and its arguments, pickled; None where there is none.
        most: How many calls it may run; 0: no bound.
        enough: Bytes of resident memory with which it begins no batch any more; 0: no bound.
    """

    arrival: Arrival
    channel: WorkerEnd
    memory: bytes
    place: int
    startup: bytes | None
    most: int
    enough: int


_current: "Worker | None" = None


def current_worker() -> "Worker | None":
    """Return the worker that the calling code runs in.

    Returns:
        The `Worker`, of the class given as ``worker_class``; None outside of the worker processes
        of `ProcessExecutor` and `QueueExecutor`.
    """
    return _current


class Worker(multiprocessing.Process):
    """A worker process; subclass it to give workers a state of their own.

    Override `setup` and `teardown`, pass the class as ``worker_class``, and reach the worker from
    within a task with `current_worker`.
    """

    assignment: Assignment
    """What it needs to be a worker; set by whoever starts it."""

    def setup(self) -> None:
        """Prepare; called once in the new process, before the initializer and all tasks."""

    def teardown(self) -> None:
        """Clean up; called once, after the last task, unless the process is killed."""

    def run(self) -> None:
        """Serve batches until told to stop; called in the new process."""
        global _current
        _current = self
        arrival = self.assignment.arrival
        if isinstance(arrival, Arrival):  # under fork; else it has made this a worker, and is gone
            become_worker(arrival.surroundings)
        try:
            Context().run(self._work, self.assignment)  # under fork, that of the caller is here
        except (EOFError, BrokenPipeError):
            return  # the parent has let go of its end: there is nobody to work for

    def _work(self, given: Assignment) -> None:
        try:
            board, batches, replies = pickle.loads(given.memory)
        except FileNotFoundError:
            return  # the parent has let go of it, before this had begun
        try:
            self.setup()
            if given.startup is not None:
                initializer, initargs = wire.unpack_startup(given.startup)
                initializer(*initargs)
        except BaseException as error:  # noqa: BLE001  # also SystemExit: it is why there is no worker
            given.channel.write(FAILED + exceptions.dumps(error))
            return
        try:
            shelf, arena = batches and Shelf(batches), replies and Arena(replies)
            self._serve(given, Row(board, given.place), running.Memory(shelf, arena))
        finally:
            self.teardown()

    def _serve(self, given: Assignment, row: Row, memory: running.Memory) -> None:
        left = given.most
        row.arrive(self.pid or 0)

        def part(reply: bytes) -> None:  # maybe from another thread, while a call runs
            given.channel.write(PART + reply)

        def enough() -> bool:
            return bool(given.enough) and (resident() or 0) > given.enough

        while payload := given.channel.read():
            reply = running.run(payload, row, part, left, enough, memory)
            if given.most:
                left -= count_of(reply)
            ends = bool(given.most and left <= 0) or enough()
            given.channel.write((LAST if ends else DONE) + reply)
            if ends:
                return
