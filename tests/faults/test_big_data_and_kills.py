"""Workers are killed while big data goes both ways: none of it is mixed up, all memory is freed."""

import os
import random
import signal
import time
from contextlib import closing, suppress

import pytest

from rig.executors import CLASSES
from rig.leaks import can_see_processes
from taskpar import WorkerDiedError

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs signals")

SIZES = (10, 70_000, 1 << 20, 17 << 20)


def content(number):
    """Bytes that tell which call they belong to."""
    return bytes([number % 251]) * SIZES[number % 3]


def turned(data):
    """Other bytes, which also do."""
    return bytes([data[0] ^ 255]) * len(data)


def die_with(data):
    """Kill the worker, which has big data."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_one_of(executor, rng):
    """Kill a worker, whatever it does."""
    pids = [worker.pid for worker in executor.workers() if worker.pid]
    if pids:
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(rng.choice(pids), signal.SIGKILL)


@pytest.mark.parametrize("kind", ["queue", "process"])
@pytest.mark.parametrize("room", [None, 4 << 20])
def test_nothing_is_mixed_up_while_workers_are_killed(kind, room):
    """Each call has its own result, however often it has to be run; also where memory is short."""
    count, every = (300, 15) if kind == "queue" else (20, 3)
    rng = random.Random(count)
    with CLASSES[kind](2, max_shared_bytes=room) as executor:
        trying = executor.options(retries=100, retry_on=WorkerDiedError)
        for number, result in enumerate(trying.map(turned, map(content, range(count)))):
            assert result == turned(content(number))
            if number % every == 1:
                kill_one_of(executor, rng)
        assert executor.submit(turned, content(2)).result() == turned(content(2))


def test_memory_is_free_again_when_workers_have_died_with_it():
    """More goes through it than there is, though nobody has given anything back."""
    with CLASSES["queue"](2, max_shared_bytes=16 << 20) as executor:
        for _ in range(12):
            with pytest.raises(WorkerDiedError):
                executor.submit(die_with, bytes(1 << 20)).result()
        arena = executor._core.engine.backend._arena
        if arena is not None:  # else there are no memory files here
            assert arena.put(bytes(8 << 20)) is not None


def test_results_that_nobody_wants_are_given_back():
    """The reader has gone, or never looked: their memory is used again."""
    with CLASSES["queue"](2, max_shared_bytes=16 << 20) as executor:
        for _ in range(10):
            with closing(executor.map(content, [1, 2] * 20)) as results:
                assert next(results) == content(1)
        assert list(executor.map(content, range(30))) == [content(n) for n in range(30)]


def rest(data):
    """Take a while."""
    time.sleep(0.05)
    return data


def test_a_worker_is_killed_with_results_that_are_home():
    """They have been handed over: the memory that they are in is still there."""
    with CLASSES["queue"](1) as executor:
        results = executor.map(rest, [content(2), content(3), content(5)] + [content(4)] * 100)
        first = next(results)
        time.sleep(0.2)  # more have come home
        (worker,) = executor.workers()
        os.kill(worker.pid, signal.SIGKILL)
        assert first == content(2)
        assert next(results) == content(3)
        results.close()
