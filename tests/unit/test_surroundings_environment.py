"""A worker has the environment, the modules and the directory of its parent, but its own share."""

import importlib
import multiprocessing
import os
import sys
from pathlib import Path

import pytest
from surrounded import NUMERIC, WITHIN, posix, seen_by, worker

from rig.executors import START_METHODS
from taskpar._engine import place
from taskpar.backends.child import Arrival, become_worker
from taskpar.backends.surroundings import Surroundings

pytestmark = pytest.mark.usefixtures("no_shares")


def environment():
    """All variables."""
    return dict(os.environ)


def test_the_environment_is_that_of_the_parent(start, monkeypatch):
    """As it is now, not as it was when the fork server was started; but for the shares."""
    monkeypatch.setenv("SET_SINCE", "a\udcff=b")
    monkeypatch.delenv("HOME", raising=False)
    here = dict(os.environ)
    there = seen_by(start, environment)
    assert there == here | {"TASKPAR_WORKERS": "4"} | dict.fromkeys(NUMERIC, "4")
    assert dict(os.environ) == here


@pytest.mark.parametrize(("slots", "share"), [(1, "8"), (3, "2"), (8, "1"), (100, "1")])
def test_each_worker_has_its_share_of_the_processors(slots, share):
    """Rounded down, so that all of them fit in; but one at least."""
    there = seen_by(START_METHODS[0], environment, slots=slots)
    assert {there[name] for name in ["TASKPAR_WORKERS", *NUMERIC]} == {share}


def test_what_the_user_has_set_is_left_alone(start, monkeypatch):
    """Except the number of workers, which is there to be divided; empty means not set."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_NUM_THREADS", "")
    there = seen_by(start, environment)
    assert there["OMP_NUM_THREADS"] == "7"
    assert there["MKL_NUM_THREADS"] == there["BLIS_NUM_THREADS"] == there["TASKPAR_WORKERS"] == "4"


def shares_within(slots):
    """The shares of workers of this worker."""
    return Surroundings.here(slots).shares


def test_workers_of_workers_divide_what_their_parent_has(start, monkeypatch):
    """What we have set is not what the user has set."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    within = seen_by(start, shares_within, 2)
    assert within == {name: "2" for name in ["TASKPAR_WORKERS", *NUMERIC] if name[:3] != "OMP"}


def test_a_wrong_number_of_workers_is_told(monkeypatch):
    """In the words of whoever reads it."""
    monkeypatch.setenv("TASKPAR_WORKERS", "many")
    with pytest.raises(ValueError, match="TASKPAR_WORKERS must be a positive integer"):
        Surroundings.here(1)


def threads_after_import():
    """How many threads numpy starts when it is loaded."""
    before = len(os.listdir("/proc/self/task"))
    assert "numpy" not in sys.modules
    importlib.import_module("numpy")
    return len(os.listdir("/proc/self/task")) - before


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("start", [start for start in START_METHODS if start != "fork"])
def test_numpy_starts_no_more_threads_than_there_are_processors_for(start):
    """It reads its variable when it is loaded, and that is after we have set it."""
    pytest.importorskip("numpy")
    assert seen_by(start, threads_after_import, slots=8) == 0


LATE = """
import os
SEEN = os.environ.get("OMP_NUM_THREADS")
class Thing:
    pass
"""


def tell_what_was_seen(arrival, thing, writer):
    """As a process: what the module of the thing has seen when it was loaded."""
    writer.send((place.inside_worker(), sys.modules[type(thing).__module__].SEEN))


@pytest.mark.parametrize("start", [start for start in START_METHODS if start != "fork"])
def test_an_arrival_comes_before_what_is_unpickled_behind_it(start, tmp_path, monkeypatch):
    """So that the modules that this loads see the environment of a worker."""
    (tmp_path / "loaded_late.py").write_text(LATE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("loaded_late")
    context = multiprocessing.get_context(start)
    reader, writer = context.Pipe(duplex=False)
    args = Arrival(Surroundings.here(2)), module.Thing(), writer
    process = context.Process(target=tell_what_was_seen, args=args)
    process.start()
    writer.close()
    with reader:
        assert reader.recv() == (True, "4")
    process.join(WITHIN)
    process.close()
    assert module.SEEN is None


def paths():
    """Where it is, and where modules come from."""
    return str(Path.cwd()), sys.path


def test_modules_and_files_are_found_as_in_the_parent(start, tmp_path, monkeypatch):
    """The same path, the same directory."""
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.chdir(tmp_path)
    assert seen_by(start, paths) == (str(tmp_path), sys.path)


@posix
def test_a_directory_that_has_been_removed_keeps_no_worker_from_starting(tmp_path, monkeypatch):
    """Before it is captured, or after."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = Surroundings.here(1)
    folder.rmdir()
    after = Surroundings.here(1)
    monkeypatch.chdir(tmp_path)
    for surroundings in (before, after):
        with worker("fork", surroundings) as (ask, _):
            assert ask(paths)[0] == str(tmp_path)


def become_again():
    """Choose a variable, become a worker once more, and tell whether it is still there."""
    os.environ["CHOSEN"] = "1"
    become_worker(Surroundings.here(1))
    return os.environ.get("CHOSEN")


def test_becoming_a_worker_twice_is_becoming_one(start):
    """Whoever comes second may not know of the first."""
    assert seen_by(start, become_again) == "1"


@posix
def test_a_process_that_a_worker_forks_may_become_a_worker_of_its_own():
    """It is another process."""
    assert seen_by("fork", of_a_fork, slots=2) == ("2", True)


def of_a_fork():
    """The share of a worker of this worker, and whether it leads a group of its own."""
    reader, writer = os.pipe()
    surroundings = Surroundings.here(2)
    if (pid := os.fork()) == 0:
        become_worker(surroundings)
        leads = os.getpgrp() == os.getpid()
        os.write(writer, f"{os.environ['OMP_NUM_THREADS']} {leads}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    share, leads = os.read(reader, 100).decode().split()
    return share, leads == "True"
