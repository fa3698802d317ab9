"""What the ledger knows of one job, of one batch, and of times: parts of it, as pure as it is."""

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from math import ceil, inf
from typing import NamedTuple

from taskpar._engine.events import ANY, Drop, Rules, Settle
from taskpar._engine.lengths import TARGET_SECONDS

LEAST_PART = 1 / 40
"""What part of the time of a batch one should take at the least, also at the tail: to be quicker
than a message there and back keeps nobody from waiting."""

LEAST_PART_AFAR = 1 / 10
"""The same where a batch takes longer as messages do: there the tail alone would be as many batches
as all the rest."""

EVEN_PART = 1 / 10
"""What part of that is so little that each worker gets its share of what waits, in place of batches
that shrink."""

FIRST_BATCH = 1
"""Calls in a job's first batches, before it is known how long a call takes: a long call must not
keep others waiting behind it while a worker is idle."""

SHARE = 2
"""A batch takes at most 1/(SHARE x slots) of what waits, so batches shrink towards the tail. Where
several jobs wait, each counts as if it had its part of the slots: the others fill the rest."""

SHARE_AFAR = 1
"""The same where a batch takes longer as messages do: there a worker has one more at hand, and two
slots, so that each batch is of half of its share all the same."""


class Bounds(NamedTuple):
    """How big batches may be.

    Args:
        largest: The most calls in one; None: any number.
        seconds: How long one should take.
        alone: How many times as long, where no other job waits.
        least: What part of that it should take at the least.
        share: Into how many a slot's part of what waits is cut.
    """

    largest: int | None = None
    seconds: float = TARGET_SECONDS
    alone: int = 1
    least: float = LEAST_PART
    share: int = SHARE


USUAL = Bounds()


class Batch:
    """A run of calls that is out at a worker."""

    __slots__ = ("barren", "job", "killed", "late", "sent", "start", "stop")

    def __init__(self, job: "Waiting", start: int, stop: int) -> None:
        self.job = job
        self.sent = start  # what it began with
        self.start = start  # what is not home yet begins with this
        self.stop = stop
        self.barren = True  # whether none of it has come home
        self.killed = False  # whether its worker is being stopped, as nobody wants it any more
        self.late: int | None = None  # the call whose time is up: its worker is being stopped

    def blamed(self, position: int | None) -> range:
        """Return the calls that are to blame for a death: one, none, or with `ANY` all.

        Positions count from the batch as it was sent: so each names one call, whatever is home.
        A call may end just as it is stopped. Its outcome did not come: so it is late, not lost.
        """
        if position == ANY:
            return range(self.start, self.stop)
        for call in (None if position is None else self.sent + position, self.late):
            if call is not None and self.start <= call < self.stop:
                return range(call, call + 1)
        return range(self.start, self.start)


class Waiting:
    """What waits of one job, and what its calls have cost so far.

    Args:
        number: Its number.
        rules: How its calls are to be treated.
        alarms: Where to note when a call is to be tried again.
    """

    def __init__(self, number: int, rules: Rules, alarms: "Alarms") -> None:
        self.number = number
        self.rules = rules
        self._alarms = alarms
        self.count = 0
        """How many calls wait for a worker."""
        self._guessed = rules.pace is not None
        self._seen, self._seconds = (0.0, 0.0) if rules.pace is None else (1.0, rules.pace)
        """How many calls came home, and what they took: the last weighing most, and the many."""
        self.most = 0
        """How many calls have waited at once, as long as there may be more."""
        self.queued = False
        """Whether the job stands in the row of those whose turn will come."""
        self.attempts: dict[int, int] = {}
        """How often calls have been tried that have failed before."""
        self.asked: set[int] = set()
        """Calls that have failed, of which it is not known yet whether they are tried again."""
        self.delayed: set[int] = set()
        """Calls that will be tried again when their time has come."""
        self.fresh: set[int] = set()
        """Calls that only a fresh worker may run; each waits in a span of its own."""
        self.unwanted: set[int] = set()
        """Calls that were cancelled while they were out, or while it was asked about them."""
        self._spans: deque[tuple[int, int]] = deque()
        self._errors: set[int] = set()
        self._unread = False
        self._closed = False

    def learn(self, calls: int, seconds: float) -> None:
        """Learn how long calls took that came home together."""
        if self._guessed:
            self._guessed, self._seen, self._seconds = False, 0.0, 0.0
        self._seen = self._seen / 2 + calls
        self._seconds = self._seconds / 2 + seconds

    # ----------------------------------------------------------------------------- the fence
    @property
    def fence(self) -> float:
        """The first call that may not be started: an error before it has not been read."""
        return min(self._errors) if self._errors else inf

    def failed(self, call: int) -> None:
        """Put a fence behind a call, if the job's rules want that."""
        if self.rules.fail_fast and not self._unread:
            self._errors.add(call)

    def passed(self, call: int | None) -> None:
        """Take a fence away (None: all, and put up none any more)."""
        if call is None:
            self._unread = True
            self._errors.clear()
        else:
            self._errors.discard(call)

    # ------------------------------------------------------------------------------- single calls
    def may_retry(self, call: int) -> bool:
        """Tell whether a call that has failed may be tried again."""
        wanted = not self._closed and call not in self.unwanted
        return wanted and self.attempts.get(call, 0) < self.rules.retries

    def ask(self, call: int) -> int:
        """Note that it is asked whether to try a call again; tell how often it has failed."""
        self.asked.add(call)
        self.attempts[call] = self.attempts.get(call, 0) + 1
        return self.attempts[call]

    def delay(self, call: int, when: float, *, fresh: bool) -> None:
        """Let a call wait for the time of another attempt."""
        (self.fresh.add if fresh else self.fresh.discard)(call)
        self.delayed.add(call)
        self._alarms.set(when, (self.number, call))

    def put_again(self, call: int) -> None:
        """Let a call wait in front whose time for another attempt has come."""
        self.delayed.discard(call)
        self.put(call, call + 1, front=True)

    def settle(self, start: int, stop: int, offset: int) -> Settle:
        """Say that calls are home, with which outcomes; what is known of each is of no use now."""
        self._forget(start, stop)
        return Settle(self.number, start, stop, offset)

    def give_up(self, call: int) -> Drop:
        """Say that a call will not be run, as nobody wants it."""
        if call in self.delayed:
            self.delayed.discard(call)
            self._alarms.cancel((self.number, call))
        self._forget(call, call + 1)
        return Drop(self.number, call, call + 1, broken=False)

    def _forget(self, start: int, stop: int) -> None:
        if self.attempts or self.unwanted:
            for call in range(start, stop):
                self.attempts.pop(call, None)
                self.fresh.discard(call)
                self.unwanted.discard(call)

    # ------------------------------------------------------------------------------- the calls
    def put(self, start: int, stop: int, *, front: bool = False) -> None:
        """Let calls wait, at the end or in front of all others."""
        if start >= stop:
            return
        if front:
            self._spans.appendleft((start, stop))
        else:
            self._spans.append((start, stop))
        self.count += stop - start

    def put_back(self, start: int, stop: int) -> Iterator[Drop]:
        """Let calls wait in front of all others that were out, except for what nobody wants."""
        if self._closed:
            return
        for call in sorted(self.unwanted, reverse=True):
            if start <= call < stop:
                self.put(call + 1, stop, front=True)
                yield self.give_up(call)
                stop = call
        self.put(start, stop, front=True)

    @property
    def startable(self) -> bool:
        """Whether a call waits in front of the fence."""
        if not self._errors:
            return bool(self._spans)
        fence = self.fence
        return any(start < fence for start, _ in self._spans)

    def take(self, size: int) -> tuple[int, int] | None:
        """Take a run of calls in front of the fence, at most so many: the first and the end.

        A span is in front of the fence or behind it: a call that failed was taken out of its span.
        """
        fence = self.fence
        for place, (start, stop) in enumerate(self._spans):
            if start < fence:
                end = min(stop, start + size)
                self._cut(place, start, end)
                return start, end
        return None

    def take_call(self, call: int | None) -> int | None:
        """Take this very call (None: the first one); None if it does not wait before the fence."""
        fence = self.fence
        for place, (start, stop) in enumerate(self._spans):
            taken = start if call is None else call
            if start <= taken < min(stop, fence):
                self._cut(place, taken, taken + 1)
                return taken
        return None

    def _cut(self, place: int, start: int, end: int) -> None:
        """Take calls out of a span, of which what is left stays in its place."""
        first, last = self._spans[place]
        self.count -= end - start
        left = [span for span in ((first, start), (end, last)) if span[0] < span[1]]
        if left:
            self._spans[place] = left.pop(0)
            for span in left:
                self._spans.insert(place + 1, span)
        else:
            del self._spans[place]

    def clear(self) -> list[tuple[int, int]]:
        """Take all calls, those too whose time has not come."""
        spans = [*self._spans, *((call, call + 1) for call in self.delayed)]
        for call in self.delayed:
            self._alarms.cancel((self.number, call))
        for span in spans:
            self._forget(*span)
        self._spans.clear()
        self.delayed.clear()
        self.count = 0
        return spans

    def close(self) -> None:
        """Let no call wait any more, as nobody wants them."""
        self._closed = True
        self.clear()

    @property
    def idle(self) -> bool:
        """Whether no call is to be started any more."""
        return not (self.count or self.delayed or self.asked)

    def batch_size(self, slots: int, others: int, bounds: Bounds) -> int:
        """Tell how many calls the next batch should have.

        Args:
            slots: How many batches may be out at once.
            others: How many other jobs wait for these.
            bounds: How big it may be.
        """
        if self.rules.chunksize is not None:
            size = self.rules.chunksize
        else:
            waits, slots_of_it = max(self.count, self.most), slots / (1 + others)
            share = ceil(waits / max(1, bounds.share * slots_of_it))
            even = ceil(waits / max(1, slots_of_it))
            of_a_batch = bounds.seconds * self._seen / (self._seconds + 1e-9)  # calls
            # Behind a call that has a limit, or may be cancelled, the others can't go elsewhere.
            alone = not (others or self.rules.time_limit or self.rules.kill)
            most = of_a_batch * bounds.alone if alone else of_a_batch
            lasts = int(most) if self._seen else FIRST_BATCH
            tail = max(int(bounds.least * of_a_batch), min(even, int(EVEN_PART * of_a_batch)))
            size = max(1, min(max(share, tail), lasts))
        return size if bounds.largest is None else min(size, bounds.largest)


class Alarms:
    """When what is to be done: at most one time for each thing, by which alarms are named."""

    def __init__(self) -> None:
        self.due = inf
        """When to ask who rings: when the first alarm does, or a cancelled one would have."""
        self._times: dict[tuple[int, int], float] = {}
        self._heap: list[tuple[float, tuple[int, int]]] = []

    def set(self, when: float, thing: tuple[int, int]) -> None:
        """Set the alarm of a thing."""
        self._times[thing] = when
        heappush(self._heap, (when, thing))
        self._note_due()

    def cancel(self, thing: tuple[int, int]) -> None:
        """Set no alarm for a thing, after all.

        It stays in the heap until its time, so that who waits for that need not be told each time.
        With long limits and quick calls millions would stay: so all those that are cancelled are
        cleared away when they are most of all.
        """
        self._times.pop(thing, None)
        if len(self._heap) > 2 * len(self._times) + 64:
            self._heap = [(when, thing) for thing, when in self._times.items()]
            heapify(self._heap)
            self._note_due()

    def ring(self, now: float) -> Iterator[tuple[int, int]]:
        """Tell whose time has come."""
        if now < self.due:
            return
        while self._heap:
            when, thing = self._heap[0]
            is_set = self._times.get(thing) == when
            if is_set and when > now:
                break
            heappop(self._heap)
            if is_set:
                del self._times[thing]
                yield thing
        self._note_due()

    def _note_due(self) -> None:
        self.due = self._heap[0][0] if self._heap else inf
