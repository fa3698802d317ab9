"""A package that depends on taskpar works with the built wheel, in a fresh environment.

What only shows there: a file that the wheel forgot, a dependency that happened to be installed,
a type that strict checkers do not see from outside.
"""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # it builds, downloads and installs

ROOT = Path(__file__).parents[2]
SMALL_PACKAGE = Path(__file__).parent / "wordtally"


def run(*command: object, cwd: Path) -> str:
    """Run a command far from the source tree; fail with all that it said."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of taskpar, freshly built."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", ROOT, cwd=folder)
    (built,) = folder.glob("taskpar-*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The interpreter of a fresh environment that has the wheel and the small package."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    executable = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    small_package = f"wordtally[test] @ {SMALL_PACKAGE.as_uri()}"
    run(executable, "-m", "pip", "install", "--quiet", wheel, small_package, cwd=folder)
    return executable


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    """An installation puts one package into site-packages: no tests, no docs."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"taskpar"}
    assert "taskpar/py.typed" in names


def test_the_small_package_type_checks_strictly(python, tmp_path):
    """The types of tasks, results and decorated functions are seen from outside."""
    out = run(python, "-m", "mypy", "--strict", SMALL_PACKAGE / "src", cwd=tmp_path)
    assert "Success" in out


def test_the_tests_of_the_small_package_pass(python, tmp_path):
    """It computes what it should, on several processes, with the installed packages alone."""
    options = ("-q", "-p", "no:cacheprovider", "--rootdir", SMALL_PACKAGE)
    out = run(python, "-m", "pytest", *options, SMALL_PACKAGE / "tests", cwd=tmp_path)
    assert "passed" in out


def test_the_small_package_runs_as_a_program(python, tmp_path):
    """`python -m wordtally` needs no `__main__` guard."""
    out = run(python, "-m", "wordtally", "to be or not to be", "be", cwd=tmp_path)
    assert out.split() == ["letters", "15", "longest", "3", "words", "7"]
