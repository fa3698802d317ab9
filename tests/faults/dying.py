"""Calls that kill their workers, on all executors that have some, under every start method."""

import os
from functools import partial

import pytest
from deeds import crashed, exited, killed
from places import warm

from laws.oracle import outcomes
from rig.executors import PROCESS_KINDS, Bench, benches
from taskpar import WorkerDiedError

needs_signals = pytest.mark.skipif(os.name != "posix", reason="kills by signals")

DEATHS = {"killed": killed, "exited": exited, "crashed": crashed}


def die_at(positions, how, number):
    """Kill the worker at some numbers; return ten times the others."""
    if number in positions:
        DEATHS[how]()
    return 10 * number


def checked(executor, positions, how="killed", count=12, **sizes):
    """Map over a function that dies at some positions; check every outcome."""
    results = executor.map(partial(die_at, positions, how), range(count), **sizes)
    seen = outcomes(results, count + 1)
    for number, outcome in enumerate(seen[:-1]):
        if number in positions:
            kind, told = outcome
            assert (kind, told[0]) == ("error", WorkerDiedError)
            assert told[2]["index"] == number
        else:
            assert outcome[2] == 10 * number
    assert seen[-1][0] == "end"


# All executors that have workers, under every start method. They share what starts processes, so
# that the quick profile leaves some pairs out.
QUICK = [*benches(("queue",)), Bench("process", 2, "fork"), Bench("pool", 2, "forkserver")]

STAYING = ("queue", "pool")  # those whose workers wait for more


def all_of(*kinds):
    """The benches of these kinds, as parameters."""
    return [
        pytest.param(bench, marks=() if bench in QUICK else pytest.mark.slow)
        for bench in benches(kinds)
    ]


wherever_workers_die = pytest.mark.parametrize("bench", all_of(*PROCESS_KINDS), ids=str)
"""All of them, under every start method."""


def with_all_workers(executor, count):
    """Start all workers, each while those before it are busy, and return their processes."""
    pids = warm(executor, count)
    assert len(pids) >= count  # and those that are about to leave
    return pids
