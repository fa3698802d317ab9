"""Where the tests of faults run: every executor, those in processes under every start method."""

import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from deeds import take_one

from rig.executors import KINDS, PROCESS_KINDS, Bench, benches
from taskpar.backends.link import GRACE

WITHIN = 30.0
"""Seconds: a bound for what must not hang, not a measure."""

LOADED = 4.0
"""Seconds that a busy machine may add to what is measured."""

STOPPED_WITHIN = 0.5 + GRACE
"""Seconds after its time limit within which a call is stopped, and its caller told."""


def places(*kinds):
    """The executors of these kinds (none: all five), as parameters."""
    return [pytest.param(bench, id=str(bench)) for bench in benches(kinds or KINDS)]


everywhere = pytest.mark.parametrize("bench", places())
"""All five executors."""

in_processes = pytest.mark.parametrize("bench", places(*PROCESS_KINDS))
"""Those whose workers are processes."""

each_kind_in_processes = pytest.mark.parametrize(
    "bench", [pytest.param(Bench(kind), id=kind) for kind in PROCESS_KINDS]
)
"""The same, each as it starts by default: where the start method makes no difference."""


@contextmanager
def gate(folder=None):
    """Make a gate for `take_one`; yield its path, and what opens it for so many."""
    with TemporaryDirectory(dir=folder) as inside:
        path = Path(inside, "gate")
        os.mkfifo(path)
        opened = os.open(path, os.O_RDWR)
        try:
            yield path, lambda count: os.write(opened, b"x" * count)
        finally:
            os.close(opened)


def warm(executor, count=2):
    """Start all workers, each while those before it are busy; return their processes."""
    with gate() as (path, let_in):
        futures = [executor.submit(take_one, path) for _ in range(count)]
        let_in(count)
        assert [future.result(WITHIN) for future in futures] == [b"x"] * count
    return [worker.pid for worker in executor.workers()]


def told(outcome):
    """Return a value, or the class and arguments of an error."""
    return (type(outcome), outcome.args) if isinstance(outcome, BaseException) else outcome


def outcomes(results, count=10_000):
    """Read to the end: values, and the errors in their places."""
    read = []
    for _ in range(count):
        try:
            read.append(next(results))
        except StopIteration:
            break
        except BaseException as error:
            read.append(error)
    return read


def in_time(call, within=WITHIN):
    """Call in another thread; fail if it does not return in time; return how long it took."""
    began, raised = time.monotonic(), []

    def run():
        try:
            call()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(within)
    assert not thread.is_alive(), "it hangs"
    assert raised == []
    return time.monotonic() - began
