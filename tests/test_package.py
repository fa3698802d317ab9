"""The package as its users meet it: what it is called, what it brings along, what it offers."""

import importlib.metadata
import importlib.resources
import inspect
import subprocess
import sys

import pytest

import taskpar

# What `import taskpar` must not load: heavy, optional, or needed only once a worker starts.
LATER = {
    "asyncio",
    "cloudpickle",
    "dask",
    "hypothesis",
    "multiprocessing",
    "numpy",
    "ray",
    "tblib",
    "tqdm",
}

LIST_NEW_MODULES = """
import sys
before = set(sys.modules)
import taskpar
print(*set(sys.modules) - before, sep="\\n")
"""


def test_the_version_is_that_of_the_installed_package():
    """One number, written once: in the package itself."""
    assert taskpar.__version__ == importlib.metadata.version("taskpar")


def test_importing_taskpar_loads_nothing_that_is_not_needed_yet():
    """A program that imports taskpar and does not use it pays next to nothing."""
    command = [sys.executable, "-c", LIST_NEW_MODULES]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert "taskpar" in found
    assert not {name for name in found if name.split(".")[0] in LATER}
    assert not {"taskpar._engine.engine", "taskpar._engine.ledger"} & set(found)


def test_the_public_names_are_sorted():
    """The list of public names can be searched by eye, and has no name twice."""
    assert list(taskpar.__all__) == sorted(set(taskpar.__all__))


@pytest.mark.parametrize("name", taskpar.__all__)
def test_every_public_name_exists_and_tells_what_it_is(name):
    """What is offered is there, and has a docstring of its own."""
    thing = getattr(taskpar, name)
    assert inspect.cleandoc(thing.__doc__ or "")
    # A dataclass or a named tuple without a docstring is given its own signature for one.
    assert not thing.__doc__.startswith(f"{name}(")


def test_the_package_says_that_it_is_typed():
    """Type checkers read the annotations of an installed taskpar (PEP 561)."""
    assert importlib.resources.files("taskpar").joinpath("py.typed").is_file()
