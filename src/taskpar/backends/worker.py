"""The worker process: what runs in it, from its first to its last moment.

::

    setup(), initializer ──► READY? ──► read a batch ──► wire.run ──► write the reply ──┐
                                            ▲                                           │
                                            └───────────────────────────────────────────┘
    teardown() ◄── the stop word, or enough calls run; gone at once when the parent has died
"""

import multiprocessing
import pickle
from typing import TYPE_CHECKING, NamedTuple

from taskpar._engine import exceptions, wire
from taskpar._system.channel import WorkerEnd
from taskpar.backends.child import become_worker

if TYPE_CHECKING:
    from taskpar._system.segment import Segment

STOP = b""
"""The stop word: the message that is no batch."""

PART, DONE, LAST, FAILED = b"p", b"d", b"l", b"f"
"""How a message of a worker begins: some outcomes; the batch is through; so is the worker (it has
run as many calls as it may); it could not be made ready."""

NOWHERE = -1
"""The position of a worker that runs no call."""


class Assignment(NamedTuple):
    """What a worker is given when it is started.

    Args:
        channel: Its end of the channel.
        positions: The pickled segment with a word for each worker, the position of its call.
        place: Which of the words is this worker's.
        startup: The initializer and its arguments, pickled; None where there is none.
        most: How many calls it may run; 0: no bound.
    """

    channel: WorkerEnd
    positions: bytes
    place: int
    startup: bytes | None
    most: int


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
        become_worker()
        try:
            self._work(self.assignment)
        except (EOFError, BrokenPipeError, FileNotFoundError):
            parent = multiprocessing.parent_process()
            if parent is None or parent.is_alive():
                raise  # else there is nobody to tell, nor to work for

    def _work(self, given: Assignment) -> None:
        positions: Segment = pickle.loads(given.positions)
        try:
            self.setup()
            if given.startup is not None:
                initializer, initargs = wire.unpack_startup(given.startup)
                initializer(*initargs)
        except BaseException as error:  # noqa: BLE001  # also SystemExit: it is why there is no worker
            given.channel.write(FAILED + exceptions.dumps(error))
            return
        try:
            self._serve(given, positions.memory.cast("q"))
        finally:
            self.teardown()

    def _serve(self, given: Assignment, words: "memoryview[int]") -> None:
        left = given.most

        def note(position: int) -> None:
            words[given.place] = position

        def part(reply: bytes) -> None:
            note(NOWHERE)
            given.channel.write(PART + reply)

        while payload := given.channel.read():
            reply = wire.run(payload, note, part, left)
            note(NOWHERE)
            if given.most:
                left -= wire.read_reply(reply).count
            given.channel.write((LAST if given.most and left <= 0 else DONE) + reply)
            if given.most and left <= 0:
                return
