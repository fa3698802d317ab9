"""One worker with a pool of its own, from its start to its end; one thread sees to it, the keeper.

::

    employer ── begin ──► keeper: start the pool ──► wait for the end of the process ──► close ──┐
             ── give ───► pool ──► worker ──► heard                                              │
             ── retire, stop, kill ──► (the process ends)                                  gone ◄┘

The same steps end it, whether the worker left as it was asked to or was killed at any instant
(`taskpar.backends.pool_context` sees to that). Its end is told when all that it had written has
been heard.
"""

import os
import pickle
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.pool import Pool
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from taskpar._engine.backend import Death, WorkerInfo
from taskpar._system import memory
from taskpar._system.lifeline import kill_group
from taskpar._system.mainless import exitcode_of
from taskpar.backends.board import Board
from taskpar.backends.child import Arrival
from taskpar.backends.link import GRACE, info_of
from taskpar.backends.pool_context import PoolContext
from taskpar.backends.pool_worker import Answer, Terms, run, serve
from taskpar.backends.surroundings import Surroundings

_SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class Employer(Protocol):
    """Who is told what becomes of a life, in threads of that life."""

    def serve(self) -> None:
        """Learn that the calling thread is one of those: it never waits for the life's end."""

    def part(self, life: "Life", reply: bytes) -> None:
        """Hear what is ready of a batch while the worker goes on with it."""

    def heard(self, life: "Life", ticket: int, answer: Answer) -> None:
        """Hear the answer to a batch."""

    def gone(self, life: "Life", death: Death) -> None:
        """Learn that nothing is left of the life."""

    def failed(self, life: "Life", error: BaseException) -> None:
        """Learn of a mistake of ours."""


class Life:
    """A pool of one worker.

    Args:
        employer: Who is told.
        name: The name of the process.
        process_class: What to make the process of.
        slots: Among how many workers the processors are shared.
        startup: The pickled initializer; None where there is none.
        most: How many calls the worker may run; 0: no bound.

    Raises:
        Exception: What it needs cannot be had.
    """

    def __init__(
        self,
        employer: Employer,
        name: str,
        process_class: type[BaseProcess],
        slots: int,
        startup: bytes | None,
        most: int,
    ) -> None:
        self.name = name
        self.ticket: int | None = None
        self.doomed = False
        """Whether it is being killed."""
        self._employer = employer
        self._process_class: Callable[..., BaseProcess] = process_class
        arrival = Arrival(Surroundings.here(slots))
        self._board = Board(1)
        self._row = self._board.row(0)
        self._row.reset()
        self._terms = Terms(arrival, pickle.dumps(self._board.segment), startup, most)
        self._context = PoolContext(self._make, partial(employer.part, self))
        self._pool: Pool | None = None
        self._living = threading.RLock()  # the garbage collector may come here anywhere
        self._kept = self._leaving = self._ended = False
        self._trouble = ""
        self._peak = 0
        self._killer: threading.Timer | None = None
        self._first = b""
        self._begun = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"taskpar-{name}", daemon=True)

    def _make(self, target: Callable[..., object], args: tuple[Any, ...]) -> BaseProcess:
        """Make the process: it does what the pool wants, in the surroundings that we want."""
        return self._process_class(target=serve, name=self.name, args=(self._terms, target, *args))

    # --------------------------------------------------------------------- from its employer
    def begin(self, payload: bytes) -> None:
        """Start the worker, with a first batch; returns when it has been started.

        That is for the keeper to do: nobody's Ctrl-C leaves a pool half made.
        """
        self._first = payload
        self._keeper.start()
        self._begun.wait()

    def give(self, payload: bytes) -> None:
        """Give the worker a batch; nothing happens if its end is near, as its keeper tells that."""
        with self._living:
            near = self._leaving or self.doomed
            if near or self._pool is None or self.ticket is None:
                return
            self._row.clear()
            heard = partial(self._heard, self.ticket)
            self._pool.apply_async(run, (payload,), {}, heard, self._failed)

    def recover(self, error: BaseException) -> None:
        """Bring an end about, which will be told, if `begin` or `give` has failed anywhere within.

        There can be no more threads, or Ctrl-C has struck: nobody knows how far the batch has come.
        """
        if self._is_mine():
            self._release()
            self._employer.gone(self, unstarted(error))
        else:
            self.kill()

    def _is_mine(self) -> bool:
        """Tell the first who asks that the end is for him to tell: the keeper, or nobody else."""
        with self._living:
            kept, self._kept = self._kept, True
            return not kept

    def retire(self) -> None:
        """Let the worker go when it has nothing more to do."""
        with self._living:
            self._leave()

    def _leave(self) -> None:
        self._leaving = True
        if self._pool is not None:
            self._pool.close()

    def stop(self, ticket: int, position: int | None) -> None:
        """Ask the process to end, if it is at this position; it is killed if it does not."""
        with self._living:
            there = self.ticket == ticket and not self._ended
            if there and not self.doomed and self._row.halt(position):
                self.doomed = True
                self._signal(signal.SIGTERM)
                self._killer = threading.Timer(GRACE, self.kill)
                self._killer.daemon = True
                try:
                    self._killer.start()
                except RuntimeError:  # Python 3.12 starts no thread as the interpreter ends
                    self.kill()

    def kill(self) -> None:
        """Kill the process, with all that it has started."""
        with self._living:
            self.doomed = True
            self._signal(_SIGKILL)

    def _signal(self, number: int) -> None:
        process = self._context.process
        pid = None if self._ended or process is None else process.pid
        if process is not None and pid is not None:
            self._peak = max(self._peak, memory.peak(pid) or 0)
            if exitcode_of(process) is None:
                kill_group(pid, number)

    def running(self, ticket: int) -> tuple[int, float] | None:
        """Tell the position of the call that runs, and for how long; None: none."""
        with self._living:
            if self._ended or self.ticket != ticket:
                return None
            position, seconds = self._row.position, self._row.seconds
            return None if position is None or seconds is None else (position, seconds)

    def info(self) -> WorkerInfo:
        """Tell who the worker is."""
        with self._living:
            process = self._context.process
            if self._ended or process is None:
                return WorkerInfo(self.name, None, alive=False, exitcode=None)
            return info_of(self.name, process)

    def join(self) -> None:
        """Wait until nothing is left of it."""
        if threading.current_thread() is not self._keeper:
            self._keeper.join()

    # ------------------------------------------------------------------ in threads of the pool
    def _heard(self, ticket: int, answer: Answer) -> None:
        try:
            self._employer.heard(self, ticket, answer)
        except BaseException as error:  # noqa: BLE001  # the pool would lose its thread
            self._employer.failed(self, error)

    def _failed(self, error: BaseException) -> None:
        """Give the worker up, as its batch or its answer could not get through."""
        if not self._leaving:  # else it has ended, which was the reason
            self._trouble = f", whose batch or answer could not get through ({error!r}),"
            self.kill()

    # -------------------------------------------------------------------------- in its keeper
    def _keep(self) -> None:
        """See to the worker, from its start to its end."""
        if not self._is_mine():
            return
        self._employer.serve()
        try:
            failure, death = self._start(), self._end()
            death = failure or death
        except BaseException as error:  # noqa: BLE001  # a mistake of ours, but nobody may wait
            self._employer.failed(self, error)
            death = Death(f"its worker cannot be watched: {error!r}")
        self._employer.gone(self, death)

    def _start(self) -> Death | None:
        """Start the pool and give it its first batch; return why that cannot be."""
        try:
            self._pool = Pool(1, context=self._context)
            first, self._first = self._first, b""
            self.give(first)
        except BaseException as error:  # noqa: BLE001  # whatever the system says
            self.kill()
            return unstarted(error)
        finally:
            self._begun.set()
        return None

    def _end(self) -> Death:
        """Wait for the end of the process; when all that it wrote is heard, let everything go."""
        death, process = Death(f"its worker {self.name}"), self._context.process
        if process is not None and process.pid is not None:
            _wait_for_end(process)
            code = exitcode_of(process, ended=True)
            peak = max(self._peak, self._row.peak or 0) or None
            why = f"its worker {self.name} (pid {process.pid}){self._trouble}"
            death = Death(why, self._row.position, process.pid, code, self._row.seconds, peak)
        self.retire()
        self._context.cut()
        if self._pool is not None:
            self._pool.join()
            with suppress(OSError):  # so that it does not do that when it is collected
                self._pool.terminate()
        self._release()
        return death

    def _release(self) -> None:
        process = self._context.process
        with self._living:  # nobody else may use what is closed now
            self._ended = True
            self._context.close()
            self._pool = None
            if process is not None and process.exitcode is not None:
                process.close()
            self._row.close()
            self._board.close()
        if self._killer is not None:
            self._killer.cancel()


def unstarted(error: BaseException) -> Death:
    """Tell that a worker cannot be started: no memory, no process, no thread is left."""
    return Death(f"no worker can be started: {error}")


def _wait_for_end(process: BaseProcess) -> None:
    """Wait until a process has ended; its sentinel may be open in a child of its own."""
    sign = process.sentinel
    if hasattr(os, "pidfd_open"):  # Linux
        with suppress(OSError):  # it has ended, or this system has no such thing
            sign = os.pidfd_open(process.pid or 0)
    wait([sign])
    if sign != process.sentinel:
        os.close(sign)
