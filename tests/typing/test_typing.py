"""What users' type checkers say: ``right.py`` is right, and each line of ``wrong.py`` is wrong.

`make lint` checks the two files as well; this is for those who only run the tests.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = [str(HERE / name) for name in ("right.py", "wrong.py")]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of Python, with its temporary files in a folder of the test."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)  # a type checker reads the whole package, maybe on a busy machine
@pytest.mark.parametrize(
    ("tool", "options"),
    [("mypy", ["--strict", "--cache-dir={folder}"]), ("pyright", ["--pythonpath={python}"])],
)
def test_type_checkers_agree_with_us(tool: str, options: list[str], tmp_path: Path) -> None:
    """Results are inferred, arguments are checked: an `ignore` that is not needed fails too."""
    pytest.importorskip(tool)
    given = [option.format(folder=tmp_path, python=sys.executable) for option in options]
    done = run(["-m", tool, *given, *FILES], tmp_path)
    assert done.returncode == 0, done.stdout


def test_what_is_right_for_type_checkers_also_runs(tmp_path: Path) -> None:
    """The types are those of the values."""
    done = run([FILES[0]], tmp_path)
    assert (done.stdout, done.returncode) == ("", 0)
