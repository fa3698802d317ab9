"""In the worker: outcomes on their way back, handed over before they are old.

A call's result must not wait for the calls behind it in its batch: if the worker dies in one of
them, what is not handed over is run again. So a slice of time ends after 10 ms. Where it cannot
end, as a call takes longer, a second thread hands over what has been finished before that call, and
gives back what would have to wait behind it: another worker may be idle, and the call may even wait
for one of those.
"""

import os
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import Any

from taskpar._engine import exceptions
from taskpar._engine.beside import Store, packed
from taskpar._engine.compact import scalars
from taskpar._engine.reply import crossing, has_failed, sealed_reply
from taskpar._engine.wire import PLAIN
from taskpar._model.outcome import Error

SLICE_SECONDS = 0.01
"""How old an outcome gets before it is handed over: the most that a death can make run twice."""

Part = Callable[[bytes], object]
Take = Callable[[], list[Any]]


_as_they_are = PLAIN


def as_they_are() -> frozenset[object]:
    """Return the types of values that are `sealed` as they are, as far as that is known yet."""
    global _as_they_are
    numbers = scalars()
    if not numbers <= _as_they_are:
        _as_they_are = PLAIN | numbers
    return _as_they_are


def sealed(outcome: Any, index: int, store: Store | None = None) -> Any:
    """Return a plain value as it is; pickle what anyone could write to, as it is at this moment."""
    kind, plain = type(outcome), as_they_are()
    if kind in plain:
        return outcome
    if kind is tuple and plain.issuperset(map(type, outcome)):
        return (outcome,)
    if kind is Error:
        return (exceptions.dumps(outcome.exception), True)
    try:
        head, *pieces = packed(outcome, store)
        return (head, False, *pieces)
    except BaseException as error:  # noqa: BLE001  # its __reduce__ may raise anything
        from taskpar._engine.culprit import explanation  # here, as it is rarely needed

        why = explanation("result", error, thing=outcome)
        return (exceptions.dumps(crossing(why, index, error)), True)


class Outcomes:
    """The outcomes of a batch that are not yet handed over.

    Args:
        part: Takes replies about a prefix while the batch goes on; None: nobody does.
        take: Returns what was captured since the last time.
        store: Takes what is big in them; None: nothing does.
    """

    def __init__(self, part: Part | None, take: Take, store: Store | None = None) -> None:
        self._part = part
        self._take = take
        self.store = store
        self.last = 0.0
        """How many seconds the last call took, if that was long."""
        self.well = True
        """Whether all calls may still be run here, and none of what was handed over is an error."""
        self._done: list[Any] = []
        self._began = perf_counter()
        self._handing = threading.Lock()
        self.kinds: set[type] = set()
        """Of what types the outcomes are; noted before they are added, so none is ever missing."""
        self._rest: Iterator[Any] | None = None
        self.add = self._done.append
        """Add one outcome whose type is noted; this is done for each call, so it is no more."""

    def put(self, outcome: Any) -> None:
        """Add one outcome."""
        self.kinds.add(type(outcome))
        self.add(outcome)

    def reply(self) -> bytes:
        """Make a reply of what there is."""
        with self._handing:
            return self._reply()

    def _reply(self, returned: int = 0) -> bytes:
        outcomes = self._done[:]
        del self._done[: len(outcomes)]  # the other thread may have put more behind
        now, seconds = perf_counter(), 0.0
        if outcomes:  # else what runs has begun before this, and all that time is its own
            seconds, self._began = now - self._began, now
        last, self.last = self.last, 0.0
        kinds = self.kinds.copy()
        return sealed_reply(seconds, outcomes, kinds, self._take(), returned, self.store, last)

    def begin(self, rest: Iterator[Any] | None) -> None:
        """Begin a slice of time.

        Args:
            rest: Where its items come from: what is left there may be given back. None: nothing is.
        """
        self._rest = rest

    def end(self) -> None:
        """End it: whoever comes too late to give something back does not do it any more."""
        with self._handing:
            self._rest = None

    def hand_over(self, *, give_back: bool = False) -> None:
        """Hand over what there is.

        Args:
            give_back: Whether to give back what is not begun: the slice ends with what runs now.
        """
        with self._handing:  # so that what comes first goes first
            rest = self._rest if give_back else None
            returned = 0 if rest is None else sum(1 for _ in rest)
            if self._part is not None and (self._done or returned):
                reply = self._reply(returned)
                self.well &= not (returned or has_failed(reply))
                self._part(reply)


class _Second:
    """The second thread: it is told when a slice begins and ends."""

    def __init__(self) -> None:
        self._begun: SimpleQueue[Outcomes] = SimpleQueue()
        self._ended: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._watch, name="taskpar-handover", daemon=True).start()

    def begin(self, outcomes: Outcomes) -> None:
        self._begun.put(outcomes)

    def end(self) -> None:
        self._ended.put(None)

    def _watch(self) -> None:
        while True:
            self._wait(self._begun.get())

    def _wait(self, outcomes: Outcomes) -> None:
        """Wait for the end of a slice; if it takes too long, hand over what is done of it.

        Once is enough: the call that takes so long is the last of its slice.
        """
        try:
            self._ended.get(timeout=SLICE_SECONDS)
        except Empty:
            outcomes.hand_over(give_back=True)
            self._ended.get()


_second: _Second | None = None


def _after_fork() -> None:
    """Forget the second thread: it is the parent's."""
    global _second
    _second = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class watched:  # noqa: N801  # a context manager, called like a function
    """Let a second thread look after outcomes while the calls of a slice run.

    Args:
        outcomes: What it looks after.
        rest: The items of the slice, which are given back if a call takes too long; None: they are
            not.
    """

    def __init__(self, outcomes: Outcomes, rest: Iterator[Any] | None = None) -> None:
        self._outcomes = outcomes
        self._rest = rest

    def __enter__(self) -> None:
        global _second
        if _second is None:
            _second = _Second()
        self._outcomes.begin(self._rest)
        _second.begin(self._outcomes)

    def __exit__(self, *_: object) -> None:
        if _second is not None:  # else a forked child of the task comes here
            self._outcomes.end()
            _second.end()
