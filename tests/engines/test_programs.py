"""A whole program prints the same on every engine as it does serially."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from rig.engines import HAS_INTERPRETERS
from rig.mpi import MPIEXEC

PROGRAM = Path(__file__).parents[2] / "examples" / "count_tokens.py"


def there(name):
    """Whether a module is installed."""
    return importlib.util.find_spec(name) is not None


PLACES = [
    pytest.param("interpreter", marks=pytest.mark.skipif(not HAS_INTERPRETERS, reason="3.14+")),
    pytest.param("dask", marks=pytest.mark.skipif(not there("distributed"), reason="needs Dask")),
    pytest.param("ray", marks=pytest.mark.skipif(not there("ray"), reason="needs Ray")),
    pytest.param("mpi", marks=pytest.mark.skipif(not MPIEXEC, reason="needs mpi4py and an MPI")),
]


def printed(executor):
    """What the program prints on an executor."""
    command = [sys.executable, str(PROGRAM), "--limit", "60", "--executor", executor]
    if executor == "mpi":
        command[1:1] = ["-m", "mpi4py.futures"]
        command[:0] = [str(MPIEXEC), "-n", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("executor", PLACES)
def test_tokens_are_counted_alike_on_every_engine(executor):
    """Where the work was done, nobody can tell."""
    assert printed(executor) == printed("serial")
