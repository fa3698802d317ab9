"""The parent's side of one worker: its process, its channel, and the ticket that it has."""

import pickle
import signal
import threading
from math import inf
from multiprocessing.process import BaseProcess
from time import monotonic
from typing import NamedTuple

from taskpar._engine.backend import Death, WorkerInfo
from taskpar._engine.reply import Reply, read_reply
from taskpar._system import memory
from taskpar._system.arena import Arena, Loan, Shelf, forking_a_worker, memory_for
from taskpar._system.channel import ParentEnd
from taskpar._system.lifeline import kill_group
from taskpar._system.mainless import exitcode_of, mainless
from taskpar.backends.board import Board
from taskpar.backends.child import Arrival
from taskpar.backends.hiring import Hiring
from taskpar.backends.surroundings import Surroundings
from taskpar.backends.worker import Assignment, Worker

_PRELOADED = (Worker.__module__, "taskpar._engine.constant")

GRACE = 0.5
"""Seconds between asking a worker to end (SIGTERM) and killing it: a task that wants to clean up
may have a handler for that signal."""


class Workplace(NamedTuple):
    """What a worker shares with its parent.

    Args:
        board: The rows in which workers note what they do.
        place: Which row is this worker's.
        arena: Where what is big lies in batches; None: nothing does.
    """

    board: Board
    place: int
    arena: Arena | None


class Link:
    """One worker, from its start to its end.

    Args:
        hiring: What it is made of.
        name: The name of the process.
        workplace: What it shares with its parent.

    Raises:
        Exception: The process cannot be started.
    """

    def __init__(self, hiring: Hiring, name: str, workplace: Workplace) -> None:
        board, place, arena = workplace
        self.place = place
        self.name = name
        self.ticket: int | None = None
        self.doomed = False
        """Whether it has been asked to end, or killed."""
        self.doomed_at = inf
        """When it is killed, if it has not ended before that."""
        self.idle_since = 0.0
        """When it had nothing to do any more, if it has not."""
        self.row = board.row(place)
        self.row.reset()
        results = memory_for(hiring.shared // 2 // hiring.slots)
        self._shelf = None if results is None else Shelf(results)
        self._loans: list[Loan] = []
        self.channel = ParentEnd()
        self.began: float | None = monotonic()
        """When it was started, until it is heard for the first time."""
        preloaded = (*_PRELOADED, *hiring.preload)
        self.process = mainless(hiring.context, hiring.worker_class, preloaded)(name=name)
        self._writing = threading.Lock()
        self._living = threading.RLock()  # the garbage collector may come here anywhere
        self._ended = False
        self._peak = 0
        self._why = ""
        self.deaf = False
        """Whether the channel has ended, so that only the end of the process is waited for."""
        self.pid = self._start(
            Assignment(
                Arrival(Surroundings.here(hiring.slots)),
                self.channel.worker_end,
                pickle.dumps((board.segment, arena and arena.segment, results)),
                place,
                hiring.startup,
                hiring.most,
                hiring.memory[0],
            )
        )

    def _start(self, given: Assignment) -> int:
        """Start the process; return its number."""
        self.process.assignment = given
        try:
            with forking_a_worker():
                self.process.start()
            return self.process.pid or 0
        except BaseException:  # Ctrl-C may come when it has been started
            if self.process.pid:
                self.process.kill()
            self.channel.close()
            raise
        finally:
            given.channel.close()

    def send(self, message: bytes, loan: Loan | None = None) -> None:
        """Give the worker a message; nothing happens if it is dead, as its sentinel tells that.

        Args:
            message: The bytes.
            loan: What lies elsewhere of it.
        """
        with self._writing:
            if self._ended:
                return
            if loan is not None and loan.pieces:
                self._loans = [*(each for each in self._loans if each.is_out()), loan]
            self.row.clear()
            try:
                self.channel.write(message, self.process.sentinel)
            except OSError:
                return
            except BaseException:  # Ctrl-C within a frame: nobody can read on behind it
                self.process.kill()
                raise

    def messages(self) -> list[bytes | memoryview]:
        """Return what has arrived."""
        if self.deaf:
            return []
        try:
            return self.channel.messages()
        except (EOFError, OSError):
            self.deaf = True
            return []

    def reply(self, body: memoryview) -> Reply:
        """Read the head of a reply."""
        return read_reply(body, self._shelf)

    def stop(self, position: int | None) -> None:
        """Ask the process to end, if it is at this position; it is killed if it does not."""
        with self._living:
            if not self._ended and self.row.halt(position) and not self.doomed:
                self.doomed = True
                self.doomed_at = monotonic() + GRACE
                self._signal(signal.SIGTERM)

    def kill(self, why: str = "") -> None:
        """Kill the process, with all that it has started."""
        with self._living:
            self.doomed, self.doomed_at, self._why = True, inf, why
            if not self._ended:
                self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def _signal(self, number: int) -> None:
        self._look()
        if exitcode_of(self.process) is None:
            kill_group(self.pid, number)

    def running(self) -> tuple[int, float] | None:
        """Tell the position of the call that runs, and for how long; None: none."""
        with self._living:
            if self._ended:
                return None
            position, seconds = self.row.position, self.row.seconds
            return None if position is None or seconds is None else (position, seconds)

    def look(self) -> int:
        """See how much memory the process has; return that, in bytes."""
        with self._living:
            return 0 if self._ended else self._look()

    def _look(self) -> int:
        self._peak = max(self._peak, memory.peak(self.pid) or 0)
        return memory.resident(self.pid) or 0

    def end(self) -> Death:
        """Let go of a process that has ended, and tell how it did."""
        code, row = exitcode_of(self.process, ended=True), self.row
        peak = max(self._peak, row.peak or 0) or None
        why = f"its worker {self.name} (pid {self.pid}){self._why}"
        death = Death(why, row.position, self.pid, code, row.seconds, peak)
        with self._living, self._writing:  # nobody else may use what is closed now
            self._ended = True
            self._loans.clear()
            self._shelf = None  # what results lie on is kept by these, not by who knows this
            self.channel.close()
            if code is not None:  # else somebody else is asking multiprocessing, just now
                self.process.close()
            row.close()
        return death

    def info(self) -> WorkerInfo:
        """Tell who it is."""
        return info_of(self.name, self.process)


def info_of(name: str, process: BaseProcess) -> WorkerInfo:
    """Tell who a worker is, whether its process has not been started yet, runs, or has ended."""
    try:
        code, pid = exitcode_of(process), process.pid
    except ValueError:  # closed in this very moment
        return WorkerInfo(name, None, alive=False, exitcode=None)
    return WorkerInfo(name, pid, alive=code is None and pid is not None, exitcode=code)
