"""Five hundred executors, one after the other: nothing stays of them, nor of their faults."""

import ctypes
import gc
import os
import signal
import sys
from contextlib import suppress
from functools import partial
from itertools import cycle, islice

import pytest
from deeds import exited, killed
from places import WITHIN, outcomes

from rig.executors import KINDS, Bench
from rig.leaks import left_since, resources
from taskpar import TaskTimeoutError, WorkerDiedError
from taskpar._system.memory import resident

FIRST = 60
"""Executors after which caches are full, and the allocator has what it needs."""

MOST_GROWTH = 5_000_000  # bytes, of the parent's resident memory


def fails(error, number):
    """Raise at the second call."""
    if number == 1:
        raise error
    return -number


def dies(deed, number):
    """Kill the worker at the second call."""
    return deed() if number == 1 else -number


def stays(number):
    """Outstay any limit at the second call."""
    while number == 1:
        signal.pause()
    return -number


def value_error(executor):
    """Let a call raise."""
    seen = outcomes(executor.map(partial(fails, ValueError("no")), range(4)))
    assert [type(each) for each in seen] == [int, ValueError, int, int]


def system_exit(executor):
    """Let a call exit."""
    seen = outcomes(executor.map(partial(fails, SystemExit(3)), range(4)))
    assert [type(each) for each in seen] == [int, SystemExit, int, int]


def half_read(executor):
    """Go away in the middle."""
    results = executor.map(abs, range(-40, 0))
    assert next(results) == 40


def killed_in_a_call(executor):
    """Let a call be killed."""
    seen = outcomes(executor.map(partial(dies, killed), range(4)))
    assert [type(each) for each in seen] == [int, WorkerDiedError, int, int]


def exited_in_a_call(executor):
    """Let a call end its process."""
    seen = outcomes(executor.map(partial(dies, exited), range(4)))
    assert [type(each) for each in seen] == [int, WorkerDiedError, int, int]


def too_late(executor):
    """Let a call be stopped."""
    seen = outcomes(executor.options(time_limit=0.1).map(stays, range(4)))
    assert [type(each) for each in seen] == [int, TaskTimeoutError, int, int]


def killed_outside_calls(executor):
    """Kill workers that are idle, where there are any."""
    assert list(executor.map(abs, range(-3, 0))) == [3, 2, 1]
    for worker in executor.workers():
        if worker.pid not in (None, os.getpid()) and worker.alive:
            with suppress(ProcessLookupError):  # one that runs a single call leaves of itself
                os.kill(worker.pid, signal.SIGKILL)
    assert list(executor.map(abs, range(-3, 0))) == [3, 2, 1]


ANYWHERE = (value_error, system_exit, half_read)
IN_PROCESSES = (*ANYWHERE, killed_in_a_call, exited_in_a_call, too_late, killed_outside_calls)


def open_use_close(bench, faults, count):
    """Do that so often; every second one has a fault."""
    for number, fault in enumerate(islice(faults, count)):
        with bench.make() as executor:
            if number % 2:
                fault(executor)
            assert executor.submit(pow, 2, number).result(WITHIN) == 2**number
            assert list(executor.map(abs, [-1, -2])) == [1, 2]


def settled_memory():
    """The resident memory, without what the allocator keeps though it is free.

    That has parts for threads, more of them on a busy machine.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return resident()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("kind", KINDS)
def test_five_hundred_executors_leave_nothing(kind):
    """Half of them after a fault; neither things that must be given back nor memory."""
    bench = Bench(kind)
    faults = cycle(IN_PROCESSES if bench.in_processes else ANYWHERE)
    open_use_close(bench, faults, FIRST)
    before, memory = resources(), settled_memory()
    open_use_close(bench, faults, 500)
    assert left_since(before) == []
    assert memory is None or settled_memory() - memory < MOST_GROWTH
