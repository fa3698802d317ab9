"""A ``map`` that runs its calls here, in the reader's thread, until workers pay.

::

    next() ── run some calls here, measure ── would workers gain? ── no ──► the next ones here
                                                     │ yes
                                                     ▼
                  workers are there: all that is left goes to them, as in any `Mapping`
                  they are not: they are started beside, while calls go on here

Each call is run once: here, or by a worker. One that turns out to be long, when nothing is known
yet, does not hold up those behind it: they go to workers while it runs.
"""

import threading
from itertools import count
from math import inf
from os import getpid
from time import perf_counter, sleep
from typing import Any

from taskpar._engine import beside, pickling
from taskpar._engine.calling import Call, shaped
from taskpar._engine.costs import Costs
from taskpar._engine.exceptions import is_ctrl_c
from taskpar._engine.mapping import Mapping
from taskpar._engine.reply import Reply
from taskpar._engine.running import without_ours
from taskpar._engine.submissions import Submissions
from taskpar._engine.tally import Tally
from taskpar._engine.wire import PLAIN
from taskpar._model.options import Options
from taskpar._model.outcome import Error
from taskpar._model.stats import in_units
from taskpar.errors import ExecutorClosedError, InitializerError

BLOCK_SECONDS = 0.003
"""How long a block of calls is to take: results come, and costs are looked at, after each."""

LONG_SECONDS = 0.02
"""A call that takes longer does not hold up those behind it."""

START_SECONDS = 0.15
"""What it costs to start workers, where there are none yet."""

BYTES_PER_SECOND = 4e9
"""How fast big data crosses."""

LEAST_SECONDS = 0.003
"""What it costs to have the rest run by workers that are there."""


SAMPLES = 500
"""Values of a block whose types are looked at, at the least, if there are as many."""


class Choosing(Mapping):
    """The job of a ``map`` of `AutoExecutor`."""

    _number = -1
    _here = False
    """Whether calls are run here, so far."""
    _why = "all calls go to workers, as an option or the executor needs them"
    _next = 0
    """The first call that neither has been run here nor is being."""
    _starting: threading.Thread | None = None
    """Starts workers, while calls go on here."""

    def _begin(self) -> None:
        # Held until the engine knows of the calls that are handed over: the reader waits for that.
        self._handing = threading.RLock()
        options = self._options
        if options.time_limit or options.cancel_running or options.context is False:
            super()._begin()
            return
        self._engine.check_open()
        self._here = True
        self._costs = Costs(self._engine.backend.slots)
        self._cut_short: list[Any] = []
        self._call: Call = shaped(self._function, self._shape)
        if self._source.whole:
            self._source.advance(self._ahead)

    @property
    def report(self) -> str:
        """What was chosen, and why."""
        if not self._here:
            return self._why
        if not self._delivered:
            return "no call was run yet"
        left = self._left()
        so_far = " so far" if left or not self._source.exhausted else ""
        why = f", {self._why}" if self._costs.crossing == inf else ""
        return f"all calls{so_far} ran here: {self._figures(left)}{why}"

    def _left(self) -> int:
        """Return how many calls are left; where nobody knows, as many as there were."""
        left = self._source.stop - self._delivered
        return left if self._source.exhausted else max(left, self._delivered)

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
                source.advance(self._delivered + self._ahead)
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

    def _run_some(self) -> tuple[list[Any], bool]:
        """Run a block of calls here; tell whether all outcomes are plain values, too."""
        start = self._delivered
        seconds = self._costs.seconds
        many = int(BLOCK_SECONDS / seconds) if seconds else 1
        with self._mutex:
            self._next = min(self._source.stop, start + max(1, min(many, 2 * start)))
        watch = self._watched() if self._next - start == 1 else None
        items = self._source.items(start, self._next)
        outcomes: list[Any] = []
        began = perf_counter()
        try:
            self._run(items, start, outcomes)
        except BaseException:  # Ctrl-C between two calls: what has been run is not lost
            self._cut_short = outcomes
            raise
        finally:
            if watch is not None:
                watch.cancel()
            failed = bool(outcomes) and type(outcomes[-1]) is Error
            self._took(outcomes, start, perf_counter() - began, failed=failed)
        try:
            if self._here:
                self._choose(items[len(outcomes) - 1], outcomes[-1])
            return outcomes, not failed and _seem_plain(outcomes)
        finally:
            del outcomes  # as in `_run`

    def _run(self, items: Any, start: int, outcomes: list[Any]) -> None:
        """Run calls up to the first error: nothing behind one is run before it is seen."""
        call, add = self._call, outcomes.append
        try:
            for item in items:
                try:
                    add(call(item))
                except BaseException as error:  # noqa: BLE001  # also SystemExit: it is the call's
                    add(self._tried_again(item, start + len(outcomes), error))
                    return
        finally:
            del outcomes, add  # the tracebacks of errors lead to this frame

    def _tried_again(self, item: Any, index: int, error: BaseException) -> Any:
        """Try a call again that has failed, if that is wanted; return its outcome."""
        for attempt in range(1, self._rules.retries + 1):
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
            self._costs.measured(seconds / len(outcomes))
            self.tally.home(start, stop, Reply(getpid(), len(outcomes), seconds, (), None))
        if failed:
            self._mark_all(outcomes, start, getpid())
        self._attempts.forget(start, stop)
        with self._mutex:
            self._next = self._delivered = stop
            if self._here:
                self._submitted = stop
        self._source.forget(start, stop)

    # ------------------------------------------------------------------------------ choosing
    def _choose(self, item: Any, outcome: Any) -> None:
        """Let workers have the rest, if they would be quicker."""
        costs, left = self._costs, self._left()
        if type(outcome) is Error or costs.certain or left * costs.least < LEAST_SECONDS:
            return
        there = bool(self._engine.workers())
        started = there if self._starting is None else not self._starting.is_alive()
        cost = LEAST_SECONDS if started else START_SECONDS
        if left * costs.least < cost:
            return
        if costs.crossing is None:
            self._look_at_crossing(item, outcome)
        if costs.gain(left) < cost:
            return
        if started:
            self.hand_over()
        elif self._starting is None:
            self._starting = threading.Thread(
                target=self._start_workers, name="taskpar-start", daemon=True
            )
            self._starting.start()

    def _look_at_crossing(self, item: Any, outcome: Any) -> None:
        """Measure what it takes to pack what one call needs and gives."""
        self._costs.crossing = inf
        what = "the function"
        try:
            pickling.dumps(self._function, [], beside.BIG)
            what = "what a call needs or gives"
            began = perf_counter()
            views: list[memoryview] = []
            pickling.dumps((item, outcome), views, beside.BIG)
            packing = perf_counter() - began
        except BaseException as error:  # a __reduce__ may raise anything
            if is_ctrl_c(error):
                raise
            self._why = f"as {what} cannot be pickled"
        else:
            self._costs.crossing = packing + sum(map(len, views)) / BYTES_PER_SECOND

    def _figures(self, left: int) -> str:
        known = "" if self._source.exhausted else "maybe "
        return f"one takes {in_units(self._costs.seconds)}, {known}{left:,} left"

    def _start_workers(self) -> None:
        """Start them, all at once."""
        starting = Submissions(self._engine, Options(), count())
        starting.tally = Tally()  # these are nobody's calls
        try:
            futures = [
                starting.submit(int, (), {}, "start") for _ in range(self._engine.backend.slots)
            ]
            for future in futures:
                future.exception()
        except (ExecutorClosedError, InitializerError):
            return  # whoever hands over is told

    # ----------------------------------------------------------------------------- handing over
    def _watched(self) -> threading.Timer | None:
        """Hand over what is behind a call, if that takes long."""
        known, nothing_left = self._costs.seconds, self._source.stop == self._next
        if self._costs.certain or nothing_left or 0 < known < LONG_SECONDS / 10:
            return None
        watch = threading.Timer(LONG_SECONDS, self.hand_over)
        watch.daemon = True
        watch.start()
        return watch

    def hand_over(self) -> None:
        """Let workers have all calls that were not begun here; called from any thread."""
        with self._handing:
            self._hand_over()

    def _hand_over(self) -> None:
        with self._mutex:
            if not self._here or self._closed:
                return
            self._here = False
            self._submitted = self._next
        why = self._figures(self._left()) if self._costs.seconds else "the first one takes long"
        slots = self._engine.backend.slots
        self._why = f"calls from {self._next} on went to {slots} workers: {why}"
        try:
            self._number = self._engine.add(self)
        except (ExecutorClosedError, InitializerError) as error:
            self._cut_off = error
        except Exception:  # noqa: BLE001  # no thread or descriptor is left: so all is run here
            self._here, self._costs = True, Costs(1)
        else:
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
