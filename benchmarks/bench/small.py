"""Calls that do hardly anything: all that is measured is the way there and back."""

import time
from collections.abc import Iterator
from statistics import median

from . import tasks
from .limit import lean
from .pools import PEERS, Pool
from .workload import Figures, Target, seconds, workload

ROUND_TRIPS = 2_000
SUBMITS = 20_000
MILLION = 1_000_000
ALL = ("serial", "queue", "auto", "pool", "thread", *PEERS)
WITH_SUBMIT = tuple(name for name in ALL if name not in ("auto", "joblib"))


@workload(
    "round-trip",
    "a call that does nothing, there and back, one at a time",
    Target(peer=0.5, limit=2),
    limit=lean(1),
    by=WITH_SUBMIT,
)
def round_trip(pool: Pool) -> Iterator[Figures]:
    """Measure the median of single calls."""
    assert pool.submit
    times: list[float] = []
    for _ in range(ROUND_TRIPS):
        begin = time.perf_counter()
        pool.submit(tasks.nothing, None)()
        times.append(time.perf_counter() - begin)
    yield {"seconds": median(times)}


@workload(
    "submit",
    f"{SUBMITS:,} `submit`s of a call that does nothing, then all results: each",
    Target(peer=0.5, limit=3),
    limit=lean(1),
    by=WITH_SUBMIT,
)
def submit(pool: Pool) -> Iterator[Figures]:
    """Measure a call of many that were submitted."""
    submit = pool.submit
    assert submit

    def all_of_them() -> None:
        for result in [submit(tasks.nothing, None) for _ in range(SUBMITS)]:
            result()

    yield {"seconds": seconds(all_of_them) / SUBMITS}


@workload(
    "million",
    "`x * x` over `range(1_000_000)`",
    Target(peer=0.85, limit=1.3),
    limit=lean(25_000),
    by=ALL,
)
def million(pool: Pool) -> Iterator[Figures]:
    """Measure a million trivial calls."""
    yield {"seconds": seconds(lambda: list(pool.map(tasks.square, range(MILLION))))}


@workload(
    "growth",
    "the same over a hundred thousand: each",
    Target(peer=1),
    limit=lean(5_000),
    by=ALL,
    figure="100000",
)
def growth(pool: Pool) -> Iterator[Figures]:
    """Measure what a call costs, of more and more."""
    for calls, times in ((1_000, 9), (10_000, 5), (100_000, 3), (MILLION, 1), (10 * MILLION, 1)):
        taken = [seconds(lambda: list(pool.map(tasks.square, range(calls)))) for _ in range(times)]  # noqa: B023  # called at once
        yield {str(calls): median(taken) / calls}


@workload(
    "array-scalars",
    "`x * x + x` over `numpy.arange(1_000_000)`",
    Target(peer=0.3, limit=1.3, serial=1),
    limit=lean(25_000),
)
def array_scalars(pool: Pool) -> Iterator[Figures]:
    """Measure a million calls with numbers out of an array."""
    import numpy as np

    numbers = np.arange(MILLION)
    yield {"seconds": seconds(lambda: list(pool.map(tasks.arithmetic, numbers)))}
