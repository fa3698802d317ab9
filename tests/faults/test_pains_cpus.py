"""Problems of other libraries with processors: 21, 22, 27, 32 of those in tests/README.md.

How the limits of containers are read (27) is tested in unit/test_cpus.py.
"""

import os
import time
from functools import partial
from itertools import accumulate

import pytest
from deeds import note, notes, own_pid
from places import WITHIN, in_processes, places

from rig.executors import Bench
from rig.scripts import run_script
from taskpar import available_cpus
from taskpar._system import cpus

# ------------------------------------------------------------------------------ 21: BLAS threads
VARIABLES = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
]


def environment(_=None):
    """Return these variables as they are here."""
    return {name: os.environ.get(name) for name in VARIABLES}


@in_processes
def test_pain_21_numeric_libraries_in_workers_share_the_processors(bench, monkeypatch):
    """Where the user has not said otherwise; this process is not touched."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    share = str(max(1, available_cpus() // bench.workers))
    with bench.make() as executor:
        seen = executor.submit(environment).result(WITHIN)
    assert seen == dict.fromkeys(VARIABLES, share) | {"MKL_NUM_THREADS": "7"}
    assert environment() == dict.fromkeys(VARIABLES) | {"MKL_NUM_THREADS": "7"}


# ------------------------------------------------------------------------------ 22: nests
def inner(kind, number):
    """Map within a task."""
    with Bench(kind, None).make() as executor:
        return list(executor.map(partial(multiply, number), range(3))), len(executor.workers())


def multiply(a, b):
    """Multiply, and tell where."""
    return a * b


@in_processes
@pytest.mark.parametrize("kind", ["queue", "process", "thread"])
def test_pain_22_executors_within_executors_give_what_loops_within_loops_give(bench, kind):
    """And take no more processors than there are: here the inner ones have one each."""
    count = 1 if available_cpus() <= 2 else available_cpus() // 2
    with bench.make() as executor:
        seen = list(executor.map(partial(inner, kind), range(3)))
    assert [values for values, _ in seen] == [[0, 0, 0], [0, 1, 2], [0, 2, 4]]
    assert max(workers for _, workers in seen) <= count


def leaf(log, number):
    """Note when it begins and when it ends."""
    note(log, number, time.monotonic(), 1)
    time.sleep(0.1)
    note(log, number, time.monotonic(), -1)
    return number


def branch(log, number):
    """Map within a task, on as many workers as that is given; tell how many these are."""
    with Bench("queue", None).make() as executor:
        values = list(executor.map(partial(leaf, log), range(3 * number, 3 * number + 3)))
        return values, len(executor.workers())


@in_processes
def test_pain_22_all_levels_together_do_no_more_at_once_than_there_are_processors(
    bench, monkeypatch, tmp_path
):
    """Of six, three by three calls have two in each inner executor; the outer calls only wait."""
    log = tmp_path / "log"
    monkeypatch.setenv("TASKPAR_WORKERS", "6")
    with Bench(bench.kind, 3, bench.start).make() as executor:
        seen = list(executor.map(partial(branch, log), range(3), chunksize=1))
    assert [values for values, _ in seen] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert max(workers for _, workers in seen) <= 2
    steps = sorted((float(at), int(step)) for _, at, step in notes(log))
    at_once = list(accumulate(step for _, step in steps))
    assert len(at_once) == 18
    assert max(at_once) <= 6


def default_nest(number):
    """Map on what is there, within a task: that is serial."""
    from taskpar import parallel

    return list(parallel(own_pid).map(range(number))), os.getpid()


@in_processes
def test_pain_22_the_default_within_a_task_is_to_do_it_there(bench):
    """So a recursion of decorated functions is no fork bomb."""
    with bench.make() as executor:
        for pids, own in executor.map(default_nest, range(3)):
            assert set(pids) <= {own}


# ------------------------------------------------------------------------------ 27: processors
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux")
def test_pain_27_as_many_workers_as_this_process_may_use_processors(tmp_path):
    """By its affinity, or by the user's word; and no more than there are calls."""
    source = """
        import os
        from taskpar import QueueExecutor, available_cpus
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        with QueueExecutor() as ex:
            pids = set(ex.map(lambda _: os.getpid(), range(50), chunksize=1))
            print(available_cpus(), len(pids))
        os.environ["TASKPAR_WORKERS"] = "3"
        with QueueExecutor() as ex:
            list(ex.map(abs, range(2)))
            print(available_cpus(), len(ex.workers()) <= 2)
        """
    done = run_script(source, tmp_path)
    assert (done.stdout, done.stderr) == ("1 1\n3 True\n", "")


@pytest.mark.parametrize("bench", places("thread", "process", "pool", "queue"))
def test_pain_27_no_more_workers_are_started_than_there_are_calls(bench):
    """Of eight that there might be."""
    with Bench(bench.kind, 8, bench.start).make() as executor:
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
        assert len(executor.workers()) <= 2


def stay():
    """Keep the worker, until others have come if there are any; tell who it is."""
    time.sleep(0.2)
    return os.getpid()


@pytest.mark.parametrize("kind", ["process", "queue"])
def test_pain_32_more_workers_than_one_thread_can_wait_for_are_capped(kind, monkeypatch):
    """As on Windows before Python 3.13; here by forcing it."""
    monkeypatch.setattr(cpus, "MOST_PROCESSES", 2)
    with Bench(kind, 100).make() as executor:
        pids = {future.result(WITHIN) for future in [executor.submit(stay) for _ in range(4)]}
        assert kind == "process" or len(pids) == 2
        assert len(executor.workers()) <= 2
        assert list(executor.map(abs, range(-8, 0))) == [8, 7, 6, 5, 4, 3, 2, 1]
