"""Law L14: whatever way a program ends, nothing of ours is left within two seconds.

That a *test* leaves nothing is watched by the fixture ``nothing_left``; these are whole programs.
"""

import os
import signal
import subprocess
import textwrap
import threading
from pathlib import Path

import pytest

from rig.executors import Bench, benches
from rig.leaks import can_see_processes, shared_memory_names
from rig.scripts import TIMEOUT, of_session, started
from rig.waiting import eventually
from taskpar import SharedCounter

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")

HEAD = """
import os, sys, time
import taskpar
from taskpar import *

def work(number):
    time.sleep(0.01)
    return number

# Semaphores that can be told from those of others.
import multiprocessing
multiprocessing.current_process()._config["semprefix"] = f"/mp{{os.getpid()}}"

def report(*words):
    print(*words, flush=True)

counter = SharedCounter()
ex = {make}
big = bytes(3_000_000)  # large enough for whatever carries large things
assert ex.submit(len, big).result() == len(big)
assert ex.submit(counter.add).result() is None
"""

ENDINGS = {
    "a with block": """
        with ex:
            assert list(ex.map(work, range(4))) == [0, 1, 2, 3]
        """,
    "an exception within the with block": """
        with ex:
            results = ex.map(work, range(10))
            raise ValueError("on purpose")
        """,
    "an executor that nobody shut down": """
        futures = [ex.submit(work, number) for number in range(10)]
        results = ex.map(work, range(10))
        next(results)
        """,
    "an executor that was dropped": """
        results = ex.map(work, range(10))
        next(results)
        del ex, results
        import gc; gc.collect()
        """,
    "sys.exit with calls under way": """
        results = ex.map(work, range(10))
        next(results)
        sys.exit(0)
        """,
    "os._exit with calls under way": """
        results = ex.map(work, range(1000), chunksize=1)
        next(results)
        os._exit(0)
        """,
}
UNUSUAL = {"an exception within the with block": 1}

# Each kind with its own default; the executor that is the default under every start method.
BENCHES = [Bench(kind) for kind in ("serial", "thread", "process", "pool")] + benches(("queue",))
IN_PROCESSES = [bench for bench in benches() if bench.in_processes]


def script(bench: Bench, ending: str) -> str:
    """Write the program for an executor and an ending."""
    start = "" if bench.start is None else f", mp_context={bench.start!r}"
    name = f"{bench.kind.capitalize()}Executor"
    return HEAD.format(make=f"{name}({bench.workers}{start})") + textwrap.dedent(ending)


def assert_nothing_left(program: subprocess.Popen[str]) -> None:
    """Two seconds after its end no process of the program is there, and no shared memory."""
    eventually(lambda: not of_session(program.pid))
    assert of_session(program.pid) == []

    semaphores = f"mp{program.pid}"
    eventually(lambda: not shared_memory_names(semaphores))
    assert shared_memory_names(semaphores) == frozenset()


@pytest.mark.parametrize("ending", sorted(ENDINGS))
@pytest.mark.parametrize("bench", BENCHES, ids=str)
def test_a_program_that_ends_leaves_nothing(bench: Bench, ending: str, tmp_path: Path) -> None:
    """However it comes to its end, with results unread and executors open."""
    with started(script(bench, ENDINGS[ending]), tmp_path) as program:
        _, err = program.communicate(timeout=TIMEOUT)
        assert program.returncode == UNUSUAL.get(ending, 0), err
        lines = err.splitlines()
        if not ending.startswith("os._exit"):  # where multiprocessing may tell what it cleans up
            assert not lines or lines[-1] == "ValueError: on purpose", err
        assert_nothing_left(program)


BUSY = """
futures = [ex.submit(time.sleep, 600) for _ in range(2)]
report("ready")
futures[0].result()
"""
IDLE = """
report("ready")
time.sleep(600)
"""
COMPUTING = """
def compute(started):
    started.add()
    while True:
        pass
futures = [ex.submit(compute, counter) for _ in range(2)]
while counter.value < 3:  # one was added in the head
    time.sleep(0.01)
report("ready")
futures[0].result()
"""
LOADED = """
results = ex.map(len, (bytes(200_000) for _ in range(10**9)), buffersize=50)
next(results)
report("ready")
for result in results:
    pass
"""
SITUATIONS = {"busy": BUSY, "idle": IDLE, "computing": COMPUTING, "loaded": LOADED}


def wait_until_ready(program: subprocess.Popen[str]) -> None:
    """Wait for the line that says so."""
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n", program.communicate(timeout=TIMEOUT)[1]


@pytest.mark.parametrize("situation", sorted(SITUATIONS))
@pytest.mark.parametrize("bench", IN_PROCESSES, ids=str)
def test_a_program_that_is_killed_leaves_nothing(
    bench: Bench, situation: str, tmp_path: Path
) -> None:
    """SIGKILL leaves it no time to tell its workers; they see for themselves that it has gone."""
    with started(script(bench, SITUATIONS[situation]), tmp_path) as program:
        wait_until_ready(program)
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert_nothing_left(program)


@pytest.mark.parametrize("group", [True, False], ids=["group", "parent"])
@pytest.mark.parametrize("situation", ["idle", "loaded"])
@pytest.mark.parametrize("bench", [Bench(k) for k in ("process", "pool", "queue")], ids=str)
def test_a_program_that_is_interrupted_leaves_nothing(
    bench: Bench, situation: str, group: bool, tmp_path: Path
) -> None:
    """Ctrl-C reaches the whole group, ``kill -INT`` the parent alone; either ends it all."""
    with started(script(bench, SITUATIONS[situation]), tmp_path) as program:
        wait_until_ready(program)
        send = os.killpg if group else os.kill
        send(program.pid, signal.SIGINT)
        _, err = program.communicate(timeout=TIMEOUT)
        assert err.splitlines()[-1] == "KeyboardInterrupt", err
        assert_nothing_left(program)


def test_shutdown_with_calls_waiting_leaves_nothing(bench: Bench) -> None:
    """What was cancelled is not run, what had begun is finished; then all is gone."""
    executor = bench.make()
    started_calls = SharedCounter()
    futures = [executor.submit(started_calls.add) for _ in range(20)]
    executor.shutdown(wait=True, cancel_futures=True)
    assert all(future.done() for future in futures)
    assert started_calls.value == sum(not future.cancelled() for future in futures)


def test_shutdown_without_waiting_leaves_nothing_in_the_end(bench: Bench) -> None:
    """``wait=False`` returns, the calls go on to their end, and then the workers go."""
    executor = bench.make()
    futures = [executor.submit(abs, -number) for number in range(5)]
    executor.shutdown(wait=False)
    assert [future.result(timeout=10) for future in futures] == [0, 1, 2, 3, 4]


def test_an_executor_that_is_dropped_lets_its_workers_go(bench: Bench) -> None:
    """Nobody has to call ``shutdown`` for that."""

    def use() -> list[int]:
        executor = bench.make()
        return list(executor.map(abs, range(-3, 0)))

    assert use() == [3, 2, 1]


def test_many_executors_one_after_the_other_leave_nothing(bench: Bench) -> None:
    """Ten times the same leaves no more than once, and a fork server is not started again."""
    for number in range(10 if not bench.in_processes else 4):
        with bench.make() as executor:
            assert executor.submit(abs, -number).result() == number


def test_shutting_down_twice_and_from_several_threads_is_one_shutdown(bench: Bench) -> None:
    """Each call returns when all is down."""
    executor = bench.make()
    executor.submit(abs, -1).result()
    threads = [threading.Thread(target=executor.shutdown) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    executor.shutdown()
    assert not any(worker.alive for worker in executor.workers())


def test_an_executor_that_was_never_used_starts_nothing(bench: Bench) -> None:
    """Making one costs no process and no thread."""
    threads = threading.active_count()
    executor = bench.make()
    assert threading.active_count() == threads
    assert not any(worker.alive for worker in executor.workers())
    executor.shutdown()
