"""A ``map`` that runs its calls in the reader's thread, when their results are wanted.

So does a serial loop. The ledger is not asked: none of these calls waits, is out at a worker, or
can be lost there. What nobody reads, but is to run all the same, goes the usual way.
"""

import threading
from math import inf
from os import getpid
from time import perf_counter, sleep
from typing import Any

from taskpar._engine.calling import Call, shaped
from taskpar._engine.mapping import Mapping
from taskpar._engine.reply import Reply
from taskpar._engine.running import without_ours
from taskpar._engine.wire import PLAIN
from taskpar._model.outcome import Error

SAMPLES = 500
"""Values of a block whose types are looked at, at the least, if there are as many."""


class Here(Mapping):
    """The job of a ``map`` of `SerialExecutor`."""

    _number = -1
    _here = False
    """Whether calls are run here, so far."""
    _next = 0
    """The first call that neither has been run here nor is being."""
    _failures = (-1, 0)
    """The last call that was to be tried again, and how often it had failed: if Ctrl-C comes before
    it is, who reads on has it run, but no more often than was asked for."""

    def _begin(self) -> None:
        # Held until the engine knows of the calls that are handed over: the reader waits for that.
        self._handing = threading.RLock()
        options = self._options
        if options.time_limit or options.cancel_running or options.context is False:
            super()._begin()
            return
        self._open()
        self._here = True
        self._cut_short: list[Any] = []
        self._call: Call = shaped(self._function, self._shape)
        if self._source.whole:
            self._source.advance(self._ahead)

    def _open(self) -> None:
        """See to it that calls may be run here."""
        self._number = self._engine.add(self)

    # ------------------------------------------------------------------------- for the reader
    def next_block(self, deadline: float) -> tuple[list[Any], bool]:
        """Run some calls and return their outcomes, or do as any other job."""
        if self._here and not self._closed:
            self._engine.check_process()
            if self._cut_short:
                outcomes, self._cut_short = self._cut_short, []
                return outcomes, False
            source = self._source
            if source.stop == self._delivered and source.error is None and not source.exhausted:
                self._engine.check_open()
                source.advance(self._delivered + self._reach)
            if source.stop == self._delivered:
                outcome = self._ended()
                self._next = self._delivered
                return [outcome], False
            return self._run_some()
        with self._handing:
            pass
        if self._here and not self._closed:
            return self.next_block(deadline)  # handing over has failed
        return super().next_block(deadline)

    @property
    def _reach(self) -> float:
        """How many calls the input is read ahead."""
        return self._ahead if self._ahead is inf else 1

    def _many(self) -> int:
        """Say how many calls the next block has: a serial loop runs one when it is wanted."""
        return 1

    def _run_some(self) -> tuple[list[Any], bool]:
        """Run a block of calls here; tell whether all outcomes are plain values, too."""
        start = self._delivered
        with self._mutex:
            self._next = min(self._source.stop, start + self._many())
        items = self._source.items(start, self._next)
        outcomes: list[Any] = []
        began = perf_counter()
        try:
            self._run(items, start, outcomes)
        except BaseException:  # Ctrl-C between two calls: what has been run is not lost
            self._cut_short = outcomes
            raise
        finally:
            failed = bool(outcomes) and type(outcomes[-1]) is Error
            self._took(outcomes, start, perf_counter() - began, failed=failed)
        try:
            self._look_at(items[len(outcomes) - 1], outcomes[-1])
            return outcomes, not failed and _seem_plain(outcomes)
        finally:
            del outcomes  # as in `_run`

    def _look_at(self, item: Any, outcome: Any) -> None:
        """Look at the last call of a block."""

    def _run(self, items: Any, start: int, outcomes: list[Any]) -> None:
        """Run calls up to the first error: nothing behind one is run before it is seen."""
        call, add = self._call, outcomes.append
        try:
            for item in items:
                try:
                    add(call(item))
                except BaseException as error:  # noqa: BLE001  # also SystemExit: it is the call's
                    failed = [error]
                else:
                    continue
                # Out here, else the error of a second attempt would have the first as its context.
                add(self._tried_again(item, start + len(outcomes), failed))
                return
        finally:
            del outcomes, add  # the tracebacks of errors lead to this frame

    def _tried_again(self, item: Any, index: int, failed: list[BaseException]) -> Any:
        """Try a call again that has failed, if that is wanted; return its outcome."""
        error = failed.pop()
        failures = self._failures[1] if self._failures[0] == index else 0
        for attempt in range(failures + 1, self._rules.retries + 1):
            self._failures = index, attempt
            seconds = self._attempts.retry(index, attempt, error, None)
            if seconds is None:
                break
            sleep(seconds)
            try:
                return self._call(item)
            except BaseException as again:  # noqa: BLE001  # as in `_run`
                error = again
        try:
            return Error(without_ours(error))
        finally:
            del error  # as in `_run`

    def _took(self, outcomes: list[Any], start: int, seconds: float, *, failed: bool) -> None:
        """Note that calls have been run here."""
        stop = start + len(outcomes)
        if outcomes:
            self.tally.home(start, stop, Reply(getpid(), len(outcomes), seconds, (), None))
        if failed:
            self._mark_all(outcomes, start, getpid())
        self._attempts.forget(start, stop)
        with self._mutex:
            self._next = self._delivered = stop
            if self._here:
                self._submitted = stop
        self._source.forget(start, stop)

    # ----------------------------------------------------------------------------- handing over
    def hand_over(self) -> None:
        """Let the engine have all calls that were not begun here; called from any thread."""
        with self._handing:
            with self._mutex:
                if not self._here or self._closed:
                    return
                self._here = False
                self._submitted = self._next
            self._hand_over()

    def _hand_over(self) -> None:
        self._submit()

    def passed(self, call: int | None) -> None:
        """Go on behind an error; here, that is what the next call does anyway."""
        with self._handing:
            if self._number >= 0:
                super().passed(call)

    def finish_elsewhere(self) -> None:
        """Have calls run that are to run whether or not anybody reads their results."""
        if self._source.whole and self._source.stop > self._next:
            self.hand_over()

    def leave(self) -> None:
        """Know that nobody will read a result: the calls run all the same."""
        self.finish_elsewhere()
        with self._handing:
            if self._number >= 0:
                super().leave()

    def close(self, *, source: bool) -> None:
        """Let the job go."""
        with self._handing:
            if self._number >= 0:
                super().close(source=source)
                return
            self._closed = True
        if source:
            self._source.close()


def _seem_plain(values: list[Any]) -> bool:
    """Tell whether values are plain ones, which may be held until the last of them was read.

    Of many, only some are looked at: the calls took no longer than a block, and to look at all of
    them would be a quarter of what such small calls cost. One that was missed is held as long.
    """
    return set(map(type, values[:: 1 + len(values) // SAMPLES])) <= PLAIN
