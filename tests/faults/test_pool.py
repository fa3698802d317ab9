"""The executor on `multiprocessing.Pool`: deaths by the hundred, at random, with huge messages.

What all executors do when a worker dies is in ``test_worker_death_*.py``; how a single pool is
given up, in ``test_pool_context.py``; how its worker is stopped, in ``test_pool_life.py``.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from multiprocessing import current_process

import pytest

from laws.oracle import outcomes
from rig.executors import START_METHODS
from rig.leaks import can_see_processes, resources
from rig.scripts import run_script
from rig.waiting import eventually
from taskpar import InitializerError, PoolExecutor, WorkerDiedError

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")

WITHIN = 30.0  # seconds: a bound, not a measure
HUGE = 100_000_000
FEW = 4  # kills in a row without a call in between, fewer than make an executor give up

starts = pytest.mark.parametrize("start", START_METHODS)


# ------------------------------------------------------------------------------- many deaths
def die_at_7(number):
    """Kill the worker, for one number."""
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return -number


def held():
    """How many things of each kind this process holds."""
    return Counter(each.kind for each in resources())


@starts
def test_a_hundred_deaths_leave_nothing_behind(start):
    """Neither a thread nor a descriptor, nor a process that has ended."""
    rounds = 100 if start == "fork" else 10
    with PoolExecutor(2, start) as executor:
        for number in range(rounds + 1):
            seen = outcomes(executor.map(die_at_7, range(12), chunksize=4), 12)
            assert [at for at, each in enumerate(seen) if each[0] == "error"] == [7]
            if number == 0:
                before = held()
        eventually(lambda: held() <= before)
        assert held() <= before


def noting(log, number):
    """Work for some milliseconds, and note the begin and the end of it."""
    with log.open("ab", buffering=0) as file:
        file.write(b"begin %d\n" % number)
        until = time.perf_counter() + random.Random(number).uniform(0.001, 0.005)
        while time.perf_counter() < until:
            time.sleep(0.0005 * (number % 2))
        file.write(b"end %d\n" % number)
    return -number


def time_of_a_start(start):
    """Tell how long it takes to start a worker, as busy as the machine is."""
    with PoolExecutor(1, start) as executor:
        began = time.monotonic()
        executor.submit(abs, -1).result()
        return time.monotonic() - began


class Killer(threading.Thread):
    """Kills some worker of an executor, again and again, at random instants.

    A machine that has become much busier since a start was measured would let nobody come as far as
    a call, and an executor whose workers all die before that gives up. So after a few kills the
    next one waits until something was written to the log.
    """

    def __init__(self, executor, seconds, log):
        super().__init__()
        self._executor = executor
        self._seconds = seconds
        self._log = log
        self._over = threading.Event()
        self._random = random.Random(1)

    def run(self):
        """Kill, until it is enough."""
        kills, written = 0, 0
        while not self._over.wait(self._random.uniform(0.2, 1.0) * self._seconds):
            if self._size() > written:
                kills, written = 0, self._size()
            if kills < FEW:
                pids = [worker.pid for worker in self._executor.workers() if worker.alive]
                with suppress(ProcessLookupError):
                    os.kill(self._random.choice(pids or [2**30]), signal.SIGKILL)
                kills += 1

    def _size(self):
        return self._log.stat().st_size if self._log.exists() else 0

    def __enter__(self):
        self.start()

    def __exit__(self, *exc):
        self._over.set()
        self.join()


@starts
@pytest.mark.parametrize(
    ("count", "options", "sizes"),
    [
        (200, {}, {}),
        (200, {}, {"chunksize": 20}),
        pytest.param(2000, {}, {}, marks=pytest.mark.slow),
        pytest.param(2000, {}, {"chunksize": 20}, marks=pytest.mark.slow),
        pytest.param(500, {"max_tasks_per_child": 7}, {}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.timeout(300)
def test_whoever_is_killed_at_random_every_call_is_accounted_for(
    start, count, options, sizes, tmp_path
):
    """It has a value, and was run; or it has died with its worker. None was run twice for that."""
    log = tmp_path / "log"
    with PoolExecutor(2, start, **options) as executor:
        with Killer(executor, 4 * time_of_a_start(start), log):
            seen = outcomes(executor.map(partial(noting, log), range(count), **sizes), count + 1)
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
    assert seen.pop()[0] == "end"
    notes = Counter(log.read_text().splitlines())
    for number, (kind, told, *_) in enumerate(seen):
        begun, ended = notes[f"begin {number}"], notes[f"end {number}"]
        if kind == "value":
            assert begun == ended >= 1  # more than once: it had ended, but was not handed over
        else:
            assert (told[0], told[2]["index"]) == (WorkerDiedError, number)
            assert begun - ended <= 1


def blob(note, size):
    """Make a big result, and note that it was made."""
    with note.open("a") as file:
        file.write("x")
    return bytes(size)


# ------------------------------------------------------------------------------ huge messages
@pytest.mark.parametrize("after", [0.0, 0.01, 0.02, 0.04, 0.08])
def test_a_worker_may_die_while_it_sends_a_huge_result(after, tmp_path):
    """The part that arrived is nothing: the call is made again, by another one."""
    made = tmp_path / "made"
    with PoolExecutor(1) as executor:
        pid = executor.submit(os.getpid).result(WITHIN)
        huge = executor.submit(blob, made, HUGE)
        assert eventually(made.exists, WITHIN)
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
        assert len(outcome_of_future(huge) or bytes(HUGE)) == HUGE
        assert made.read_text() in ("x", "xx")
        assert executor.submit(abs, -1).result(WITHIN) == 1


def outcome_of_future(future):
    """The result; None if the worker died before it had left the call."""
    error = future.exception(WITHIN)
    assert error is None or type(error) is WorkerDiedError
    return None if error else future.result()


@starts
def test_huge_arguments_and_results_cross(start):
    """Whole, and as they are."""
    with PoolExecutor(1, start) as executor:
        content = os.urandom(1000) * (HUGE // 1000)
        assert executor.submit(bytes, content).result(WITHIN) == content


def leave_a_child_and_die(pids):
    """Die, but for a forked child, which has all that this process had."""
    if (child := os.fork()) == 0:
        time.sleep(WITHIN)
    pids.write_text(str(child))
    os.kill(os.getpid(), signal.SIGKILL)


@starts
def test_a_child_of_a_dead_worker_hides_its_death_from_nobody(start, tmp_path):
    """Although it has the ends of all pipes of the worker."""
    with PoolExecutor(1, start) as executor:
        error = executor.submit(leave_a_child_and_die, tmp_path / "pids").exception(WITHIN)
        assert type(error) is WorkerDiedError
        assert executor.submit(abs, -1).result(WITHIN) == 1
    os.kill(int((tmp_path / "pids").read_text()), signal.SIGKILL)


# ---------------------------------------------------------------------- workers that are replaced
def pid_of(number):
    """Work a little; tell where."""
    time.sleep(0.002)
    return os.getpid()


@starts
@pytest.mark.parametrize("sizes", [{}, {"chunksize": 25}])
def test_a_worker_runs_as_many_calls_as_it_may(start, sizes):
    """Whatever the size of a batch, of which it hands over parts."""
    with PoolExecutor(2, start, max_tasks_per_child=10) as executor:
        ran = Counter(executor.map(pid_of, range(50), **sizes))
    assert max(ran.values()) <= 10
    assert sum(ran.values()) == 50


def begin_badly(log):
    """As an initializer: note that a worker was started, and fail."""
    with log.open("a") as file:
        file.write("x")
    raise ValueError("no")


@starts
def test_workers_that_cannot_be_made_ready_are_not_made_without_end(start, tmp_path):
    """At most one in each slot has tried."""
    log = tmp_path / "log"
    with PoolExecutor(2, start, initializer=begin_badly, initargs=(log,)) as executor:
        results = executor.map(abs, range(20))
        for _ in range(20):
            with pytest.raises(InitializerError):
                next(results)
    assert 1 <= len(log.read_text()) <= 2


STARVING = """
import os, resource
from taskpar import InitializerError, PoolExecutor
with PoolExecutor(1, "fork") as executor:
    executor.submit(abs, -1).result()
low = 100
resource.setrlimit(resource.RLIMIT_NOFILE, (low, low))
for spare in range(30):
    with PoolExecutor(1, "fork") as executor:
        taken = []
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        for each in range(min(spare, len(taken))):
            os.close(taken.pop())
        try:
            error = executor.submit(abs, -1).exception(30)
        except InitializerError as refused:
            error = refused
        for each in taken:
            os.close(each)
        print(type(error).__name__)
"""


def test_where_no_worker_can_be_started_there_is_an_error(tmp_path):
    """However many descriptors are left: some of what a worker needs, or all of it."""
    program = run_script(STARVING, tmp_path)
    assert program.returncode == 0, program.stderr
    told = program.stdout.split()
    assert set(told) == {"InitializerError", "NoneType"}
    assert told == sorted(told)


# ------------------------------------------------------------------------------------ its tasks
def nested(number):
    """Use an executor within a task."""
    with PoolExecutor(1, START_METHODS[0]) as executor:
        return executor.submit(abs, number).result(WITHIN)


def test_a_task_may_have_workers_of_its_own():
    """As with the other executors, though a pool's workers are daemons elsewhere."""
    with PoolExecutor(1) as executor:
        assert executor.submit(nested, -3).result(WITHIN) == 3


def where():
    """The names of the process, and of its thread."""
    return current_process().name, threading.current_thread().name


@starts
def test_a_task_runs_in_the_main_thread_of_a_worker(start):
    """Also where that is a fork of another thread of ours."""
    with PoolExecutor(1, start) as executor:
        assert executor.submit(where).result(WITHIN) == ("PoolWorker-1", "MainThread")
