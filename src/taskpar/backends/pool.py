"""Calls run by the workers of `multiprocessing.Pool`: one pool for each of them.

So a worker that dies takes nothing with it but its own pool, and what it had to do
(`taskpar.backends.pool_life`). Pools are made when there is work for them.
"""

import threading
from collections.abc import Callable
from itertools import count
from multiprocessing.context import BaseContext
from typing import TYPE_CHECKING, Any, cast

from taskpar._engine import exceptions, wire
from taskpar._engine.backend import Death, Parcel, Report, WorkerInfo
from taskpar._system import lifeline
from taskpar._system.forking import warn_of_threads
from taskpar._system.mainless import mainless
from taskpar.backends import pool_worker
from taskpar.backends.pool_life import Life, unstarted
from taskpar.backends.pool_worker import Answer
from taskpar.backends.worker import DONE, LAST

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

_PRELOADED = (pool_worker.__name__, "taskpar._engine.constant", "cloudpickle")


class PoolBackend:
    """Workers of the stdlib's pool.

    Args:
        slots: How many workers there may be.
        context: How to start them.
        initializer: Called in each new worker.
        initargs: Its arguments.
        most: How many calls a worker may run; 0: no bound.
    """

    inline = False
    direct = False
    can_kill = True
    largest_batch: int | None = None

    def __init__(
        self,
        slots: int,
        context: BaseContext,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        most: int,
    ) -> None:
        self.slots = slots
        self._context = context
        self._process_class: type[BaseProcess] = mainless(context, None, _PRELOADED)
        self._startup = wire.pack_startup(initializer, initargs)
        self._most = most
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._lives: dict[Life, None] = {}
        self._idle: list[Life] = []
        self._waiting: dict[int, Parcel] = {}
        self._names = count(1)
        self._stopping = False

    def start(self, report: Report) -> None:
        """Remember whom to tell; pools come with the work."""
        self._report = report
        warn_of_threads(self._context)
        lifeline.read_end()  # it starts a process: another thread could miss Ctrl-C meanwhile

    # ---------------------------------------------------------------------------- sending
    def send(self, ticket: int, parcel: Parcel) -> None:
        """Give the batch to the worker that became idle last, or to a new one."""
        try:
            self._send(ticket, parcel)
        except BaseException as error:  # what the system says, or Ctrl-C: the ticket must come back
            self._recover(ticket, error)
            if not isinstance(error, Exception):
                raise

    def _send(self, ticket: int, parcel: Parcel) -> None:
        with self._lock:
            life = self._idle.pop() if self._idle else None
            if life is not None and parcel.fresh:
                life.retire()
                life = None
            if life is not None:
                life.ticket = ticket
        if life is not None:
            life.give(cast("bytes", parcel.content))
        else:
            self._hire(ticket, parcel)

    def _hire(self, ticket: int, parcel: Parcel) -> None:
        """Start a worker for a ticket, or let it wait until there is room for one."""
        with self._lock:
            if len(self._lives) >= 2 * self.slots:  # some are about to leave
                self._waiting[ticket] = parcel
                return
        name = f"PoolWorker-{next(self._names)}"
        life = Life(self, name, self._process_class, self.slots, self._startup, self._most)
        life.ticket = ticket
        with self._lock:
            self._lives[life] = None
        life.begin(cast("bytes", parcel.content))

    def _recover(self, ticket: int, error: BaseException) -> None:
        """See to it that a ticket is answered whose sending has failed."""
        life = self._life_of(ticket)
        if life is not None:
            life.recover(error)
        elif ticket not in self._waiting:
            self._report.died(ticket, unstarted(error))

    # ---------------------------------------------------------------------------- hearing
    def serve(self) -> None:
        """Report that the calling thread is a life's."""
        self._report.serve()

    def part(self, life: Life, reply: bytes) -> None:
        """Report what is ready of a batch."""
        self.serve()
        if (ticket := life.ticket) is not None:
            self._report.part(ticket, reply)

    def heard(self, life: Life, ticket: int, answer: Answer) -> None:
        """Report the answer to a batch; its worker is free from now on, or leaves."""
        self.serve()
        kind, body = answer
        if kind == DONE:
            self._is_idle(life)
            self._report.done(ticket, body)
            return
        life.retire()  # the slot is free when the process has ended
        if kind == LAST:
            self._report.part(ticket, body)
        else:
            self._report.broken(exceptions.loads(body))

    def _is_idle(self, life: Life) -> None:
        with self._lock:
            life.ticket = None
            if life.doomed:  # its last call ended in this very moment: the next is not to suffer
                life.retire()
                return
            self._idle.append(life)
            if self._stopping:
                life.retire()

    def gone(self, life: Life, death: Death) -> None:
        """Report the death of a worker, if there is something that it left undone."""
        with self._lock:
            del self._lives[life]
            if life in self._idle:
                self._idle.remove(life)
            ticket, life.ticket = life.ticket, None
            waiting = next(iter(self._waiting.items()), None)
            if waiting is not None:
                del self._waiting[waiting[0]]
        if ticket is not None:
            self._report.died(ticket, death)
        if waiting is not None:
            self.send(*waiting)

    def failed(self, life: Life, error: BaseException) -> None:
        """Report that our own part of the work went wrong."""
        self._report.broken(error)
        life.kill()

    # --------------------------------------------------------------------------- stopping
    def _life_of(self, ticket: int) -> Life | None:
        with self._lock:
            return next((life for life in self._lives if life.ticket == ticket), None)

    def running(self, ticket: int) -> tuple[int, float] | None:
        """Tell which call of a ticket runs, and for how many seconds."""
        life = self._life_of(ticket)
        return None if life is None else life.running(ticket)

    def kill(self, ticket: int, position: int | None) -> None:
        """Stop a ticket's worker, if it is still at this position."""
        life = self._life_of(ticket)
        if life is not None:
            life.stop(ticket, position)

    # ---------------------------------------------------------------------------- leaving
    def stop(self) -> None:
        """Let all workers leave; all of them are idle."""
        with self._lock:
            self._stopping = True
            for life in self._lives:
                life.retire()

    def join(self) -> None:
        """Wait until they are gone, each with its pool."""
        with self._lock:
            lives = list(self._lives)
        for life in lives:
            life.join()

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell who is there."""
        with self._lock:
            return tuple(life.info() for life in self._lives)
