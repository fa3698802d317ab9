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
from time import perf_counter
from typing import Any

from taskpar._engine import beside, pickling
from taskpar._engine.costs import Costs
from taskpar._engine.exceptions import is_ctrl_c
from taskpar._engine.here import Here
from taskpar._engine.submissions import Submissions
from taskpar._engine.tally import Tally
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


class Choosing(Here):
    """The job of a ``map`` of `AutoExecutor`."""

    _why = "all calls go to workers, as an option or the executor needs them"
    _starting: threading.Thread | None = None
    """Starts workers, while calls go on here."""

    def _open(self) -> None:
        self._engine.check_open()  # workers come when they pay
        self._costs = Costs(self._engine.backend.slots)

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
    @property
    def _reach(self) -> float:
        return self._ahead

    def _many(self) -> int:
        seconds, start = self._costs.seconds, self._delivered
        many = int(BLOCK_SECONDS / seconds) if seconds else 1
        return max(1, min(many, 2 * start))

    def _run(self, items: Any, start: int, outcomes: list[Any]) -> None:
        watch = self._watched() if self._next - start == 1 else None
        try:
            super()._run(items, start, outcomes)
        finally:
            del outcomes  # as there
            if watch is not None:
                watch.cancel()

    def _took(self, outcomes: list[Any], start: int, seconds: float, *, failed: bool) -> None:
        if outcomes:
            self._costs.measured(seconds, len(outcomes))
        super()._took(outcomes, start, seconds, failed=failed)

    def _look_at(self, item: Any, outcome: Any) -> None:
        if self._here:
            self._choose(item, outcome)

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
            self._start_beside()

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

    def _start_beside(self) -> None:
        """Start workers, while calls go on here.

        The backend is begun before that: what it imports would take several times as long in a
        thread beside calls that keep the interpreter to themselves.
        """
        try:
            self._engine.check_open()
            self._engine.start()
            self._starting = threading.Thread(
                target=self._start_workers, name="taskpar-start", daemon=True
            )
            self._starting.start()
        except Exception:  # noqa: BLE001  # it is closed, or nothing is left: who hands over knows
            self.hand_over()

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

    def _hand_over(self) -> None:
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
