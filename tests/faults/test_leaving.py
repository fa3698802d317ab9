"""Workers go when their parent has gone, whatever they do then, and all that they started goes too.

The rest of law L14 is in ``laws/test_l14_nothing_left.py``; the means are tested in
``unit/test_lifeline.py`` and ``unit/test_surroundings_signals.py``.
"""

import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from rig.executors import Bench, benches
from rig.leaks import can_see_processes, shared_memory_names
from rig.scripts import TIMEOUT, of_session, run_script, started
from rig.waiting import eventually

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")

ALL = benches(("queue", "process", "pool"))
QUICK = [Bench("queue", 2, "forkserver"), Bench("process", 2, "fork"), Bench("pool", 2, "spawn")]

HEAD = """
import multiprocessing, os, signal, subprocess, sys, time
from taskpar import *

def holding_the_gil(started):
    started.add()
    sum(range(10**11))  # one call into C, which gives the GIL back after an hour

def stopped(started):
    started.add()
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(600)

def running_a_program(started):
    with subprocess.Popen(["sleep", "600"]):
        started.add()

def forking(started):
    if os.fork() == 0:
        started.add()
        time.sleep(600)
    os.wait()

def nesting(started):
    with QueueExecutor(1) as ex:
        ex.submit(holding_the_gil, started).result()

def nesting_pools(started):
    with PoolExecutor(1) as ex:
        ex.submit(running_a_program, started).result()

def wait_for(started, count):
    while started.value < count:
        time.sleep(0.01)

multiprocessing.current_process()._config["semprefix"] = f"/mp{{os.getpid()}}"
started = SharedCounter()
ex = {make}
"""
DOING = ["holding_the_gil", "stopped", "running_a_program", "forking", "nesting", "nesting_pools"]


def script(bench: Bench, body: str) -> str:
    """Write a program for an executor."""
    name = f"{bench.kind.capitalize()}Executor"
    make = f"{name}({bench.workers}, mp_context={bench.start!r})"
    return HEAD.format(make=make) + textwrap.dedent(body)


def wait_until_ready(program: subprocess.Popen[str]) -> None:
    """Wait for the line that says so."""
    assert program.stdout is not None
    assert program.stdout.readline() == "ready\n", program.communicate(timeout=TIMEOUT)[1]


def assert_nothing_left(program: subprocess.Popen[str]) -> None:
    """Within two seconds after its end no process of the program is there, and no semaphore."""
    eventually(lambda: not of_session(program.pid))
    assert [(row.pid, row.command) for row in of_session(program.pid)] == []
    semaphores = f"mp{program.pid}"
    eventually(lambda: not shared_memory_names(semaphores))
    assert shared_memory_names(semaphores) == frozenset()


def pairs() -> list[object]:
    """Every executor with everything that its workers may do; the quick ones in every run."""
    return [
        pytest.param(bench, doing, id=f"{bench}-{doing}", marks=[] if quick else pytest.mark.slow)
        for bench in ALL
        for doing in DOING
        for quick in [bench in QUICK or doing == "holding_the_gil"]
        if not (bench.kind == "pool" and "nesting" in doing)  # a pool's workers are daemons
    ]


@pytest.mark.parametrize(("bench", "doing"), pairs())
def test_workers_go_with_a_parent_that_is_killed(bench: Bench, doing: str, tmp_path: Path) -> None:
    """Although they hold the GIL, have been stopped, or wait for what they have started."""
    body = f"""
    futures = [ex.submit({doing}, started) for _ in range(2)]
    wait_for(started, 2)
    print("ready", flush=True)
    futures[0].result()
    """
    with started(script(bench, body), tmp_path) as program:
        wait_until_ready(program)
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert_nothing_left(program)


ENDINGS = {
    "os._exit": "os._exit(0)",
    "a signal": "os.kill(os.getpid(), signal.SIGTERM)",
    "another program": "os.execv('/bin/true', ['true'])",
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("bench", QUICK, ids=str)
def test_workers_go_with_a_parent_that_leaves_in_a_hurry(
    bench: Bench, ending: str, tmp_path: Path
) -> None:
    """However it is that nobody is told."""
    body = f"""
    futures = [ex.submit(holding_the_gil, started) for _ in range(2)]
    wait_for(started, 2)
    {ENDINGS[ending]}
    """
    with started(script(bench, body), tmp_path) as program:
        program.wait(timeout=TIMEOUT)
        assert_nothing_left(program)


@pytest.mark.parametrize("bench", QUICK, ids=str)
def test_workers_that_are_not_ready_yet_go_as_well(bench: Bench, tmp_path: Path) -> None:
    """Their initializer may never return."""
    body = f"""
    ex = {bench.kind.capitalize()}Executor(
        2, mp_context={bench.start!r}, initializer=holding_the_gil, initargs=(started,)
    )
    future = ex.submit(abs, 1)
    wait_for(started, 1)
    print("ready", flush=True)
    future.result()
    """
    with started(script(bench, body), tmp_path) as program:
        wait_until_ready(program)
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert_nothing_left(program)


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("bench", QUICK, ids=str)
def test_a_parent_may_be_killed_while_it_starts_workers(
    bench: Bench, after: float, tmp_path: Path
) -> None:
    """A worker that comes when nobody is there any more goes at once."""
    body = f"""
    print("ready", flush=True)
    while True:
        with {bench.kind.capitalize()}Executor(4, mp_context={bench.start!r}) as ex:
            list(ex.map(abs, range(4)))
    """
    with started(script(bench, body), tmp_path) as program:
        wait_until_ready(program)
        time.sleep(after)  # this time is what is tested
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert_nothing_left(program)


@pytest.mark.parametrize("bench", QUICK, ids=str)
def test_what_else_the_parent_has_started_keeps_no_worker(bench: Bench, tmp_path: Path) -> None:
    """Its own forks and programs stay, as they would without us."""
    body = """
    futures = [ex.submit(holding_the_gil, started)]
    wait_for(started, 1)
    program = subprocess.Popen(["sleep", "600"], close_fds=False)
    (forked := os.fork()) or time.sleep(600)
    futures.append(ex.submit(holding_the_gil, started))
    wait_for(started, 2)
    print("ready", flush=True)
    print(program.pid, forked, flush=True)
    futures[0].result()
    """
    with started(script(bench, body), tmp_path) as program:
        wait_until_ready(program)
        assert program.stdout is not None
        others = {int(word) for word in program.stdout.readline().split()}
        program.kill()
        program.wait(timeout=TIMEOUT)

        def left() -> dict[int, bytes]:
            services = (b"forkserver import main", b"resource_tracker")  # a fork keeps them alive
            rows = {row.pid: row.command for row in of_session(program.pid)}
            return {
                pid: command
                for pid, command in rows.items()
                if pid not in others and not any(name in command for name in services)
            }

        assert eventually(lambda: not left()), left()  # one look: a service that ends has no name
        assert others <= {row.pid for row in of_session(program.pid)}


# ---------------------------------------------------------------------- how it is when they come
ARRIVING = """
def look():
    names = ["SET_SINCE", "TASKPAR_WORKERS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
    usual = signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    return [os.environ.get(name) for name in names], usual, os.getcwd(), sys.path[0]

os.environ.update(SET_SINCE="1", TASKPAR_WORKERS="8", MKL_NUM_THREADS="3")
os.environ.pop("OMP_NUM_THREADS", None)
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda *_: os._exit(9))
os.mkdir("folder")
os.chdir("folder")
sys.path.insert(0, "/somewhere")
with ex:
    found = ex.submit(look).result()
assert found == (["1", "4", "4", "3"], True, os.getcwd(), "/somewhere"), found
assert "OMP_NUM_THREADS" not in os.environ and os.environ["TASKPAR_WORKERS"] == "8"
print("done")
"""


@pytest.mark.parametrize("bench", ALL, ids=str)
def test_a_task_finds_around_it_what_is_around_its_caller(bench: Bench, tmp_path: Path) -> None:
    """The environment of now, the directory, the path; not the handlers, and its share only."""
    done = run_script(script(bench, ARRIVING), tmp_path)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


LOADED = """
import os
from taskpar import Worker
SEEN = os.environ.get("OMP_NUM_THREADS")
class Ours(Worker):
    pass
def seen():
    return SEEN
"""


@pytest.mark.parametrize("start", [bench.start for bench in benches(("queue",))])
@pytest.mark.parametrize("kind", ["queue", "process"])
def test_a_class_of_workers_is_loaded_where_a_worker_is(
    kind: str, start: str, tmp_path: Path
) -> None:
    """What its module imports reads its share from the environment; under fork it is there."""
    (tmp_path / "ours.py").write_text(LOADED)
    body = f"""
    os.environ["TASKPAR_WORKERS"] = "8"
    os.environ.pop("OMP_NUM_THREADS", None)
    import ours
    with {kind.capitalize()}Executor(2, mp_context={start!r}, worker_class=ours.Ours) as ex:
        print(ex.submit(ours.seen).result())
    """
    done = run_script(script(Bench(kind, 2, start), body), tmp_path)
    expected = None if start == "fork" else 4
    assert (done.stdout, done.returncode) == (f"{expected}\n", 0), done.stderr


@pytest.mark.parametrize("kind", ["queue", "process"])
def test_a_signal_to_one_worker_runs_no_handler_of_the_parent(kind: str, tmp_path: Path) -> None:
    """Under fork it would be there; the worker dies of the signal instead."""
    body = """
    def handler(number, frame):
        open("handled", "w")
    signal.signal(signal.SIGTERM, handler)
    def end():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    with ex:
        print(ex.submit(end).exception())
    """
    done = run_script(script(Bench(kind, 1, "fork"), body), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "SIGTERM" in done.stdout
    assert not (tmp_path / "handled").exists()
