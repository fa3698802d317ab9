"""Threads that submit, wait, cancel and map on one executor, while its workers are killed.

Whatever they do at the same time, each gets its own results, or the error of its own call; and no
result, no callback is waited for in vain.
"""

import os
import random
import signal
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from rig.executors import CLASSES
from rig.leaks import can_see_processes
from taskpar import WorkerDiedError

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs signals")

WITHIN = 60.0  # seconds: a bound, not a measure


def double(number, rest=0.0):
    """Work, or rest."""
    if rest:
        time.sleep(rest)
    return 2 * number


def die(_):
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(number):
    """Raise."""
    raise ValueError(number)


# ---------------------------------------------------------------------- what a thread may do
def wait_for_one(executor, rng):
    """The result is its own."""
    number = rng.randrange(1000)
    assert executor.submit(double, number).result(WITHIN) == 2 * number


def wait_for_many(executor, rng):
    """Some of them are cancelled, and some are slow."""
    count = rng.randrange(1, 300)
    futures = [executor.submit(double, n, 0.02 * (rng.random() < 0.01)) for n in range(count)]
    cancelled = {n for n, future in enumerate(futures) if rng.random() < 0.05 and future.cancel()}
    for number, future in enumerate(futures):
        with suppress(WorkerDiedError):
            if number in cancelled:
                with pytest.raises(CancelledError):
                    future.result(WITHIN)
            else:
                assert future.result(WITHIN) == 2 * number


def be_called_back(executor, rng):
    """Nobody waits for the result."""
    called = threading.Event()
    executor.submit(double, 3).add_done_callback(lambda _: called.set())
    assert called.wait(WITHIN)


def be_refused(executor, rng):
    """The error is its own."""
    with pytest.raises((ValueError, WorkerDiedError)):
        executor.submit(refuse, 1).result(WITHIN)


def lose_a_worker(executor, rng):
    """So is the death."""
    with pytest.raises(WorkerDiedError):
        executor.submit(die, 1).result(WITHIN)


def map_some(executor, rng):
    """All are there, in order."""
    count = rng.randrange(1, 3000)
    results = list(executor.options(on_error="return").map(double, range(count)))
    assert len(results) == count
    for number, result in enumerate(results):
        assert result == 2 * number or isinstance(result, WorkerDiedError)


def leave_early(executor, rng):
    """The rest is wanted by nobody."""
    results = executor.map(double, iter(range(10**6)))
    for _ in range(rng.randrange(50)):
        with suppress(WorkerDiedError):
            next(results)
    results.close()


def lose_patience(executor, rng):
    """The result comes later, to nobody."""
    with pytest.raises((TimeoutError, WorkerDiedError)):
        executor.submit(double, 1, 0.5).result(0.01)


DEEDS = {
    wait_for_one: 7,
    wait_for_many: 3,
    be_called_back: 2,
    be_refused: 2,
    lose_a_worker: 1,
    map_some: 3,
    leave_early: 1,
    lose_patience: 1,
}


def act(executor, end, seed):
    """Do one thing after the other; a worker may be killed in any of them."""
    rng = random.Random(seed)
    while time.monotonic() < end:
        (deed,) = rng.choices(list(DEEDS), DEEDS.values())
        with suppress(WorkerDiedError):
            deed(executor, rng)


def kill(executor, end, seed):
    """Kill some worker, again and again."""
    rng = random.Random(seed)
    while time.monotonic() < end:
        time.sleep(rng.uniform(0.05, 0.6))
        pids = [worker.pid for worker in executor.workers() if worker.alive and worker.pid]
        with suppress(ProcessLookupError):
            os.kill(rng.choice(pids or [2**30]), signal.SIGKILL)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("kind", ["queue", "pool"])
@pytest.mark.parametrize("seconds", [2, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.timeout(300)
def test_each_thread_gets_what_is_its_own(kind, threads, seconds):
    """And all come to their end."""
    end = time.monotonic() + seconds
    with CLASSES[kind](2) as executor, ThreadPoolExecutor(threads + 1) as beside:
        others = [beside.submit(kill, executor, end, seconds)]
        others += map(partial(beside.submit, act, executor, end), range(threads))
        for other in others:
            other.result(5 * WITHIN)
