"""The worker process: what runs in it, from its first to its last moment.

::

    setup(), initializer ──► READY? ──► read a batch ──► wire.run ──► write the reply ──┐
                                            ▲                                           │
                                            └───────────────────────────────────────────┘
    teardown() ◄── the stop word, or enough calls run; gone at once when the parent has died
"""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import Any, NamedTuple

from taskpar._engine import exceptions, place, wire
from taskpar._system.channel import WorkerEnd
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
        positions: A word for each worker, which holds the position of the call that it runs.
        place: Which of the words is this worker's.
        startup: The initializer and its arguments, pickled; None where there is none.
        most: How many calls it may run; 0: no bound.
    """

    channel: WorkerEnd
    positions: Segment
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
        place.enter()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
        threading.Thread(target=_leave_with_parent, name="taskpar-parent", daemon=True).start()
        given = self.assignment
        try:
            self.setup()
            if given.startup is not None:
                initializer, initargs = wire.unpack_startup(given.startup)
                initializer(*initargs)
        except BaseException as error:  # noqa: BLE001  # also SystemExit: it is why no worker can be made
            given.channel.write(FAILED + exceptions.dumps(error))
            return
        try:
            self._serve(given)
        except (EOFError, BrokenPipeError):
            return  # the parent has gone
        finally:
            self.teardown()

    def _serve(self, given: Assignment) -> None:
        words = given.positions.memory.cast("q")
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


def _leave_with_parent() -> None:
    """End this process when its parent has died, whoever else holds an end of its pipes."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    signs: list[Any] = [parent.sentinel]
    if hasattr(os, "pidfd_open"):  # Linux: under fork, siblings keep the sentinel's pipe open
        try:
            signs.append(os.pidfd_open(parent.pid or 0))
        except ProcessLookupError:
            os._exit(1)
    wait(signs)
    os._exit(1)
