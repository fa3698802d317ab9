"""Large arrays: what is measured is how often they are copied."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from . import tasks
from .limit import arena
from .pools import PEERS, Pool
from .workload import Figures, Target, seconds, workload

COUNT, SIZE = 64, 8_000_000
LOOKS = 400
PAGE = 512  # numbers of an array that lie on one page of memory
ALL = ("serial", "queue", "pool", "thread", *PEERS)


def _arrays() -> list[Any]:
    import numpy as np

    return [np.full(SIZE // 8, float(i)) for i in range(COUNT)]


def _twice(make: Callable[[], Any], use: Callable[[Any], object]) -> Iterator[Figures]:
    """Measure an action, and once more, when memory was used before.

    With others each time, as joblib keeps a copy of those that it has seen.
    """
    for name in ("first", "seconds"):
        some = make()
        yield {name: seconds(partial(use, some))}


def _read(results: Any) -> float:
    """Touch every page of arrays as they come."""
    return sum(float(array[::PAGE].sum()) for array in results)


@workload(
    "arrays-in",
    f"{COUNT} arrays of 8 MB in, their sums back",
    Target(peer=1 / 5),
    limit=arena(SIZE),
    by=ALL,
)
def arrays_in(pool: Pool) -> Iterator[Figures]:
    """Measure large arguments."""
    yield from _twice(_arrays, lambda arrays: list(pool.map(tasks.total, arrays)))


@workload(
    "arrays-out",
    f"{COUNT} arrays of 8 MB out of small arguments, every page read",
    Target(peer=1 / 2),
    limit=arena(SIZE),
    by=ALL,
)
def arrays_out(pool: Pool) -> Iterator[Figures]:
    """Measure large results."""
    yield from _twice(lambda: range(COUNT), lambda some: _read(pool.map(tasks.filled, some)))


@workload(
    "arrays-both",
    f"{COUNT} arrays of 8 MB both ways",
    Target(peer=1 / 2),
    limit=arena(SIZE),
    by=ALL,
)
def arrays_both(pool: Pool) -> Iterator[Figures]:
    """Measure large arguments and large results."""
    yield from _twice(_arrays, lambda arrays: _read(pool.map(tasks.negated, arrays)))


def _looks(pool: Pool) -> Iterator[Figures]:
    import numpy as np

    look = partial(tasks.pick, np.arange(float(SIZE)))
    for name in ("first", "again"):
        yield {name: seconds(lambda: list(pool.map(look, range(LOOKS))))}


@workload(
    "constant",
    f"a function with an array of 64 MB bound to it, {LOOKS} calls",
    Target(peer=2, to="joblib"),
    figure="first",
)
def constant(pool: Pool) -> Iterator[Figures]:
    """Measure a large constant."""
    yield from _looks(pool)


@workload(
    "constant-again",
    "the same function once more",
    Target(peer=0.2, to="joblib"),
    figure="again",
)
def constant_again(pool: Pool) -> Iterator[Figures]:
    """Measure a large constant that is there already."""
    yield from _looks(pool)
