"""Three programs, each by the builtin ``map`` and by every executor: how long, and is it the same?

    make demo

The seconds are those of the whole run: the start and the end of the workers are in them. Ends with
status 1 if any result is not equal to that of the builtin ``map``.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import pi
from count_tokens import EXECUTORS, STDLIB, count, modules, tally

from taskpar import available_cpus

A = TypeVar("A")
R = TypeVar("R")


class Map(Protocol):
    """The builtin ``map``, or that of an executor: all that a program is told of either."""

    def __call__(self, fn: Callable[[A], R], items: Sequence[A], /) -> Iterator[R]:
        """Call ``fn`` with each of the items."""
        ...


class Program(NamedTuple):
    """A program: what it is called, what it does, and the run itself, whose result is compared."""

    name: str
    about: str
    run: Callable[[Map], object]


def programs(*, quick: bool) -> list[Program]:
    """Make the three programs, quick ones for a test."""
    paths = modules(STDLIB, 24 if quick else None)
    for path in paths:  # once before all runs, or the first of them alone would wait for the disk
        path.read_bytes()

    chunks, darts = (8, 5_000) if quick else (40, 500_000)
    throw = partial(pi.hits, 1, darts=darts)
    # The longest first: who starts it last has to wait for it.
    precisions = (300, 200, 100) if quick else (4000, 3500, 3000, 2000, 1500, 1000)
    return [
        Program(
            "count_tokens",
            f"{len(paths):,} files of the standard library, a task for each",
            lambda map_: tally(paths, map_(count, paths)),
        ),
        Program(
            "pi_monte_carlo",
            f"{chunks * darts:,} darts in {chunks} tasks",
            lambda map_: 4 * sum(map_(throw, range(chunks))) / (chunks * darts),
        ),
        Program(
            "pi_bbp",
            f"{', '.join(map(str, precisions))} digits, a task for each",
            lambda map_: list(map_(pi.digits, precisions)),
        ),
    ]


def row(*cells: str) -> None:
    """Print a row of the table."""
    program, executor, seconds, speedup, equal = cells
    print(f"{program:<16}{executor:<12}{seconds:>8}{speedup:>10}  {equal}", flush=True)


def compare(program: Program, workers: int) -> bool:
    """Run a program by the builtin map and by every executor; tell whether all agree."""
    start = time.perf_counter()
    expected = program.run(map)
    serially = time.perf_counter() - start
    row(program.name, "builtin map", f"{serially:.2f}", "1.00x", "")

    agreed = True
    for name, make in EXECUTORS.items():
        start = time.perf_counter()
        with make(workers) as executor:
            result = program.run(executor.map)
        seconds = time.perf_counter() - start
        equal = result == expected
        agreed &= equal
        speedup = f"{serially / seconds:.2f}x"
        row(program.name, name, f"{seconds:.2f}", speedup, "yes" if equal else "NO")
    return agreed


def main() -> int:
    """Print the table, and return the exit status."""
    parser = argparse.ArgumentParser(description="Three programs on every executor.")
    parser.add_argument("--workers", type=int, default=available_cpus())
    parser.add_argument("--quick", action="store_true", help="little work, to see that it works")
    given = parser.parse_args()

    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"{python}, {available_cpus()} CPUs for this process, {given.workers} workers")
    print("seconds: with the start and the end of all workers; process: a new one for every task")
    chosen = programs(quick=given.quick)
    for program in chosen:
        print(f"{program.name}: {program.about}")
    print()
    row("program", "executor", "seconds", "speed-up", "equal to serial")
    agreed = [compare(program, given.workers) for program in chosen]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
