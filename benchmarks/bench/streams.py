"""Inputs without an end: what is measured is how far ahead of its reader a library reads."""

import time
from collections.abc import Generator, Iterator
from itertools import islice

from . import tasks
from .limit import lean
from .pools import PEERS, Pool
from .workload import Figures, Target, workload

LONG = 2_000_000
TAKEN = 1_000
ALL = ("serial", "queue", "pool", "thread", *(p for p in PEERS if p not in ("dask", "ray")))


class _Numbers:
    """An input that counts how often it was read."""

    def __init__(self) -> None:
        self.pulled = 0

    def __call__(self) -> Generator[int, None, None]:
        for self.pulled in range(1, LONG + 1):
            yield self.pulled


def _take(pool: Pool, rest: float) -> Iterator[Figures]:
    numbers = _Numbers()
    assert pool.stream
    begin = time.perf_counter()
    results = pool.stream(tasks.double, numbers())
    for _ in islice(results, TAKEN):
        time.sleep(rest)
    yield {"seconds": time.perf_counter() - begin}
    yield {"pulled": numbers.pulled}
    if callable(close := getattr(results, "close", None)):
        close()
    yield {"seconds": time.perf_counter() - begin, "pulled": numbers.pulled}


@workload(
    "stream",
    f"a generator of {LONG:,}: the first {TAKEN:,} results, then close",
    Target(peer=0.2, to="joblib"),
    limit=lean(200),
    by=ALL,
)
def stream(pool: Pool) -> Iterator[Figures]:
    """Measure a stream that is left early."""
    yield from _take(pool, 0)


@workload(
    "slow-reader",
    f"the same, with a reader that rests 1 ms an item: read for {TAKEN:,} taken",
    Target(most=2_000),
    limit=lean(200),
    by=ALL,
    figure="pulled",
)
def slow_reader(pool: Pool) -> Iterator[Figures]:
    """Measure how many items are read ahead."""
    yield from _take(pool, 0.001)
