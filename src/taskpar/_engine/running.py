"""In the worker: a batch comes as bytes, its calls are run, and their outcomes go back as bytes.

Nothing raises out of here but what kills the worker: whatever goes wrong with one call, on its way
here, in it, or on its way back, is the outcome of that call.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from math import inf
from os import getpid
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from taskpar._engine import place, wire
from taskpar._engine.beside import unpacked
from taskpar._engine.calling import Call, calling, shaped
from taskpar._engine.handover import SLICE_SECONDS, Outcomes, Part, as_they_are, sealed, watched
from taskpar._engine.lengths import ALONE
from taskpar._engine.reply import Reply
from taskpar._engine.wire import Calls, Manner
from taskpar._model.outcome import Error
from taskpar._system.memory import own_peak_quickly

_GLANCE_SECONDS = SLICE_SECONDS / 40
"""How long calls run at the most before somebody looks at the time, if they are as they were."""

_MOST_UNTIMED = 64
"""How many calls that may be, as the next ones may be slower."""

BATCH_SECONDS = ALONE * SLICE_SECONDS
"""How long slices follow each other, before what is left of a batch is given back."""

if TYPE_CHECKING:
    from taskpar._system.arena import Arena, Shelf
    from taskpar._system.segment import Segment


class Row(Protocol):
    """Where the worker notes what it does, for its parent to see at any time."""

    @property
    def words(self) -> "memoryview[int] | list[int]":
        """Where it notes: first the position of the call that begins, written without a call."""
        ...

    def enter(self, position: int) -> bool:
        """Note that a call with a time limit begins; tell whether it may."""
        ...

    def begin(self, peak: int) -> None:
        """Note that a slice begins, and the most memory that was used before it, in bytes."""

    def leave(self) -> None:
        """Note that no call runs."""


class _Unnoted:
    """Where nobody looks."""

    def __init__(self) -> None:
        self.words = [0]

    def enter(self, position: int) -> bool:
        """Let any call begin."""
        return True

    def begin(self, peak: int) -> None:
        """Note nothing."""

    def leave(self) -> None:
        """Note nothing."""


UNNOTED = _Unnoted()


class Memory(NamedTuple):
    """Where lies what is big.

    Args:
        shelf: Of the batches that come; None: nothing does.
        arena: Of the replies that go; None: nothing may.
        apart: Of the function, what came apart from the batch; None: nothing did.
    """

    shelf: "Shelf | None" = None
    arena: "Arena | None" = None
    apart: "Segment | None" = None


NO_MEMORY = Memory()


def run(
    payload: bytes | memoryview,
    row: Row = UNNOTED,
    part: Part | None = None,
    most: int = 0,
    enough: Callable[[], bool] = bool,
    memory: Memory = NO_MEMORY,
) -> bytes:
    """Run a batch.

    Args:
        payload: What `wire.pack` made.
        row: Where to note what runs.
        part: Takes replies about a prefix while the batch goes on, from any thread.
        most: Calls to run at the most; 0: no bound.
        enough: Tells, between two slices, whether not to go on.
        memory: Where what is big lies, of the batch and of the reply.

    Returns:
        The reply, about a prefix of the batch: it ends with its time or with ``most``.
    """
    (reference, shape, plain, items, start, given), leases = wire.unpack(payload, memory.shelf)
    manner = Manner() if given is None else Manner(*given)
    if memory.apart is not None:
        key, reusable, pickled, _, cuts = reference
        reference = key, reusable, pickled, memory.apart, cuts
    row.words[0] = 0  # making the function may kill the worker, too; but no time limit runs yet
    if plain is None:
        items = unpacked(items[0], items[1:], leases)
    call = calling(reference, shape, start, plain=plain is not False, leases=leases)
    if manner.context is not None:
        call = _within(manner.context, call)
    items = items[:most] if most else items
    if manner.relay is None:
        outcomes = Outcomes(part, list, memory.arena)
        return _Batch(call, start, row, manner, outcomes).run(items, part, enough)
    from taskpar._engine.capture import capturing  # here, as it is rarely wanted

    with capturing(*manner.relay) as captured:
        outcomes = Outcomes(part, captured.take, memory.arena)
        batch = _Batch(_captured(call, captured.call, start), start, row, manner, outcomes)
        return batch.run(items, part, enough)


class _Batch:
    """The calls of a batch, which are run in slices of time.

    Args:
        call: Runs the next item.
        start: The number of the first call.
        row: Where to note what runs.
        manner: How to run them.
        outcomes: Where outcomes go.
    """

    def __init__(
        self, call: Call, start: int, row: Row, manner: Manner, outcomes: Outcomes
    ) -> None:
        self._call = call
        self._start = start
        self._row = row
        self._manner = manner
        self._outcomes = outcomes
        self._until = inf

    def run(self, items: Sequence[Any], part: Part | None, enough: Callable[[], bool]) -> bytes:
        """Run them; return the last reply."""
        done, self._until = 0, perf_counter() + BATCH_SECONDS
        while True:
            self._row.begin(own_peak_quickly())
            # With one call, or with each handed over at once, there is nothing to look after.
            alone = part is None or self._manner.timed or len(items) < 2
            rest = for_two_threads(items)
            back = None if self._manner.whole else rest
            with nullcontext() if alone else watched(self._outcomes, back):
                ran = self._slice(rest, done, whole=part is None)
            self._row.leave()  # nobody is to blame for a death while outcomes are handed over
            done += ran
            items = items[ran:]
            left = part is not None and ran and len(items)
            if not (left and self._goes_on()) or enough():
                return self._outcomes.reply()
            self._outcomes.hand_over()
            if not self._goes_on():
                return self._outcomes.reply()

    def _goes_on(self) -> bool:
        """Tell whether the next slice may follow; not behind an error, which may end the job."""
        if self._manner.whole or self._manner.timed:
            return True
        return self._outcomes.well and perf_counter() < self._until

    def _slice(self, items: Iterator[Any], first: int, *, whole: bool) -> int:
        """Run calls until the time is up; tell how many.

        The time is looked at after so many calls as take a fraction of it.
        """
        if self._manner.timed:
            return self._timed(items, first)
        outcomes, call, words = self._outcomes, self._call, self._row.words
        add, kinds, plain, usual = outcomes.add, outcomes.kinds, as_they_are(), None
        before = perf_counter()
        most = self._manner.slice_seconds or SLICE_SECONDS
        until = inf if whole and self._manner.whole else before + most
        position, size = first, 1
        while True:
            begun = position
            for item in islice(items, size):
                words[0] = position
                position += 1
                try:
                    value = call(item)
                except BaseException as error:  # noqa: BLE001  # also SystemExit: it is the task's
                    # Not kept here: its traceback leads to this frame.
                    self._seal(Error(without_ours(error)), position - 1)
                    continue
                kind = type(value)
                if kind is not usual:  # most functions return one kind of thing
                    if kind not in plain:
                        self._seal(value, position - 1)
                        continue
                    usual = kind
                    kinds.add(kind)
                add(value)
            ran, now = position - begun, perf_counter()
            if now > until:
                outcomes.last = now - before
            if ran < size or now > until:
                return position - first
            size = min(2 * size, _MOST_UNTIMED) if now - before < _GLANCE_SECONDS else 1
            before = now

    def _seal(self, outcome: Any, position: int) -> None:
        """Add an outcome that anyone could write to, as it is at this moment."""
        self._outcomes.put(sealed(outcome, self._start + position, self._outcomes.store))

    def _timed(self, items: Iterator[Any], first: int) -> int:
        """Run one call with a time limit, if it may still begin; tell how many."""
        for item in items:
            if not self._row.enter(first):
                return 0
            before = perf_counter()
            self._seal(_outcome(self._call, item), first)
            self._outcomes.last = perf_counter() - before
            return 1
        return 0


class OneByOne:
    """Items of which each goes to one thread, whoever asks at the same time."""

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = deque(items)

    def __iter__(self) -> "OneByOne":
        return self

    def __next__(self) -> Any:
        try:
            return self._items.popleft()
        except IndexError:
            raise StopIteration from None


FREE_THREADED = "free-threading" in sys.version


def for_two_threads(items: Sequence[Any]) -> Iterator[Any]:
    """Return an iterator that two threads may use: those of sequences may be, under the GIL."""
    return OneByOne(items) if FREE_THREADED else iter(items)


def _outcome(call: Call, item: Any) -> Any:
    try:
        return call(item)
    except BaseException as error:  # noqa: BLE001  # also SystemExit: it is the task's, not the worker's
        return Error(without_ours(error))


def run_direct(calls: Calls) -> Reply:
    """Run a batch where the worker shares the caller's memory."""
    call = shaped(calls.function, calls.shape)
    if calls.manner.context is not None:
        call = _in_each(calls.manner.context.contexts(), call)
    begin = before = now = perf_counter()
    until = inf if calls.manner.whole else begin + SLICE_SECONDS
    outcomes: list[Any] = []
    for item in calls.items:
        before = now
        outcomes.append(_outcome(call, item))
        now = perf_counter()
        if now > until:
            break
    try:
        return _direct_reply(outcomes, now - begin, now - before if now > until else 0.0)
    finally:
        del outcomes  # the tracebacks of errors lead to this frame, which must not lead to them


def _direct_reply(outcomes: list[Any], seconds: float, last: float) -> Reply:
    failed = tuple(i for i, outcome in enumerate(outcomes) if type(outcome) is Error)
    reply = Reply(getpid(), len(outcomes), seconds, failed, outcomes)
    reply.last = last
    return reply


def run_in_thread(calls: Calls) -> Reply:
    """Run a batch in a worker thread, which is told that it is one."""
    with place.worker():
        return run_direct(calls)


def _within(data: bytes, call: Call) -> Call:
    """Let each call see the context variables of the caller."""
    from taskpar._engine.context import applied  # here, as it is rarely wanted

    return _in_each(applied(data), call)


def _in_each(contexts: Callable[[], Any], call: Call) -> Call:
    return lambda item: contexts().run(call, item)


def _captured(call: Call, tell: Callable[[int], object], start: int) -> Call:
    """Tell which call runs before it does."""
    from itertools import count  # here, as it is rarely wanted

    numbers = count(start)

    def told(item: Any) -> Any:
        tell(next(numbers))
        return call(item)

    return told


_OURS = frozenset(f"taskpar._engine.{name}" for name in ("running", "calling", "here", "choosing"))


def without_ours(error: BaseException) -> BaseException:
    """Take our own frames off the top of a traceback."""
    trace = vars(BaseException)["__traceback__"].__get__(error)  # past what its class makes of it
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in _OURS:
        trace = trace.tb_next
    return BaseException.with_traceback(error, trace)
