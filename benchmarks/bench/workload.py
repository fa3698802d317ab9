"""What a workload is, and how most are made: one function, which is given an open pool."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from . import tasks
from .pools import LIBRARIES, PEERS, WORKERS, Library, Opener, Pool

Figures = dict[str, float]
"""What was measured, by name; times in seconds."""
Run = Callable[[], Iterator[Figures]]
"""Runs a workload once; yields figures as they are known, so that few are lost if time runs out."""
Body = Callable[[Pool], Iterator[Figures]]


class Target(NamedTuple):
    """What `QueueExecutor` must reach.

    Args:
        peer: The most that it may take in units of a peer, as both are by default.
        limit: The same in units of the hand-written limit.
        serial: The same in units of the builtin.
        most: The most in figures.
        to: Which peer it is compared to; None: the best.
    """

    peer: float | None = None
    limit: float | None = None
    serial: float | None = None
    most: float | None = None
    to: str | None = None


class Workload(NamedTuple):
    """A row of the table.

    Args:
        title: What is done.
        runs: Who does it, by their words.
        target: What must be reached.
        figure: Which figure is compared; the less the better.
    """

    title: str
    runs: dict[str, Run]
    target: Target
    figure: str = "seconds"


WORKLOADS: dict[str, Workload] = {}
"""All workloads, by the words of ``--only``."""


def workload(
    key: str,
    title: str,
    target: Target,
    *,
    limit: Opener | None = None,
    by: Iterable[str] = ("serial", "queue", *PEERS),
    figure: str = "seconds",
) -> Callable[[Body], Body]:
    """Register a function which measures an open, warm pool.

    Args:
        key: A word for it.
        title: What is done.
        target: What must be reached.
        limit: Opens what no library can be faster than; None: unknown.
        by: Who takes part.
        figure: Which figure is compared.
    """

    def register(body: Body) -> Body:
        runs: dict[str, Run] = {
            name: partial(_warm, LIBRARIES[name], body) for name in by if LIBRARIES[name].installed
        }
        if limit:
            runs["limit"] = partial(_warm, Library("limit", "taskpar", "", limit), body)
        WORKLOADS[key] = Workload(title, runs, target, figure)
        return body

    return register


def _warm(library: Library, body: Body) -> Iterator[Figures]:
    """Let the workers start, so that their start is in no time that is told.

    `AutoExecutor` starts some only for calls that are worth it.
    """
    with library.open(None) as pool:
        list(pool.map(tasks.double, range(2 * WORKERS)))
        list(pool.map(tasks.nap, [0.05] * 2 * WORKERS))
        yield from body(pool)


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
