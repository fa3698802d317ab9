"""The book of every call: what waits, what is out at a worker, what is home.

All that decides is here, and nothing else is: one pure function of events and the given time,
``ledger.handle(event, now) -> actions``. No thread, no clock, no pickle, no process. So each rule
exists once, for all backends, and is tested by simulation.

::

                     ┌──────────── another attempt, when its time has come ────────────┐
                     ▼                                                                 │
    Submitted ──► waiting ──(a slot is free: cut a batch)──► out ──Part/Done/Died──► failed?
                     ▲                                        │                        │ no
                     └──── what a Done or a Died left over ───┘                        ▼
                                                                                     home

Rules for whoever edits this file:

1. A call is in exactly one of these places; it leaves *out* by exactly one report.
2. A batch is one run of consecutive calls of one job. Reports are about a *prefix* of what is
   still out of it; the rest goes back to the *front* of the queue, so that order is kept.
3. Jobs take turns, a batch each, in the order in which they came.
4. Nothing here knows a function, an argument, a value or an exception.
5. Whether a call is tried again is asked for (`Retry`); until the answer comes it counts as out.
6. A call that is cancelled while it is out runs no further: its worker is stopped within it, and
   it is dropped where it would wait again.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import get_args

from taskpar._engine import events
from taskpar._engine.events import Action, Blame, Drop, Event, Kill, Look, Retry, Send, Stop
from taskpar._engine.waiting import USUAL, Alarms, Batch, Bounds, Waiting

MAX_BARREN_DEATHS = 8
"""Workers may die this often in a row before they start a call, beside one in each slot, as all
that are idle may be killed at once; then the executor is broken."""

_LOOK = -1  # stands for a job in the name of an alarm that is about a ticket


class Ledger:
    """The pure state machine.

    Args:
        slots: How many batches may be out at once; 0 where calls run only when they are `Wanted`.
        bounds: How big these may be.
    """

    def __init__(self, slots: int, bounds: Bounds = USUAL) -> None:
        self.free = slots
        self.broken = self.closing = self.stopped = self._cancelling = False
        self._slots = slots
        self._bounds = bounds
        self._jobs: dict[int, Waiting] = {}
        self._row: deque[Waiting] = deque()
        self._out: dict[int, Batch] = {}
        self._lent: set[int] = set()
        self._tickets = self._barren = 0
        self._alarms = Alarms()  # for a job and a call, or for _LOOK and a ticket
        self._now = 0.0
        self._rules: dict[type, Callable[..., Iterator[Action]]] = {  # by the names of events
            kind: getattr(self, f"_{kind.__name__.lower()}") for kind in get_args(Event)
        }

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is out."""
        return not (self._out or self.waits)

    @property
    def full(self) -> bool:
        """Whether nothing can be done with another call but let it wait."""
        return not (self.free > 0 or self.broken or self.closing)

    @property
    def waits(self) -> bool:
        """Whether any call waits, for a worker or for its time."""
        return any(not job.idle for job in self._jobs.values())

    @property
    def due(self) -> float:
        """When a `Tick` is wanted: never too late, maybe for nothing; inf: never."""
        return self._alarms.due

    def waiting(self, job: int) -> int:
        """Tell how many calls of a job wait for a worker."""
        return self._jobs[job].count if job in self._jobs else 0

    def handle(self, event: Event, now: float = 0.0) -> list[Action]:
        """Take one event into the book and say what must be done now.

        **Law:** every submitted call comes out exactly once, in a `Settle`, a `Blame` or a `Drop`,
        unless its job is `Closed` first.

        Args:
            event: What has happened. A report about an unknown ticket changes nothing.
            now: The time, in seconds; it may stand still.
        """
        self._now = max(now, self._now)
        actions = [*self._rules[type(event)](event), *self._ring(), *self._cut()]
        if self.closing and not self.stopped and self.idle:
            self.stopped = True
            actions.append(Stop())
        return actions

    # ----------------------------------------------------------------------- rules: in and out
    def _submitted(self, event: events.Submitted) -> Iterator[Action]:
        if event.job not in self._jobs:
            self._jobs[event.job] = Waiting(event.job, event.rules, self._alarms)
        job = self._jobs[event.job]
        job.put(event.start, event.stop)
        self._queue(job)
        job.most = max(job.count, job.most) if event.more else 0
        if self.broken:
            yield from self._drop(job)

    def _wanted(self, event: events.Wanted) -> Iterator[Action]:
        yield from self._ring()  # what he wants may be due
        jobs = self._jobs.values() if event.job is None else [self._jobs.get(event.job)]
        for job in jobs:
            call = None if job is None else job.take_call(event.call)
            if job is not None and call is not None:
                self._lent.add(self._tickets)
                yield self._send(job, call, call + 1)
                break

    def _part(self, event: events.Part) -> Iterator[Action]:
        batch = self._out.get(event.ticket)
        if batch is not None:
            yield from self._home(batch, event)
            stop, batch.stop = batch.stop, max(batch.start, batch.stop - event.returned)
            yield from self._put_back(batch.job, batch.stop, stop)

    def _done(self, event: events.Done) -> Iterator[Action]:
        batch = self._back(event.ticket)
        if batch is not None:
            yield from self._home(batch, event)
            yield from self._put_back(batch.job, batch.start, batch.stop)

    def _died(self, event: events.Died) -> Iterator[Action]:
        batch = self._back(event.ticket)
        if batch is None:
            return
        job, blamed = batch.job, batch.blamed(event.position)
        for call in blamed:
            self._barren = 0
            if batch.killed or call in job.unwanted:
                yield job.give_up(call)
            else:
                yield self._failed(job, call, None, late=batch.late == call)
        yield from self._put_back(job, blamed.stop, batch.stop)
        # Finished, but not handed over before the death: the one case of a second start.
        yield from self._put_back(job, batch.start, blamed.start)
        if batch.barren and not (blamed or batch.killed):
            self._barren += 1
            if self._barren > MAX_BARREN_DEATHS + self._slots:
                yield from self._broken(events.Broken())

    def _home(self, batch: Batch, event: events.Part | events.Done) -> Iterator[Action]:
        first, end = batch.start, min(batch.start + event.calls, batch.stop)
        if first == end:
            return
        self._barren, batch.barren = 0, False
        batch.start, start, job = end, first, batch.job
        job.learn(end - first, event.seconds)
        for call in [first + offset for offset in event.failed]:
            late = call == batch.late  # it raises what asking it to stop makes it raise
            if not (late or job.may_retry(call)):
                job.failed(call)
                continue
            if start < call:
                yield job.settle(start, call, start - first)
            yield self._failed(job, call, None if late else call - first, late=late)
            start = call + 1
        if start < end:
            yield job.settle(start, end, start - first)

    def _failed(self, job: Waiting, call: int, offset: int | None, *, late: bool = False) -> Action:
        """Ask whether to try a call again, if its job's rules leave that open."""
        if job.may_retry(call) and not self._ends:
            return Retry(job.number, call, job.ask(call), offset, late)
        return self._for_good(job, call, offset, late=late)

    def _for_good(self, job: Waiting, call: int, offset: int | None, *, late: bool) -> Action:
        job.failed(call)
        settle = job.settle(call, call + 1, offset or 0)
        return Blame(job.number, call, late) if offset is None else settle

    def _again(self, event: events.Again) -> Iterator[Action]:
        job = self._asked(event)
        if job is not None and event.call in job.unwanted:
            yield job.give_up(event.call)
        elif job is not None:
            job.delay(event.call, self._now + event.seconds, fresh=event.fresh)
            if self._ends:
                yield from self._drop(job)

    def _final(self, event: events.Final) -> Iterator[Action]:
        job = self._asked(event)
        if job is not None:
            yield self._for_good(job, event.call, event.offset, late=event.late)

    def _asked(self, answer: events.Again | events.Final) -> Waiting | None:
        """Return the job that waits for an answer: once, and as long as it is wanted."""
        job = self._jobs.get(answer.job)
        if job is None or answer.call not in job.asked:
            return None
        job.asked.discard(answer.call)
        return job

    def _passed(self, event: events.Passed) -> Iterator[Action]:
        if event.job in self._jobs:
            self._jobs[event.job].passed(event.call)
            self._queue(self._jobs[event.job])
        return iter(())

    def _looked(self, event: events.Looked) -> Iterator[Action]:
        batch = self._out.get(event.ticket)
        limit = None if batch is None else batch.job.rules.time_limit
        if batch is None or limit is None:
            return
        left = limit - (0.0 if event.position is None else event.seconds)
        if left <= 0 and event.position is not None:
            batch.late = batch.sent + event.position
            yield Kill(event.ticket, event.position)
            left = limit  # to look again, as it may have ended just now
        self._alarms.set(self._now + left, (_LOOK, event.ticket))

    def _cancelled(self, event: events.Cancelled) -> Iterator[Action]:
        job, call = self._jobs.get(event.job), event.call
        if job is None:
            return
        if call in job.delayed:
            yield job.give_up(call)
        elif call in job.asked:
            job.unwanted.add(call)
        for ticket, batch in self._out.items():
            if batch.job is job and batch.start <= call < batch.stop:
                job.unwanted.add(call)
                # If somebody wants others of the batch, the worker is stopped in this call only.
                batch.killed |= job.unwanted.issuperset(range(batch.start, batch.stop))
                yield Kill(ticket, None if batch.killed else call - batch.sent)

    # --------------------------------------------------------------------------- rules: the end
    @property
    def _ends(self) -> bool:
        """Whether what waits is not run any more."""
        return self.broken or self._cancelling

    def _broken(self, event: events.Broken) -> Iterator[Action]:
        self.broken = True
        for job in self._jobs.values():
            yield from self._drop(job)

    def _closed(self, event: events.Closed) -> Iterator[Action]:
        job = self._jobs.pop(event.job, None)
        if job is None:
            return
        job.close()
        if job.queued:
            self._row.remove(job)
        if job.rules.kill:
            yield from self._kill(job)

    def _shutdown(self, event: events.Shutdown) -> Iterator[Action]:
        self.closing = True
        self._cancelling |= event.cancel
        for job in self._jobs.values():
            job.passed(None)  # from now on nobody may be waited for
            self._queue(job)
            if self._cancelling:
                yield from self._drop(job)
        if event.kill:
            yield from self._kill()

    def _kill(self, job: Waiting | None = None) -> Iterator[Action]:
        """Stop the workers that run calls of a job (None: of any)."""
        for ticket, batch in self._out.items():
            if job in (None, batch.job):
                batch.killed = True
                yield Kill(ticket, None)

    def _resized(self, event: events.Resized) -> Iterator[Action]:
        self.free += event.slots - self._slots
        self._slots = event.slots
        return iter(())

    def _tick(self, event: events.Tick) -> Iterator[Action]:
        return iter(())

    # ------------------------------------------------------------------------------------- moves
    def _queue(self, job: Waiting) -> None:
        """Let a job stand in the row, if there is something to start."""
        if not job.queued and job.startable:
            job.queued = True
            self._row.append(job)

    def _cut(self) -> Iterator[Action]:
        """Give every free slot a batch, the jobs taking turns."""
        while self.free > 0 and self._row:
            job = self._row.popleft()
            job.queued = False
            taken = job.take(job.batch_size(self._slots, len(self._row), self._bounds))
            if taken is not None:
                self._queue(job)
                self.free -= 1
                yield self._send(job, *taken)

    def _send(self, job: Waiting, start: int, stop: int) -> Send:
        ticket = self._tickets
        self._tickets += 1
        self._out[ticket] = Batch(job, start, stop)
        if job.rules.time_limit is not None:
            self._alarms.set(self._now + job.rules.time_limit, (_LOOK, ticket))
        return Send(ticket, job.number, start, stop, start in job.fresh)

    def _back(self, ticket: int) -> Batch | None:
        """Take a ticket back from a worker, whose slot is free again."""
        batch = self._out.pop(ticket, None)
        if batch is not None:
            self._alarms.cancel((_LOOK, ticket))
            self.free += ticket not in self._lent
            self._lent.discard(ticket)
        return batch

    def _put_back(self, job: Waiting, start: int, stop: int) -> Iterator[Action]:
        """Put what is left of a batch to the front, except for what nobody wants."""
        yield from job.put_back(start, stop)
        self._queue(job)
        if self._ends:
            yield from self._drop(job)

    def _drop(self, job: Waiting) -> Iterator[Action]:
        for start, stop in job.clear():
            yield Drop(job.number, start, stop, self.broken)

    def _ring(self) -> Iterator[Action]:
        """Do what is due."""
        for number, what in self._alarms.ring(self._now):
            if number == _LOOK:
                yield Look(what)
            else:
                self._jobs[number].put_again(what)
                self._queue(self._jobs[number])
