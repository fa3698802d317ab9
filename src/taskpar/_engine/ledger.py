"""The book of every call: what waits, what is out at a worker, what is home.

All that decides is here, and nothing else is: one pure function of events,
``ledger.handle(event) -> actions``. No thread, no clock, no pickle, no process. So each rule
exists once, for all backends, and is tested by simulation.

::

    Submitted ──► waiting ──(a slot is free: cut a batch)──► out ──Part/Done──► home
                     ▲                                        │
                     └──── what a Done or a Died left over ───┘

Rules for whoever edits this file:

1. A call is in exactly one of the three places; it leaves *out* by exactly one report.
2. A batch is one run of consecutive calls of one job. Reports are about a *prefix* of what is
   still out of it; the rest goes back to the *front* of the queue, so that order is kept.
3. Jobs take turns, a batch each, in the order in which they came.
4. Nothing here knows a function, an argument, a value or an exception.
"""

from collections import deque
from collections.abc import Callable, Iterator

from taskpar._engine.events import (
    Action,
    Blame,
    Broken,
    Closed,
    Died,
    Done,
    Drop,
    Event,
    Part,
    Send,
    Settle,
    Shutdown,
    Stop,
    Submitted,
    Wanted,
)

TARGET_SECONDS = 0.01
"""How long a batch should take: long against the 0.1 ms of a message there and back, short
against what a reader notices, so that a batch costs neither throughput nor latency."""

FIRST_BATCH = 1
"""Calls in a job's first batches, before it is known how long a call takes: a long call must not
keep others waiting behind it while a worker is idle."""

SHARE = 2
"""A batch takes at most 1/(SHARE x slots) of what waits, so batches shrink towards the tail."""

MAX_BARREN_DEATHS = 3
"""Workers may die this often in a row before they start a call, beside one in each slot, as all
that are idle may be killed at once; then the executor is broken."""


# ----------------------------------------------------------------------------------------- state
class _Job:
    """What waits of one job, and what its calls have cost so far."""

    __slots__ = ("chunksize", "count", "mean", "most", "queued", "waiting")

    def __init__(self, chunksize: int | None) -> None:
        self.chunksize = chunksize
        self.waiting: deque[tuple[int, int]] = deque()
        self.count = 0  # how many calls wait
        self.mean: float | None = None  # seconds a call, the last batches weighing most
        self.most = 0  # how many have waited at once, as long as there may be more
        self.queued = False  # whether it stands in the row of those whose turn will come


class _Batch:
    """A run of calls that is out at a worker."""

    __slots__ = ("barren", "job", "start", "stop")

    def __init__(self, job: int, start: int, stop: int) -> None:
        self.job = job
        self.start = start
        self.stop = stop
        self.barren = True  # whether none of it has come home


class Ledger:
    """The pure state machine.

    Args:
        slots: How many batches may be out at once; 0 where calls run only when they are `Wanted`.
        largest_batch: The most calls that a batch may have; None: no bound.
    """

    def __init__(self, slots: int, largest_batch: int | None = None) -> None:
        self.free = slots
        self.broken = False
        self.closing = False
        self.stopped = False
        self._slots = max(slots, 1)
        self._largest = largest_batch
        self._jobs: dict[int, _Job] = {}
        self._row: deque[int] = deque()
        self._out: dict[int, _Batch] = {}
        self._wanted: set[int] = set()
        self._tickets = 0
        self._barren = 0
        self._cancelling = False
        self._rules: dict[type, Callable[..., Iterator[Action]]] = {
            Submitted: self._submitted,
            Wanted: self._want,
            Part: self._part,
            Done: self._done,
            Died: self._died,
            Broken: self._break,
            Closed: self._close,
            Shutdown: self._shutdown,
        }

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is out."""
        return not self._out and not self.waits

    @property
    def waits(self) -> bool:
        """Whether any call waits."""
        return any(job.count for job in self._jobs.values())

    def waiting(self, job: int) -> int:
        """Tell how many calls of a job wait."""
        return self._jobs[job].count if job in self._jobs else 0

    def handle(self, event: Event) -> list[Action]:
        """Take one event into the book and say what must be done now.

        **Law:** every submitted call comes out exactly once, in a `Settle`, a `Blame` or a `Drop`,
        unless its job is `Closed` first.

        Args:
            event: What has happened. A report about an unknown ticket changes nothing.

        Returns:
            What to do, in this order.
        """
        actions = list(self._rules[type(event)](event))
        actions += self._cut()
        if self.closing and not self.stopped and self.idle:
            self.stopped = True
            actions.append(Stop())
        return actions

    # ------------------------------------------------------------------------------------- rules
    def _submitted(self, event: Submitted) -> Iterator[Action]:
        job = self._jobs.get(event.job)
        if job is None:
            job = self._jobs[event.job] = _Job(event.chunksize)
        self._put(event.job, event.start, event.stop)
        job.most = max(job.count, job.most) if event.more else 0
        if self.broken:
            yield from self._drop(event.job, broken=True)

    def _want(self, event: Wanted) -> Iterator[Action]:
        number = event.job
        if number is None:
            number = next((n for n, job in self._jobs.items() if job.count), None)
        if number is None or not self.waiting(number):
            return
        job = self._jobs[number]
        index = job.waiting[0][0] if event.call is None else event.call
        place = next((i for i, (a, b) in enumerate(job.waiting) if a <= index < b), None)
        if place is None:
            return
        start, stop = job.waiting[place]
        job.waiting[place] = (start, index)
        job.waiting.insert(place + 1, (index + 1, stop))
        job.waiting = deque(span for span in job.waiting if span[0] < span[1])
        job.count -= 1
        self._wanted.add(self._tickets)
        yield self._send(number, index, index + 1)

    def _part(self, event: Part) -> Iterator[Action]:
        batch = self._out.get(event.ticket)
        if batch is not None:
            yield from self._home(batch, event.calls, event.seconds)

    def _done(self, event: Done) -> Iterator[Action]:
        batch = self._back(event.ticket)
        if batch is not None:
            yield from self._home(batch, event.calls, event.seconds)
            yield from self._again(batch)

    def _died(self, event: Died) -> Iterator[Action]:
        batch = self._back(event.ticket)
        if batch is None:
            return
        first = batch.start
        if event.position is not None and first + event.position < batch.stop:
            guilty = first + event.position
            self._barren = 0
            yield Blame(batch.job, guilty)
            batch.start = guilty + 1
            yield from self._again(batch)
            # Finished, but not handed over before the death: the one case of a second start.
            yield from self._again(_Batch(batch.job, first, guilty))
            return
        yield from self._again(batch)
        if batch.barren:
            self._barren += 1
            if self._barren > MAX_BARREN_DEATHS + self._slots:
                yield from self._break(Broken())

    def _break(self, event: Broken) -> Iterator[Action]:
        self.broken = True
        for number in self._jobs:
            yield from self._drop(number, broken=True)

    def _close(self, event: Closed) -> Iterator[Action]:
        job = self._jobs.pop(event.job, None)
        if job is not None and job.queued:
            self._row.remove(event.job)
        return iter(())

    def _shutdown(self, event: Shutdown) -> Iterator[Action]:
        self.closing = True
        if event.cancel:
            self._cancelling = True
            for number in self._jobs:
                yield from self._drop(number, broken=False)

    # ------------------------------------------------------------------------------------- moves
    def _put(self, number: int, start: int, stop: int, *, front: bool = False) -> None:
        """Let calls wait: at the end of their job, or at its front."""
        job = self._jobs[number]
        if start >= stop:
            return
        if front:
            job.waiting.appendleft((start, stop))
        else:
            job.waiting.append((start, stop))
        job.count += stop - start
        if not job.queued:
            job.queued = True
            self._row.append(number)

    def _cut(self) -> Iterator[Action]:
        """Give every free slot a batch, the jobs taking turns."""
        while self.free and self._row:
            number = self._row.popleft()
            job = self._jobs[number]
            job.queued = False
            if not job.count:
                continue
            start, stop = job.waiting.popleft()
            middle = min(stop, start + self._size(job))
            if middle < stop:
                job.waiting.appendleft((middle, stop))
            job.count -= middle - start
            if job.count:
                job.queued = True
                self._row.append(number)
            self.free -= 1
            yield self._send(number, start, middle)

    def _size(self, job: _Job) -> int:
        """Tell how many calls the job's next batch should have."""
        if job.chunksize is not None:
            size = job.chunksize
        else:
            share = -(-max(job.count, job.most) // (SHARE * self._slots))
            lasts = FIRST_BATCH if job.mean is None else int(TARGET_SECONDS / (job.mean + 1e-9))
            size = max(1, min(share, lasts))
        return size if self._largest is None else min(size, self._largest)

    def _send(self, number: int, start: int, stop: int) -> Send:
        ticket = self._tickets
        self._tickets += 1
        self._out[ticket] = _Batch(number, start, stop)
        return Send(ticket, number, start, stop, self._jobs[number].chunksize)

    def _back(self, ticket: int) -> _Batch | None:
        """Take a ticket back from a worker, whose slot is free again."""
        batch = self._out.pop(ticket, None)
        if batch is not None:
            if ticket in self._wanted:
                self._wanted.discard(ticket)
            else:
                self.free += 1
        return batch

    def _home(self, batch: _Batch, count: int, seconds: float) -> Iterator[Action]:
        count = min(count, batch.stop - batch.start)
        if not count:
            return
        self._barren = 0
        batch.barren = False
        job = self._jobs.get(batch.job)
        if job is not None:
            each = seconds / count
            job.mean = each if job.mean is None else (job.mean + each) / 2
        batch.start += count
        yield Settle(batch.job, batch.start - count, batch.start)

    def _again(self, batch: _Batch) -> Iterator[Action]:
        """Put what is left of a batch back to the front; nobody wants it if its job is closed."""
        if batch.job in self._jobs:
            self._put(batch.job, batch.start, batch.stop, front=True)
            if self.broken or self._cancelling:
                yield from self._drop(batch.job, broken=self.broken)

    def _drop(self, number: int, *, broken: bool) -> Iterator[Action]:
        job = self._jobs[number]
        spans, job.waiting, job.count = job.waiting, deque(), 0
        for start, stop in spans:
            yield Drop(number, start, stop, broken)
