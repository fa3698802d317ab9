"""Calls run in somebody's `concurrent.futures.Executor`: threads, processes, other machines.

A batch is one call of that executor. Its workers may be anywhere: they get bytes, and a big
constant only after one of them has answered that it has none (`taskpar._engine.afar`), so that it
crosses once for a worker. Threads of this process get the batch as it is.
"""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from functools import partial
from os import getpid
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from taskpar._engine.afar import MISSING, run_afar
from taskpar._engine.backend import Death, Parcel, Report, WorkerInfo
from taskpar._engine.events import ANY
from taskpar._engine.running import run_in_thread

if TYPE_CHECKING:
    from taskpar._engine.reply import Reply
    from taskpar._engine.wire import Calls


class Lender(NamedTuple):
    """Where the executor comes from.

    Args:
        slots: How many batches it runs at once.
        make: Returns it.
        ours: Whether it is shut down by us.
    """

    slots: int
    make: Callable[[], Executor]
    ours: bool


class FuturesBackend:
    """An adapter over an executor whose workers get bytes.

    Args:
        lender: Where it comes from.
    """

    inline = False
    direct = False
    distant = True
    can_kill = False
    largest_batch: int | None = None

    def __init__(self, lender: Lender) -> None:
        self.slots = lender.slots
        self._lender = lender

    def start(self, report: Report) -> None:
        """Have the executor."""
        self._report = report
        self._executor = self._lender.make()

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Submit the batch as one call."""
        self._send(ticket, parcel)

    def _send(self, ticket: int, parcel: Parcel, *, whole: bool = False) -> None:
        """Send a batch, ``whole`` with what is bound to its function."""
        try:
            future = self._submit(ticket, parcel, whole=whole)
        except Exception as error:  # noqa: BLE001  # any executor, anybody's
            self._report.broken(error)
            self._report.died(ticket, Death("its executor took no more calls"))
        else:
            future.add_done_callback(partial(self._hear, ticket, None if whole else parcel))

    def _submit(self, ticket: int, parcel: Parcel, *, whole: bool) -> "Future[Any]":
        key = data = None
        if parcel.apart is not None:
            key = parcel.apart.key
            data = bytes(parcel.apart.segment.memory) if whole else None
        return self._executor.submit(run_afar, cast("bytes", parcel.content), key, data)

    def _hear(self, ticket: int, parcel: Parcel | None, future: "Future[Any]") -> None:
        """Take an answer; the parcel may have to be sent again, as something was missing."""
        if future.cancelled():
            self._report.died(ticket, Death("its executor cancelled it"))
        elif error := future.exception():
            self._lost(ticket, error)
        elif (reply := future.result()) == MISSING and parcel is not None:
            self._send(ticket, parcel, whole=True)
        else:
            self._report.done(ticket, reply)

    def _lost(self, ticket: int, error: BaseException) -> None:
        """Report what became of a batch that did not come back: nobody knows how far it had come.

        What it calls raises nothing: so whatever is raised is the executor's own.
        """
        if isinstance(error, BrokenExecutor):
            self._report.broken(error)
        end = f"its executor raised {type(error).__name__}: {error}"
        self._report.died(ticket, Death(f"it may have been running when {end}", ANY))

    def stop(self) -> None:
        """Let the executor go, if it is ours."""
        if self._lender.ours:
            self._executor.shutdown(wait=False)

    def join(self) -> None:
        """Wait for the executor's workers, if it is ours."""
        if self._lender.ours:
            self._executor.shutdown(wait=True)

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell of the executor: it does not say who its workers are."""
        return (WorkerInfo(type(self._executor).__name__, None, alive=True, exitcode=None),)


class InterpretersBackend(FuturesBackend):
    """An adapter over sub-interpreters of ours, none of which dies alone."""

    def _lost(self, ticket: int, error: BaseException) -> None:
        """Report that none could be made ready: no call has begun."""
        self._report.broken(error)
        self._report.died(ticket, Death(str(error)))


class ThreadsBackend(FuturesBackend):
    """An adapter over an executor whose workers are threads of this process."""

    direct = True
    distant = False

    def _submit(self, ticket: int, parcel: Parcel, *, whole: bool) -> "Future[Any]":
        batch = [cast("Calls", parcel.content)]
        take = partial(self._report.done, ticket)
        try:
            return self._executor.submit(self._run_there, batch, take)
        except RuntimeError as error:
            if isinstance(error, BrokenExecutor) or not self._lender.ours:
                raise
            # The program ends, or there can be no more threads: it is run all the same. It may be
            # in the executor's queue by now, too: whoever takes it first runs it.
            here: Future[Any] = Future()
            _run(batch, take)
            here.set_result(None)
            return here

    def _run_there(self, batch: "list[Calls]", take: "Callable[[Reply], None]") -> None:
        """Run a batch in a thread of the executor."""
        self._report.serve()
        _run(batch, take)

    def _hear(self, ticket: int, parcel: Parcel | None, future: "Future[Any]") -> None:
        """Look after what did not run; else the reply has been handed over."""
        if future.cancelled() or future.exception():
            super()._hear(ticket, parcel, future)

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell of this process: the workers are its threads."""
        return (WorkerInfo("MainProcess", getpid(), alive=True, exitcode=None),)


class OwnThreadsBackend(ThreadsBackend):
    """The standard library's threads.

    Args:
        slots: How many.
        prefix: How their names begin.
        initializer: Called once in each of them.
        initargs: Its arguments.
    """

    def __init__(
        self,
        slots: int,
        prefix: str,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
    ) -> None:
        make = partial(ThreadPoolExecutor, slots, prefix, self._initialize)
        super().__init__(Lender(slots, make, ours=True))
        self._initializer = initializer
        self._initargs = initargs
        self._cause: BaseException | None = None

    def _initialize(self) -> None:
        try:
            if self._initializer is not None:
                self._initializer(*self._initargs)
        except BaseException as error:
            self._cause = error  # the executor only tells that it is broken
            raise

    def _lost(self, ticket: int, error: BaseException) -> None:
        """Report that no thread could be made ready: no call has begun."""
        self._report.broken(self._cause or error)
        self._report.died(ticket, Death(str(error)))


def _run(batch: "list[Calls]", take: "Callable[[Reply], None]") -> None:
    """Run a batch, if nobody else has taken it, and hand over the reply here.

    It is not returned: the executor's frames lead to what is returned, and the tracebacks of
    errors in it lead to those frames, so that both would stay until the garbage collector comes.
    """
    try:
        calls = batch.pop()
    except IndexError:
        return
    replies = [run_in_thread(calls)]
    take(replies.pop())
