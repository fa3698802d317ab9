"""Programs that forget their executor, and programs that fork.

**Truth:** what was asked for is done by the end of the program, which then waits for nothing, says
nothing and leaves nobody (problem 25 of tests/README.md). A forked copy of an executor refuses, and
harms nothing.
"""

import os
import sys
import textwrap
import time

import pytest
from places import LOADED

from rig.executors import KINDS, PROCESS_KINDS
from rig.leaks import can_see_processes
from rig.scripts import TIMEOUT, of_session, started
from rig.waiting import eventually

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")

ENDS_WITHIN = 3.0 + LOADED  # seconds in which a program ends

HEAD = """
import atexit, gc, os, sys, threading, time, warnings
from taskpar import *
warnings.simplefilter("always", ResourceWarning)  # Python hides them otherwise

def work(number):
    time.sleep(0.01)
    return number

def long(number):
    time.sleep(0.1)
    return number

ex = {name}({options})
assert ex.submit(abs, -1).result() == 1
"""
ENDINGS = {
    "work queued": "futures = [ex.submit(work, number) for number in range(50)]",
    "half read": "results = ex.map(work, range(50)); next(results)",
    "half read, endless": "results = ex.map(work, iter(int, 1), buffersize=20); next(results)",
    "in a cycle": """
        class Cycle: pass
        cycle = Cycle(); cycle.itself = cycle; cycle.ex = ex; cycle.results = ex.map(work, range(9))
        del cycle, ex
        """,
    "exit handler": "atexit.register(ex.shutdown)",
    "finalizer": """
        class Owner:
            def __del__(self): self.ex.shutdown()
        owner = Owner(); owner.ex = ex; results = ex.map(work, range(9))
        """,
    "another thread": """
        begun = threading.Event()
        def use():
            results = ex.map(work, range(50))
            begun.set()
            print(sum(results))
        threading.Thread(target=use).start()
        begun.wait()
        """,
    "callback": """
        ex.submit(work, 1).add_done_callback(lambda future: ex.shutdown(wait=False))
        """,
    "callback, cancelling": """
        futures = [ex.submit(long, number) for number in range(3 if is_serial else 300)]
        futures[0].add_done_callback(lambda future: ex.shutdown(cancel_futures=True))
        """,
    # To finish what nobody reads any more would take fifty seconds.
    "three of a thousand, closed": """
        results = ex.map(long, range(1000))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        results.close()
        """,
    "three of a thousand, dropped": """
        results = ex.map(long, range(1000))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        del results
        """,
    "three of an endless input, dropped": """
        results = ex.map(long, iter(int, 1))
        assert [next(results) for _ in range(3)] == [0, 0, 0]
        del results
        """,
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_pain_25_a_program_that_forgets_its_executor_ends_in_silence(kind, ending, tmp_path):
    """In three seconds, with status 0, without a word, and leaving nobody."""
    body = textwrap.dedent(ENDINGS[ending])
    ends_in_silence(head(kind) + f"is_serial = {kind == 'serial'}\n" + body, tmp_path)


REPLACED = [
    ("queue", "1, max_tasks_per_child=2", False),
    ("queue", "1, 'fork', max_tasks_per_child=2", True),
    ("pool", "1, max_tasks_per_child=2", True),
    ("process", "1", False),
    ("process", "1, 'fork'", True),
]


@pytest.mark.parametrize(("kind", "options", "by_thread_or_fork"), REPLACED)
def test_pain_25_so_does_one_whose_workers_are_replaced(kind, options, by_thread_or_fork, tmp_path):
    """All calls are run. Python 3.12 ends without starting threads and forks: that is told."""
    body = """
    counter = SharedCounter()
    def add(number):
        counter.add()
        if counter.value == 6: print("all", flush=True)
    kept = ex.map(add, range(6))
    """
    with started(head(kind, options) + textwrap.dedent(body), tmp_path) as program:
        out, err = program.communicate(timeout=TIMEOUT)
    if by_thread_or_fork and sys.version_info[:2] == (3, 12):
        assert err.startswith("taskpar: calls that waited at the end of the program were not run")
    else:
        assert (out, err) == ("all\n", "")
    assert program.returncode == 0


def head(kind, options="2"):
    """Write how such a program begins."""
    return HEAD.format(name=f"{kind.capitalize()}Executor", options=options)


def ends_in_silence(source, tmp_path):
    """Check that it does."""
    with started(source, tmp_path) as program:
        began = time.monotonic()
        out, err = program.communicate(timeout=TIMEOUT)
        assert time.monotonic() - began < ENDS_WITHIN
        assert (program.returncode, err) == (0, "")
        assert out in ("", "1225\n")
        assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "serial"])
def test_what_was_submitted_runs_by_the_end_of_the_program(kind, tmp_path):
    """As with any executor of the stdlib, though nobody shuts it down, nor reads a result."""
    source = head(kind) + textwrap.dedent(
        """
        counter = SharedCounter()
        def add(number):
            time.sleep(0.005)
            counter.add()
            if counter.value == 60: print("all", flush=True)
        futures = [ex.submit(add, number) for number in range(40)]
        ex.map(add, range(20))
        """
    )
    with started(source, tmp_path) as program:
        out, err = program.communicate(timeout=TIMEOUT)
        assert (out, err) == ("all\n", "")


# ------------------------------------------------------------------------------ fork
FORK = """
import os, sys, time, warnings
from taskpar import *
warnings.simplefilter("ignore")
ex = {name}(2)
results = ex.map(abs, range(-100, 0))
assert next(results) == 100
for number in range(20):  # who waits for one after the other hears them himself
    assert ex.submit(abs, -number).result(10) == number
future = ex.submit(time.sleep, 0.5)
pid = os.fork()
if pid == 0:
    calls = [lambda: ex.submit(abs, -1), lambda: ex.map(abs, [-1]), lambda: ex.run([])]
    if not future.done():
        calls += [future.result, future.exception]
    for call in calls:
        try:
            call()
        except ExecutorClosedError as error:
            assert str(os.getppid()) in str(error) and "fork" in str(error), error
        else:
            os._exit(1)
    ex.shutdown()
    del results, future
    with {name}(2) as own:  # one of its own works
        assert list(own.map(abs, [-1, -2])) == [1, 2]
    if {how!r} == "exit":
        sys.exit(0)
    os._exit(0)
_, status = os.waitpid(pid, 0)
print("child", os.waitstatus_to_exitcode(status))
print(list(results) == list(range(99, 0, -1)), future.result(10))
print(ex.submit(abs, -7).result(10), list(ex.map(abs, [-1])))
ex.shutdown()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("how", ["exit", "_exit"])
@pytest.mark.parametrize("kind", ["serial", "thread", *PROCESS_KINDS])
def test_the_copy_of_an_executor_in_a_forked_process_refuses_and_harms_nothing(kind, how, tmp_path):
    """It says whose executor that is; the original goes on; another one in the child works."""
    name = f"{kind.capitalize()}Executor"
    with started(FORK.format(name=name, how=how), tmp_path) as program:
        out, err = program.communicate(timeout=TIMEOUT)
        assert (out, err) == ("child 0\nTrue None\n7 [1]\n", "")
        assert program.returncode == 0
        assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)
