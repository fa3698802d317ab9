"""Count the Python tokens in every module of the standard library, on any executor.

    python examples/count_tokens.py --executor queue --workers 2
    python examples/count_tokens.py --executor dask --address tcp://scheduler:8786
    mpiexec -n 3 python -m mpi4py.futures examples/count_tokens.py --executor mpi

Some thousand files of very unlike size, some of which are no valid Python, on purpose: the test
suite of Python has them. `count` knows nothing of that; it raises what `tokenize` raises. The
results of a parallel ``map`` go on after an exception, as those of the builtin ``map`` do, so the
one loop in `tally` serves both, and what is printed is the same whoever did the work.
"""

import argparse
import sysconfig
import tokenize
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import taskpar

Given = argparse.Namespace
Place = AbstractContextManager[taskpar.Executor]


@contextmanager
def mpi_ranks() -> Generator[taskpar.Executor]:
    """Lend the other ranks of an MPI program."""
    from mpi4py.futures import MPIPoolExecutor  # pyright: ignore[reportMissingImports]

    with MPIPoolExecutor() as ranks, taskpar.FuturesExecutor(ranks) as executor:
        yield executor


EXECUTORS: dict[str, Callable[[int | None], Place]] = {
    "serial": taskpar.SerialExecutor,
    "thread": taskpar.ThreadExecutor,
    "process": taskpar.ProcessExecutor,
    "pool": taskpar.PoolExecutor,
    "queue": taskpar.QueueExecutor,
}
ENGINES: dict[str, Callable[[Given], Place]] = {
    "interpreter": lambda given: taskpar.InterpreterExecutor(given.workers),
    "dask": lambda given: taskpar.DaskExecutor(given.address),
    "ray": lambda given: taskpar.RayExecutor(given.address),
    "mpi": lambda _: mpi_ranks(),
}
"""Those that need a newer Python, or an extra."""

STDLIB = Path(sysconfig.get_path("stdlib"))
NOT_OURS = {"site-packages", "dist-packages"}  # what was installed beside the standard library


def modules(folder: Path, limit: int | None = None) -> list[Path]:
    """Find the files, sorted; with a limit, the first so many of them."""
    found = sorted(path for path in folder.rglob("*.py") if path.is_file())
    ours = [path for path in found if not NOT_OURS & set(path.relative_to(folder).parts)]
    return ours[:limit]


def count(path: Path) -> Counter[str]:
    """Count the tokens of a file by kind; raise what `tokenize` raises."""
    with path.open("rb") as file:
        return Counter(tokenize.tok_name[token.type] for token in tokenize.tokenize(file.readline))


@dataclass
class Tally:
    """The tokens of all files that tokenize, and the kind of error of each that does not."""

    files: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    failures: dict[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.files:,} files, {self.tokens.total():,} tokens"]
        lines += [f"{number:>12,} {kind}" for kind, number in self.tokens.most_common(8)]
        lines += [f"{len(self.failures):,} more do not tokenize"]
        lines += [f"    {path}: {kind}" for path, kind in sorted(self.failures.items())]
        return "\n".join(lines)


def tally(paths: list[Path], counts: Iterator[Counter[str]]) -> Tally:
    """Add up the counts of the files, which may come from any ``map``."""
    total = Tally()
    for path in paths:
        try:
            total.tokens += next(counts)
            total.files += 1
        except (SyntaxError, UnicodeError, tokenize.TokenError) as error:
            total.failures[path] = type(error).__name__
    return total


def main() -> None:
    """Read the command line, count, print."""
    parser = argparse.ArgumentParser(description="Count the tokens of many Python files.")
    parser.add_argument("folder", type=Path, nargs="?", default=STDLIB, help=f"default: {STDLIB}")
    parser.add_argument("--executor", choices=[*EXECUTORS, *ENGINES], default="queue")
    parser.add_argument("--workers", type=int, help="default: one for each CPU there is for us")
    parser.add_argument("--address", help="of a Dask or Ray cluster; default: one of our own")
    parser.add_argument("--limit", type=int, help="count the first so many files only")
    given = parser.parse_args()
    paths = modules(given.folder, given.limit)
    if given.executor in ENGINES:
        place = ENGINES[given.executor](given)
    else:
        place = EXECUTORS[given.executor](given.workers)
    with place as executor:
        print(tally(paths, executor.map(count, paths)))


if __name__ == "__main__":  # for demo.py, which imports this; taskpar itself needs no guard
    main()
