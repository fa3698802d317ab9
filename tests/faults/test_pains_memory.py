"""Problems of other libraries in memory: 23, 28, 29, 32 of those in tests/README.md.

The bounds of a worker's memory (28) are in test_limits.py.
"""

import os
import signal
import threading
import time
from functools import partial
from itertools import count

import numpy as np
import pytest
from deeds import add_and_die
from places import LOADED, WITHIN, everywhere, in_processes, outcomes, told

from rig.executors import KINDS, PROCESS_KINDS, Bench
from rig.leaks import can_see_processes, shared_memory_names
from rig.scripts import TIMEOUT, of_session, started
from rig.waiting import eventually
from taskpar import SharedCounter, WorkerDiedError
from taskpar import partial as bound


# ------------------------------------------------------------------------------ 23: counters
def add_a_thousand(counter, number):
    """Add one, so often."""
    for _ in range(1000):
        counter.add()
    return number


@everywhere
def test_pain_23_a_counter_that_is_passed_to_tasks_counts_all_of_them(bench):
    """As an argument, or bound to the function; it can be read meanwhile."""
    counter, calls = SharedCounter(), 6 if bench.kind == "process" else 20
    with bench.make() as executor:
        results = executor.map(add_a_thousand, [counter] * calls, range(calls))
        seen = [counter.value for _ in results]
        assert all(value >= 1000 * count for count, value in enumerate(seen, 1))
        assert seen == sorted(seen)
        assert list(executor.map(bound(add_a_thousand, counter), range(calls)))
        assert executor.submit(add_a_thousand, counter, 1).result(WITHIN) == 1
    assert counter.value == 1000 * (2 * calls + 1)


@in_processes
def test_pain_23_a_worker_that_is_killed_while_it_counts_holds_up_nobody(bench):
    """What it had counted is counted."""
    counter = SharedCounter()
    with bench.make() as executor:
        seen = outcomes(executor.map(partial(add_and_die, counter), range(5)))
        assert seen[:2] + seen[3:] == [0, 1, 3, 4]
        assert type(seen[2]) is WorkerDiedError
        assert counter.value == 5000
        assert list(executor.map(partial(add_a_thousand, counter), range(2))) == [0, 1]
        assert counter.value == 7000


# ------------------------------------------------------------------------------ 29: arrays
def add_one(array):
    """Change the argument in place."""
    array += 1
    return float(array.sum())


@everywhere
@pytest.mark.parametrize("size", [60_000, 250_000, 2_000_000], ids="{} bytes".format)
def test_pain_29_an_array_can_be_changed_in_a_task_whatever_its_size(bench, size):
    """As in the serial program; in a process of its own that does not show in the caller."""
    array = np.zeros(size // 8)
    with bench.make() as executor:
        assert list(executor.map(add_one, [array])) == [float(size // 8)]
        assert executor.submit(add_one, np.ones(size // 8)).result(WITHIN) == 2.0 * (size // 8)
        assert array.sum() == (0.0 if bench.in_processes else size // 8)
        shared = np.zeros(size // 8)
        seen = list(executor.map(partial(add_bound, shared), range(3)))
        if bench.in_processes:
            assert seen == [float(size // 8)] * 3
            assert shared.sum() == 0.0


def add_bound(array, number):
    """Change what is bound to the function."""
    return add_one(array)


ENDS = {
    "well": "",
    "exception": "raise ValueError('on purpose')",
    "killed": "os.kill(os.getpid(), 9)",
}


@pytest.mark.skipif(not can_see_processes(), reason="needs /proc")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_pain_29_nothing_is_left_in_shared_memory_or_among_temporary_files(kind, end, tmp_path):
    """However the program ends; nor does anybody warn of it."""
    source = f"""
        import os, multiprocessing
        from functools import partial
        import numpy as np
        from taskpar import *
        multiprocessing.current_process()._config["semprefix"] = f"/mp{{os.getpid()}}"

        def add(array, other):
            array += other
            return array

        ex = {kind.capitalize()}Executor(2)
        big = np.ones(500_000)
        assert all((r == 2).all() for r in ex.map(partial(add, big), [big] * 3))
        counter = SharedCounter()
        list(ex.map(counter.add, range(3)))
        {ENDS[end]}
        """
    with started(source, tmp_path) as program:
        _, err = program.communicate(timeout=TIMEOUT)
        assert "resource_tracker" not in err
        assert err == "" or end == "exception"
        assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)
        semaphores = f"mp{program.pid}"
        assert eventually(lambda: not shared_memory_names(semaphores))
        left = [path.name for path in tmp_path.rglob("*") if path.name != "script.py"]
        if end == "killed":  # the directory of multiprocessing, and the socket of its fork server
            left = [name for name in left if not name.startswith(("pymp-", "listener-", "sock-"))]
        assert left == []


# ------------------------------------------------------------------------------ 32: the same
DRAWN = count()


def impure(number):
    """Return something else each time."""
    return number, next(DRAWN), os.getpid()


def divide(a, b):
    """Divide, or fail."""
    return a / b


@everywhere
def test_pain_32_equal_calls_are_all_run(bench):
    """Whoever calls six times the same function with the same argument gets six answers."""
    with bench.make() as executor:
        seen = list(executor.map(impure, [0] * 6))
        assert len(set(seen)) == 6
        futures = [executor.submit(impure, 0) for _ in range(6)]
        assert len({future.result(WITHIN) for future in futures}) == 6


@pytest.mark.parametrize("kind", KINDS)
def test_pain_32_every_executor_gives_what_the_serial_program_gives(kind):
    """Values, duplicates, errors, in order; `tests/laws` has this as properties."""
    a, b = [1, 1, 2, 1, 0, 5], [1, 0, 2, 0, 4, 5]
    with Bench(kind).make() as executor:
        wanted = list(map(told, outcomes(map(divide, a, b))))
        assert list(map(told, outcomes(executor.map(divide, a, b)))) == wanted
        assert list(map(told, outcomes(executor.starmap(divide, zip(a, b, strict=True))))) == wanted


@everywhere
def test_pain_32_two_threads_may_use_one_executor(bench):
    """Each gets its own results."""
    seen = {}

    def use(executor, name):
        seen[name] = [list(executor.map(abs, range(-5, 0))) for _ in range(4)]

    with bench.make() as executor:
        threads = [threading.Thread(target=use, args=(executor, name)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN)
    assert seen == {name: [[5, 4, 3, 2, 1]] * 4 for name in "ab"}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_pain_32_an_executor_takes_more_workers_than_there_are_processors():
    """A hundred, all of them at once, and is gone in time."""
    with Bench("thread", 100).make() as executor:
        assert sum(executor.map(abs, range(1000))) == 499_500
    began = time.monotonic()
    with Bench("queue", 30, "fork").make() as executor:
        assert sum(executor.map(abs, range(1000))) == 499_500
        for worker in executor.workers()[::2]:
            os.kill(worker.pid, signal.SIGKILL)
        assert sum(executor.map(abs, range(1000))) == 499_500
    assert time.monotonic() - began < WITHIN + LOADED
