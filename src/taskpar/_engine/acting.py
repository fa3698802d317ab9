"""Doing what the ledger says: one method for each action, the second half of the engine."""

import threading
from functools import cached_property
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from taskpar._engine import deaths, events, wire
from taskpar._engine.backend import (
    Backend,
    Death,
    KillingBackend,
    LendingBackend,
    Parcel,
    is_distant,
)
from taskpar._engine.job import Job
from taskpar._engine.reply import Reply
from taskpar._model.outcome import Error
from taskpar.errors import InitializerError

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from taskpar._engine.constant import Constants


class News(NamedTuple):
    """The report that an event comes from, as far as actions need it.

    Args:
        reply: The outcomes that came.
        death: How the worker ended.
    """

    reply: Reply | None = None
    death: Death | None = None


NO_NEWS = News()


class Doing(threading.local):
    """What the thread that asks does for an engine."""

    row: "deque[tuple[events.Action, News]] | None" = None
    """What it is doing, and what comes after that; None: nothing."""
    serves = False
    """Whether it is one of those that the end of all calls has to wait for."""


class Owner(Protocol):
    """What actions need of the engine."""

    backend: Backend
    jobs: dict[int, Job]

    def tell(self, event: events.Event, news: News = NO_NEWS) -> None:
        """Let the ledger handle an event, and do what it says."""

    def done(self, ticket: int, reply: object) -> None:
        """Take a report that a worker is through with a ticket."""

    def died(self, ticket: int, death: Death) -> None:
        """Take a report that the worker of a ticket has died."""

    def why_broken(self) -> InitializerError:
        """Make the error that tells why no worker is left."""
        ...

    def let_go(self) -> None:
        """Let the workers go: all is home."""


class Actor:
    """Does actions, in the thread that brought the event which led to them.

    Args:
        engine: Whose actions.
    """

    def __init__(self, engine: Owner) -> None:
        self._engine = engine
        backend = engine.backend
        self._lend = cast("LendingBackend", backend).loan if hasattr(backend, "loan") else None
        self._distant = is_distant(backend)
        self._means: dict[type, Callable[[Any, News], None]] = {
            events.Send: self._send,
            events.Settle: self._settle,
            events.Blame: self._blame,
            events.Retry: self._retry,
            events.Look: self._look,
            events.Kill: self._kill,
            events.Drop: self._drop,
            events.Stop: self._stop,
        }

    def do(self, action: events.Action, news: News) -> None:
        """Do an action."""
        self._means[type(action)](action, news)

    def _send(self, send: events.Send, news: News) -> None:
        backend, job = self._engine.backend, self._engine.jobs.get(send.job)
        calls = send.stop - send.start if job is None else job.calls(send.start, send.stop)
        if job is None or isinstance(calls, int):
            self._engine.done(send.ticket, Reply(0, cast("int", calls), 0.0, (), []))
            return
        if left := send.stop - send.start - len(calls.items):
            self._engine.tell(events.Part(send.ticket, 0, 0.0, returned=left))
        began = perf_counter()
        try:
            parcel = self._parcel(job, calls, fresh=send.fresh)
        except BaseException as error:  # a user's class can raise anything; a ticket must come back
            count = len(calls.items)
            reply = Reply(0, count, 0.0, tuple(range(count)), [Error(error)] * count)
            self._engine.done(send.ticket, reply)
            main = threading.current_thread() is threading.main_thread()
            if main and isinstance(error, KeyboardInterrupt):
                raise  # Ctrl-C is the user's to see at once
            return
        packed = perf_counter()
        try:
            backend.send(send.ticket, parcel)
            if not backend.inline:
                sending, size = perf_counter() - packed, _size_of(parcel)
                job.tally.sent(packed - began, sending, size, len(calls.items))
        except BaseException:  # Ctrl-C: whatever it has cut off, the calls are not lost
            if backend.can_kill:
                cast("KillingBackend", backend).kill(send.ticket, None)
            self._engine.died(send.ticket, Death("its worker was interrupted"))
            raise

    def _parcel(self, job: Job, calls: wire.Calls, *, fresh: bool) -> Parcel:
        backend, label = self._engine.backend, job.label(calls)
        if backend.direct:
            return Parcel(calls, label, fresh)
        loan = None if self._lend is None else self._lend()
        reference = job.reference(calls, self._constants)
        content = wire.pack(calls, reference, loan, distant=self._distant)
        apart = None
        if self._distant and not isinstance(reference, wire.Refused):
            from taskpar._engine import constant  # here, as only processes need it

            apart = constant.apart(reference)
        return Parcel(content, label, fresh, loan, apart)

    @cached_property
    def _constants(self) -> "Constants":
        from taskpar._engine.constant import Constants  # here, as only processes need it

        return Constants()

    def _settle(self, settle: events.Settle, news: News) -> None:
        job = self._engine.jobs.get(settle.job)
        if job is not None and news.reply is not None:
            job.tally.home(settle.start, settle.stop, news.reply)
            job.settle(settle.start, settle.stop, news.reply, settle.offset)

    def _blame(self, blame: events.Blame, news: News) -> None:
        job = self._engine.jobs.get(blame.job)
        if job is not None:
            pid = 0 if news.death is None else news.death.pid or 0
            error = Error(_blamed(blame.call, blame.late, news))
            reply = Reply(pid, 1, 0.0, (0,), [error])
            job.tally.home(blame.call, blame.call + 1, reply)
            job.settle(blame.call, blame.call + 1, reply, 0)

    def _retry(self, retry: events.Retry, news: News) -> None:
        """Ask the job whether a call is tried again, and tell the ledger."""
        number, call, attempt, offset, late = retry
        inline, seconds = self._engine.backend.inline, None
        job = self._engine.jobs.get(number)
        try:
            if job is not None:
                error = _failure(call, offset, late, news)
                seconds = job.retry(call, attempt, error, news.reply)
            if inline and seconds:
                sleep(seconds)  # there is no other thread, as in a serial loop
        finally:  # also on Ctrl-C: the ledger waits for the answer
            if seconds is None:
                self._engine.tell(events.Final(number, call, offset, late), news)
            else:
                fresh = offset is None and not late
                self._engine.tell(events.Again(number, call, 0.0 if inline else seconds, fresh))
        if inline and seconds is not None:
            self._engine.tell(events.Wanted(number, call))

    def _look(self, look: events.Look, news: News) -> None:
        backend = cast("KillingBackend", self._engine.backend)  # time limits come nowhere else
        position, seconds = backend.running(look.ticket) or (None, 0.0)
        self._engine.tell(events.Looked(look.ticket, position, seconds))

    def _kill(self, kill: events.Kill, news: News) -> None:
        if self._engine.backend.can_kill:  # who must leave leaves what cannot be stopped
            cast("KillingBackend", self._engine.backend).kill(kill.ticket, kill.position)

    def _drop(self, drop: events.Drop, news: News) -> None:
        job = self._engine.jobs.get(drop.job)
        if job is not None:
            broken = self._engine.why_broken() if drop.broken else None
            job.dropped(drop.start, drop.stop, broken)

    def _stop(self, stop: events.Stop, news: News) -> None:
        self._engine.let_go()
        self.__dict__.pop("_constants", None)  # no worker is left to have them


def _size_of(parcel: Parcel) -> int:
    inside = len(parcel.content) if isinstance(parcel.content, bytes) else 0
    if parcel.loan is not None and parcel.loan.pieces:
        inside += sum(size for _, _, size in parcel.loan.pieces)
    return inside


def _failure(call: int, offset: int | None, late: bool, news: News) -> BaseException:
    """Return the error of a call that failed."""
    if offset is None or news.reply is None:
        return _blamed(call, late, news)
    (outcome,) = news.reply.outcomes(call, offset, 1)
    error: BaseException = outcome.exception
    return error


def _blamed(call: int, late: bool, news: News) -> BaseException:
    death = news.death or Death("its worker died")
    return deaths.late(call, death) if late else deaths.died(call, death)
