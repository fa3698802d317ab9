"""Decorated functions of a script run in parallel, without a guard and without an executor."""

import pytest

from rig.executors import CLASSES, benches
from rig.scripts import run_script

SCRIPT = """
import functools
from taskpar import parallel, use, {kind} as Executor

@parallel
def power(x, n):
    return x ** n

@parallel
def fibonacci(n):
    return n if n < 2 else sum(fibonacci.map([n - 1, n - 2]))

class Point:
    def __init__(self, x):
        self.x = x

    @parallel
    def moved(self, by):
        return Point(self.x + by)

with {executor} as executor:
    print(list(power.starmap([(2, 2), (4, 3), (5, 5)])), list(fibonacci.map([5, 6])))
    moved = list(Point(1).moved.map([1, 2]))
    print([type(point) is Point and point.x for point in moved])
    print(list(parallel(lambda x: x + 1).map([1, 2])))
"""
EXPECTED = "[4, 64, 3125] [5, 8]\n[2, 3]\n[2, 3]\n"


@pytest.mark.parametrize("bench", benches(), ids=str)
def test_a_script_needs_no_guard(bench, tmp_path):
    """Functions and classes of ``__main__`` run in parallel under every start method."""
    start = f"mp_context={bench.start!r}" if bench.start else ""
    script = SCRIPT.format(kind=CLASSES[bench.kind].__name__, executor=f"use(Executor(2, {start}))")
    done = run_script(script, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (EXPECTED, "", 0)


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
def test_a_script_needs_no_executor(how, tmp_path):
    """The default is made when it is needed, and is gone at the end."""
    script = SCRIPT.format(kind="QueueExecutor", executor="use(Executor(1))")
    script = script.replace("with use(Executor(1)) as executor:", "if True:")
    done = run_script(script, tmp_path, how)
    assert (done.stdout, done.stderr, done.returncode) == (EXPECTED, "", 0)


CACHES = """
import functools
from taskpar import parallel, use, QueueExecutor

@parallel
@functools.lru_cache
def above(x):
    return x + 1

@functools.lru_cache
@parallel
def below(x):
    return x + below(x - 1) if x else 0

with QueueExecutor(1) as executor, use(executor):
    print(list(above.map([1, 2])), list(executor.map(below, [3, 4])))
"""


def test_cached_functions_of_a_script_cross(tmp_path):
    """Above or below the cache, which is empty in a new worker."""
    done = run_script(CACHES, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("[2, 3] [6, 10]\n", "", 0)
