"""On MPI: programs of three ranks, of which the first has the executor, the others the calls."""

import subprocess
import sys

import pytest

from rig.mpi import MPIEXEC

pytestmark = [
    pytest.mark.skipif(MPIEXEC is None, reason="needs mpi4py and an MPI library"),
    pytest.mark.timeout(120),
]

PROGRAM = """
from functools import partial
from itertools import count

from mpi4py import MPI
from mpi4py.futures import MPIPoolExecutor

from taskpar import FuturesExecutor, record_of


class Point:
    def __init__(self, x):
        self.x = x


def rank(_):
    return MPI.COMM_WORLD.Get_rank()


def move(data, point):
    return Point(point.x + len(data))


if __name__ == "__main__":
    with MPIPoolExecutor() as ranks, FuturesExecutor(ranks) as ex:
        print(list(ex.map(abs, range(-3, 0))))
        print(sorted(set(ex.map(rank, range(200), chunksize=1))))
        moved = ex.map(partial(move, bytes(1 << 20)), [Point(1), Point(2)])
        print([type(point) is Point and point.x for point in moved])
        results = ex.map(lambda x: 6 // x, count(-1))
        print(next(results))
        try:
            next(results)
        except ZeroDivisionError as error:
            print(record_of(error).index)
        print(next(results))
        results.close()
        print(ex.map(abs, range(10_000)).report)
"""


def on_ranks(folder, source, *options):
    """Run a program on three ranks, and return what it prints."""
    script = folder / "program.py"
    script.write_text(source)
    done = subprocess.run(
        [str(MPIEXEC), "-n", "3", sys.executable, "-m", "mpi4py.futures", str(script), *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_program_on_three_ranks_has_two_workers(tmp_path):
    """Values, errors, endless inputs, constants, classes of the program: as anywhere."""
    assert on_ranks(tmp_path, PROGRAM) == [
        "[3, 2, 1]",
        "[1, 2]",
        "[1048577, 1048578]",
        "-6",
        "1",
        "6",
        "all calls go to 2 workers",
    ]
