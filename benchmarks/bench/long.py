"""Calls that do work, of equal and of very unlike length: what is measured is who sits idle."""

import resource
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from random import Random

from . import tasks
from .limit import lean
from .pools import PEERS, WORKERS, Pool
from .workload import Figures, Target, seconds, workload

MILLISECONDS = 2_000
ALL = ("serial", "queue", "auto", "pool", "process", *PEERS)
NOT_PROCESS = tuple(name for name in ALL if name != "process")  # a process for each millisecond
DIGITS = (1000, 1500, 2000)
DARTS = 1_000_000


def lengths() -> list[float]:
    """Draw milliseconds for 500 calls: most are short, a few take most of the time."""
    random = Random(4)
    return [random.lognormvariate(0, 1.6) * 1.4 for _ in range(500)]


@workload(
    "milliseconds",
    f"{MILLISECONDS:,} calls of a millisecond",
    Target(peer=1.02, limit=1.05),
    limit=lean(10),
    by=NOT_PROCESS,
)
def milliseconds(pool: Pool) -> Iterator[Figures]:
    """Measure many short calls; and the processors' time of all processes."""
    before = _processor()
    yield {"seconds": seconds(lambda: list(pool.map(tasks.work, [1.0] * MILLISECONDS)))}
    yield {"own processor": _processor() - before}


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _tail(pool: Pool, times: list[float]) -> Iterator[Figures]:
    ran: list[tuple[int, float, float]] = []
    yield {"seconds": seconds(lambda: ran.extend(pool.map(tasks.work, times)))}
    workers = {pid: worker for worker, pid in enumerate(sorted({pid for pid, _, _ in ran}))}
    first = min(begin for _, begin, _ in ran)
    yield {
        f"{part} {index}": value
        for index, (pid, begin, end) in enumerate(ran)
        for part, value in (
            ("worker", workers[pid]),
            ("begin", begin - first),
            ("end", end - first),
        )
    }


@workload(
    "tail-sorted",
    "heavy tail: 500 calls of lognormal length, shortest first",
    Target(peer=1, limit=1.06),
    limit=lean(1),
    by=ALL,
)
def tail_sorted(pool: Pool) -> Iterator[Figures]:
    """Measure calls of unlike length, the longest last."""
    yield from _tail(pool, sorted(lengths()))


@workload(
    "tail-random",
    "the same in random order",
    Target(peer=1, limit=1.06),
    limit=lean(1),
    by=ALL,
)
def tail_random(pool: Pool) -> Iterator[Figures]:
    """Measure calls of unlike length in the order in which they were drawn."""
    yield from _tail(pool, lengths())


@workload(
    "pi-bbp",
    "pi by Bailey, Borwein and Plouffe, to 1000, 1500 and 2000 digits",
    Target(peer=1, limit=1.06),
    limit=lean(1),
    by=ALL,
)
def pi_bbp(pool: Pool) -> Iterator[Figures]:
    """Measure three calls, of which the last takes more than half of the time."""
    digits = import_module("pi").digits
    yield {"seconds": seconds(lambda: list(pool.map(digits, DIGITS)))}


@workload(
    "pi-monte-carlo",
    f"pi by {2 * DARTS:,} darts in two halves",
    Target(peer=1, limit=1.06),
    limit=lean(1),
    by=ALL,
)
def pi_monte_carlo(pool: Pool) -> Iterator[Figures]:
    """Measure two long calls."""
    throw = partial(import_module("pi").hits, 1, darts=DARTS)
    yield {"seconds": seconds(lambda: list(pool.map(throw, range(WORKERS))))}
