"""The lazy result iterator that ``map`` and ``starmap`` return."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from math import inf
from operator import length_hint
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from taskpar._model.options import OnError
from taskpar._model.outcome import Error

if TYPE_CHECKING:
    from taskpar._engine.mapping import Mapping
    from taskpar._model.stats import Stats

R = TypeVar("R")


class Results(Iterator[R], Generic[R]):
    """The results of a ``map`` or ``starmap``, one by one.

    **Law** (L1): what `next` returns and raises, time after time, is what ``next(map(f, *its))``
    does; after an exception it goes on with the next call.

    Args:
        job: Where outcomes come from.
        owner: The executor, kept alive as long as its results are.
        timeout: Seconds from now after which `next` raises `TimeoutError`; None: never.
        on_error: What becomes of errors of calls (see `Options`).
    """

    def __init__(
        self, job: "Mapping", owner: object, timeout: float | None, on_error: OnError = "raise"
    ) -> None:
        self._job = job
        self._owner = owner
        self._deadline = inf if timeout is None else monotonic() + timeout
        self._on_error: OnError = on_error
        self._errors: list[BaseException] = []
        self._ready: deque[Any] = deque()
        self._taken: Iterator[Any] = iter(())
        """What a loop takes: values alone, and all that is ready as long as there is some."""
        self._left: list[Any] = []
        """The values of that, the next one last, where something may hang on their going."""
        self._reading = threading.Lock()
        self._begun = False
        self._closed = False

    def __iter__(self) -> Iterator[R]:  # noqa: PYI034  # see below
        """Return an iterator that goes on where this one is, and this one where that one is.

        So a loop goes through values in C. What it gets is what `next` gives; but as that of any
        iterator, its end is its end, also if it was a call that raised `StopIteration`.
        """
        return chain.from_iterable(_Blocks(self._block))

    def __next__(self) -> R:
        """Return the next result, waiting for it.

        Raises:
            StopIteration: There are no more.
            BaseException: What the call raised, at its position; `next` goes on after it.
            TimeoutError: The result was not there in time; it can be asked for again.
        """
        # Not by `except IndexError`: what a serial call raises would have that as its context.
        outcome = self._ready.popleft() if self._ready else self._fetch()
        if type(outcome) is not Error:
            return outcome  # type: ignore[no-any-return]  # what the function returned
        try:
            see(self._job, outcome)
            raise outcome.exception
        finally:
            # Else the traceback and this frame keep each other alive; and whoever keeps an error
            # would keep the results, of which all calls are run.
            del outcome, self

    def _fetch(self) -> Any:
        self._begun = True
        with self._reading:
            for value in self._taken:
                return value
            while not self._ready:
                self._ready.extend(self._next_block()[0])
            return self._ready.popleft()

    def _block(self) -> Iterable[Any]:
        """Return what a loop takes next: all values that are home, or one result alone."""
        self._begun = True
        with self._reading:
            if self._left or length_hint(self._taken):
                return self._taken  # another loop has left them
            if not self._ready and self._take_block():
                return self._taken
        outcome = self._ready.popleft() if self._ready else self._fetch()
        try:
            if type(outcome) is not Error:
                return map(list.pop, ([outcome],))  # nobody holds what a loop has got
            see(self._job, outcome)
            if isinstance(outcome.exception, StopIteration):
                raise outcome.exception
            return map(_raise, ([outcome.exception],))
        finally:
            del outcome  # as in `__next__`

    def _take_block(self) -> bool:
        """Let a loop take the next block, if it is of values alone."""
        block, plain = self._next_block()
        values = plain or Error not in map(type, block)
        if plain:
            self._taken = iter(block)
        elif values:
            block.reverse()
            self._left, self._taken = block, map(list.pop, repeat(block, len(block)))
        else:
            self._ready.extend(block)
        del block  # as in `__next__`
        return values

    def _next_block(self) -> tuple[list[Any], bool]:
        try:
            block, plain = self._job.next_block(self._deadline)
        except StopIteration:
            self._end(source=False)
            if not self._errors:
                raise
            return rest(self._errors), False
        try:
            return block if plain else treated(block, self._on_error, self._errors), plain
        finally:
            del block  # as in `__next__`

    def _end(self, *, source: bool) -> None:
        if not self._closed:
            self._closed = True
            self._ready.clear()
            deque(self._taken, maxlen=0)  # also for whoever is in a loop
            self._job.close(source=source)

    def drained(self) -> list[R]:
        """Return all that is left, or raise the first error, whatever its type, and close.

        Unlike ``list``, this does not take a `StopIteration` that a call raises for the end.
        """
        values: list[R] = []
        while True:
            try:
                outcome = self._ready.popleft() if self._ready else self._fetch()
            except StopIteration:
                return values
            if type(outcome) is Error:
                self.close()
                try:
                    raise outcome.exception
                finally:
                    del outcome, self  # as in `__next__`
            values.append(outcome)

    def stats(self) -> "Stats":
        """Return where the time of these calls went, so far."""
        return self._job.stats()

    @property
    def report(self) -> str:
        """Where the calls run, and why there, in a sentence."""
        return self._job.report

    def close(self) -> None:
        """Read no more: calls that wait are not run, and the input is closed.

        Returns at once; calls that are running run on, but nobody gets their results.
        """
        self._end(source=True)

    def __del__(self) -> None:
        """Close, if reading had begun; calls of which nobody read a result run to the end."""
        if getattr(self, "_begun", False):
            self.close()
        elif hasattr(self, "_closed") and not self._closed:
            self._job.leave()


def see(job: "Mapping", error: Error) -> None:
    """Let calls behind an error run, as the reader sees it now."""
    if error.index is not None:  # else it is the input's
        job.passed(error.index)


def treated(block: list[Any], on_error: OnError, errors: list[BaseException]) -> list[Any]:
    """Do with the errors of calls what is wanted; those for the group are added to ``errors``.

    What the input raises is no call's error, and is always raised.
    """
    if on_error == "raise":
        return block
    kept: list[Any] = []
    for outcome in block:
        if type(outcome) is not Error or outcome.index is None:
            kept.append(outcome)
        elif on_error == "return":
            kept.append(outcome.exception)
        elif on_error == "group":
            errors.append(outcome.exception)
    return kept


def rest(errors: list[BaseException]) -> list[Any]:
    """Return what comes behind the last result: one error for all, or nothing."""
    if not errors:
        return []
    group = BaseExceptionGroup(f"{len(errors)} of the calls failed", errors)
    errors.clear()
    return [Error(group)]


class _Blocks(Iterator[Iterable[Any]]):
    """What a loop goes through, block by block.

    A chain ends with the first exception of what it gets its blocks from, but not with one of a
    block: so every exception but the end is a block that raises.

    Args:
        block: Returns the next one.
    """

    def __init__(self, block: Callable[[], Iterable[Any]]) -> None:
        self._block = block

    def __next__(self) -> Iterable[Any]:
        try:
            return self._block()
        except StopIteration:
            raise
        except BaseException as error:  # noqa: BLE001  # raised at once
            return map(_raise, ([error],))


def _raise(errors: list[BaseException]) -> object:
    raise errors.pop()  # a traceback leads to this frame, which must not lead back to it
