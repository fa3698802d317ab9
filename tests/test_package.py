"""The package as its users meet it: what it is called, what it brings along, what it offers."""

import ast
import importlib.metadata
import importlib.resources
import importlib.util
import inspect
import subprocess
import sys
from multiprocessing import get_all_start_methods

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
{statement}
print(*set(sys.modules) - before, sep="\\n")
"""


def test_the_version_is_that_of_the_installed_package():
    """One number, written once: in the package itself."""
    assert taskpar.__version__ == importlib.metadata.version("taskpar")


def _modules_loaded_by(statement):
    command = [sys.executable, "-c", LIST_NEW_MODULES.format(statement=statement)]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def test_importing_taskpar_loads_nothing_else():
    """A program that imports taskpar and does not use it pays next to nothing."""
    assert _modules_loaded_by("import taskpar") == {"taskpar"}


def test_importing_names_of_taskpar_loads_nothing_that_is_not_needed_yet():
    """Whoever decorates functions and names executors pays for no worker before there is one."""
    found = _modules_loaded_by("from taskpar import parallel, AutoExecutor, QueueExecutor, Task")
    assert "taskpar.decorator" in found
    assert not {name for name in found if name.split(".")[0] in LATER}
    assert not {"taskpar._engine.engine", "taskpar._engine.ledger"} & found


def test_a_new_worker_imports_nothing_that_only_errors_need():
    """What multiprocessing itself imports to start one is there anyway."""
    there = "import multiprocessing.connection, multiprocessing.spawn, multiprocessing.util"
    found = _modules_loaded_by("from taskpar.backends import worker") - _modules_loaded_by(there)
    assert "taskpar._engine.running" in found
    rare = {"cloudpickle", "concurrent", "dataclasses", "inspect", "logging", "pathlib"}
    assert not {name for name in found if name.split(".")[0] in rare}
    assert not {f"taskpar._engine.{name}" for name in ("events", "ledger", "waiting")} & found


IN_A_WORKER = """
from multiprocessing import get_context
from taskpar import QueueExecutor
with QueueExecutor(1, mp_context=get_context({method!r})) as executor:
    print(executor.submit(eval, "'cloudpickle' in __import__('sys').modules").result())
"""


@pytest.mark.parametrize("method", [m for m in get_all_start_methods() if m != "fork"])
def test_a_worker_has_what_functions_by_value_need_only_where_there_are_some(method):
    """It would take half of the time in which a worker starts."""
    command = [sys.executable, "-c", IN_A_WORKER.format(method=method)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"


def test_type_checkers_and_python_find_the_public_names_in_the_same_places():
    """What is imported for type checkers at the top is what is found when a name is asked for."""
    tree = ast.parse(inspect.getsource(taskpar))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("taskpar.")
        for alias in node.names
    }
    homes = {
        name: f"taskpar.{home}" for home, names in taskpar._HOMES.items() for name in names.split()
    }
    assert homes == seen
    assert set(seen) == set(taskpar.__all__)
    assert not [name for name in taskpar.__all__ if importlib.util.find_spec(f"taskpar.{name}")]


def test_a_name_that_is_not_there_is_told_as_ever():
    """A misspelled name is an AttributeError, or an ImportError of who imports it."""
    with pytest.raises(AttributeError, match="module 'taskpar' has no attribute 'paralel'"):
        taskpar.paralel  # noqa: B018  # asking is what raises
    assert set(taskpar.__all__) <= set(dir(taskpar))


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
