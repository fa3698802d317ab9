"""The engine: drives the ledger and one backend, for as many threads as like to call it.

::

    caller's thread                  ledger (pure)                  worker
    job.read ──── numbered calls ──► Submitted
                                      a slot is free: cut a batch
                  Send(ticket) ◄────
    wire.pack ── backend.send ───────────────────────────────────► wire.run
                  Part, Done, Died ◄────────────────────────────── backend reports
    job.settle ◄── Settle

One lock guards the ledger, and nothing is done while it is held: no pickling, no writing, no
code of a user. What the ledger says is done by the thread that brought the event, so a call goes
to its worker from the thread that submitted it.
"""

import os
import threading
import weakref
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Protocol

from taskpar._engine import events, wire
from taskpar._engine.backend import Backend, Parcel, WorkerInfo
from taskpar._engine.ledger import Ledger
from taskpar._model.outcome import Error
from taskpar.errors import ExecutorClosedError, InitializerError, WorkerDiedError

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference


class Job(Protocol):
    """A row of numbered calls: what the engine needs to know of a ``map``, or of submits."""

    @abstractmethod
    def calls(self, start: int, stop: int) -> wire.Calls | None:
        """Return a batch of the job; None when nobody wants it any more."""

    @abstractmethod
    def reference(self, calls: wire.Calls) -> "Reference | BaseException":
        """Return how workers get the function, or why it cannot be pickled."""

    @abstractmethod
    def label(self, calls: wire.Calls) -> str:
        """Return a name for the batch."""

    @abstractmethod
    def settle(self, start: int, stop: int, reply: wire.Reply) -> None:
        """Take the outcomes of calls ``start`` to ``stop``."""

    @abstractmethod
    def dropped(self, start: int, stop: int, broken: BaseException | None) -> None:
        """Learn that calls will never run: cancelled, or (with the reason) no worker is left."""


class Engine:
    """Runs jobs on a backend.

    Args:
        backend: Where calls run; started with the first job.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._ledger = Ledger(0 if backend.inline else backend.slots, backend.largest_batch)
        self._lock = threading.Lock()
        self._jobs: dict[int, Job] = {}
        self._numbers = count()
        self._pid = os.getpid()
        self._starting = threading.RLock()
        self._started = False
        self._stopped = threading.Event()
        self._cause: BaseException | None = None
        self._abandoned = False
        self._forgotten: deque[int] = deque()
        self._doing = threading.local()

    # ------------------------------------------------------------------------ for jobs
    def add(self, job: Job) -> int:
        """Take a job in; its calls come with `submit`.

        Raises:
            ExecutorClosedError: After `shutdown`.
            InitializerError: No worker can be made.
        """
        self._check_open()
        self._start()
        with self._lock:
            self._check_open()
            number = next(self._numbers)
            self._jobs[number] = job
        self._sweep()
        return number

    def _start(self) -> None:
        with self._starting:
            if self._started or self._ledger.closing:
                return
            if not threading.main_thread().is_alive():
                raise ExecutorClosedError("cannot schedule new futures after interpreter shutdown")
            self.backend.start(self)
            self._started = True
            if not self.backend.inline:
                _close_at_exit(self)

    def _check_open(self) -> None:
        if self._pid != os.getpid():
            raise ExecutorClosedError(
                f"the executor belongs to process {self._pid}, from which this one was forked: "
                "make another one here"
            )
        if self._ledger.closing:
            raise ExecutorClosedError("cannot schedule new futures: the executor was shut down")
        if self._ledger.broken:
            raise self._broken()

    def _broken(self) -> InitializerError:
        error = InitializerError("the executor is broken: no worker could be made ready")
        error.__cause__ = self._cause
        return error

    def submit(
        self,
        number: int,
        start: int,
        stop: int,
        chunksize: int | None = None,
        *,
        more: bool = False,
    ) -> None:
        """Let calls of a job wait for a worker; there may be ``more`` of them, or these are all.

        Raises:
            ExecutorClosedError: After `shutdown`.
        """
        event = events.Submitted(number, start, stop, chunksize, more)
        self._check_open()
        with self._lock:
            self._check_open()
            actions = self._ledger.handle(event)
        self._do(actions)
        self._sweep()

    def want(self, number: int, index: int) -> None:
        """Run a call here, where the backend is inline and nobody has run it yet."""
        self._handle(events.Wanted(number, index))

    def forget(self, number: int) -> None:
        """Let a job go: what waits of it is not run any more.

        The garbage collector may call this anywhere, also where the lock is held: then the holder
        does it.
        """
        self._forgotten.append(number)
        self._sweep()

    def _sweep(self) -> None:
        """Close the jobs that were let go, unless the lock is held: its holder comes here too."""
        while self._forgotten and self._lock.acquire(blocking=False):
            try:
                number = self._forgotten.popleft() if self._forgotten else None
                actions = [] if number is None else self._ledger.handle(events.Closed(number))
            finally:
                self._lock.release()
            if number is not None:
                self._jobs.pop(number, None)
            self._do(actions)

    # --------------------------------------------------------------------- for backends
    def part(self, ticket: int, reply: object) -> None:
        """Take a report that some outcomes of a ticket are home."""
        home = _read(reply)
        self._handle(events.Part(ticket, home.count, home.seconds), home)

    def done(self, ticket: int, reply: object) -> None:
        """Take a report that a worker is through with a ticket."""
        home = _read(reply)
        self._handle(events.Done(ticket, home.count, home.seconds), home)

    def died(self, ticket: int, why: str, position: int | None) -> None:
        """Take a report that the worker of a ticket has died."""
        self._handle(events.Died(ticket, position), why=why)

    def broken(self, cause: BaseException | None) -> None:
        """Take a report that no worker can be made."""
        self._cause = self._cause or cause
        self._handle(events.Broken())

    # ---------------------------------------------------------------------------- doing
    def _handle(
        self, event: events.Event, reply: wire.Reply | None = None, why: str | None = None
    ) -> None:
        with self._lock:
            actions = self._ledger.handle(event)
        self._do(actions, reply, why)
        self._sweep()
        if self._abandoned and not self._ledger.closing:
            self.shutdown(wait=False)

    def _do(
        self, actions: list[events.Action], reply: wire.Reply | None = None, why: str | None = None
    ) -> None:
        """Do what the ledger says.

        A backend may report from within `send`. What follows from that is done after what is being
        done now, not within it: else a row of quick batches would end as a deep recursion. Only
        inline, where a call may wait for another one, it is done at once.
        """
        steps = [(action, reply, why) for action in actions]
        if self.backend.inline:
            for step in steps:
                self._step(*step)
            return
        row: deque[tuple[events.Action, wire.Reply | None, str | None]] | None
        row = getattr(self._doing, "row", None)
        if row is not None:
            row.extend(steps)
            return
        row = self._doing.row = deque(steps)
        del steps, reply
        interrupt: BaseException | None = None
        try:
            while row:
                try:
                    self._step(*row.popleft())
                except BaseException as error:  # noqa: BLE001  # Ctrl-C: all must be done first
                    interrupt = error
        finally:
            self._doing.row = None
        if interrupt is not None:
            raise interrupt

    def _step(self, action: events.Action, reply: wire.Reply | None, why: str | None) -> None:
        match action:
            case events.Send():
                self._send(action)
            case events.Settle(number, start, stop):
                if (job := self._jobs.get(number)) and reply is not None:
                    job.settle(start, stop, reply)
            case events.Blame(number, index):
                if job := self._jobs.get(number):
                    error = Error(WorkerDiedError(f"call {index}: {why}", index))
                    job.settle(index, index + 1, wire.Reply(0, 1, 0.0, [error]))
            case events.Drop(number, start, stop, broken):
                if job := self._jobs.get(number):
                    job.dropped(start, stop, self._broken() if broken else None)
            case events.Stop():
                if self._started:
                    self.backend.stop()
                self._stopped.set()

    def _send(self, send: events.Send) -> None:
        job = self._jobs.get(send.job)
        calls = None if job is None else job.calls(send.start, send.stop)
        if job is None or calls is None:
            self.done(send.ticket, wire.Reply(0, send.stop - send.start, 0.0, []))
            return
        calls.whole = send.chunksize is not None
        try:
            content = calls if self.backend.direct else wire.pack(calls, job.reference(calls))
            parcel = Parcel(content, job.label(calls))
        except BaseException as error:  # a user's class can raise anything; a ticket must come back
            count = send.stop - send.start
            self.done(send.ticket, wire.Reply(0, count, 0.0, [Error(error)] * count))
            main = threading.current_thread() is threading.main_thread()
            if main and isinstance(error, KeyboardInterrupt):
                raise  # Ctrl-C is the user's to see at once
            return
        self.backend.send(send.ticket, parcel)

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._ledger.closing

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell which workers there are."""
        if not self._started or self._stopped.is_set():
            return ()
        return self.backend.workers()

    # -------------------------------------------------------------------------- leaving
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs, and let the workers go when all calls are home."""
        if self._pid != os.getpid():
            return  # the workers are those of the process that this one was forked from
        self._handle(events.Shutdown(cancel_futures))
        if not wait or getattr(self._doing, "row", None) is not None:
            return  # who comes from within a report would wait for himself
        while self.backend.inline and self._ledger.waits:
            self._handle(events.Wanted())
        if self._started:
            self._stopped.wait()
            self.backend.join()

    def abandon(self) -> None:
        """Shut down without waiting, from wherever the garbage collector happens to run.

        That may be within this very engine, where its lock is held: then the holder does it.
        """
        self._abandoned = True
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self.shutdown(wait=False)


def _read(reply: object) -> wire.Reply:
    if isinstance(reply, wire.Reply):
        return reply
    if reply is None:
        return wire.Reply(0, 0, 0.0, [])
    if isinstance(reply, bytes | memoryview):
        return wire.read_reply(reply)
    raise TypeError(f"a reply is bytes or a Reply, not {type(reply).__name__}")


# ---------------------------------------------------------------------------------- at exit
_open: "weakref.WeakSet[Engine]" = weakref.WeakSet()
_watching: Callable[[], bool] | None = None
_watch_lock = threading.Lock()


def _close_at_exit(engine: Engine) -> None:
    """See to it that an engine ends its work and lets its workers go before the interpreter ends.

    One thread waits for the main thread to end: at that time threads and processes can still be
    started, which functions registered with `atexit` cannot do.
    """
    global _watching
    _open.add(engine)
    with _watch_lock:
        if _watching is None or not _watching():
            watcher = threading.Thread(target=_close_all, name="taskpar-exit")
            watcher.start()
            _watching = watcher.is_alive


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)  # they are the parent's


def _close_all() -> None:
    threading.main_thread().join()
    for engine in list(_open):
        engine.shutdown()
