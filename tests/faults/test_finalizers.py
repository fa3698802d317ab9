"""The garbage collector, which runs finalizers wherever it likes: nothing hangs, nothing is lost.

**Truth:** what a finalizer does with an executor, from any thread and in the middle of anything, is
done; and who would wait for himself does not wait (problem 25 of tests/README.md).
"""

import gc
import threading
from concurrent.futures import wait

import pytest
from deeds import take_one
from places import WITHIN, everywhere, gate, in_time, places

from taskpar._engine.engine import Engine
from taskpar._engine.ledger import Ledger

in_parallel = pytest.mark.parametrize("bench", places("thread", "process", "pool", "queue"))
"""All but the serial one, which has no threads of its own."""


class Owner:
    """Owns an executor, in a cycle, and ends it when it goes."""

    def __init__(self, executor):
        self.executor = executor
        self.itself = self

    def __del__(self):
        self.executor.shutdown(wait=True)


@everywhere
def test_shutdown_may_come_from_a_finalizer(bench):
    """Wherever the garbage collector runs it."""
    futures = []

    def use():
        owner = Owner(bench.make())
        futures.extend(owner.executor.submit(abs, -number) for number in range(5))

    use()
    in_time(gc.collect)
    assert [future.result(WITHIN) for future in futures] == list(range(5))


@in_parallel
def test_pain_25_shutdown_may_come_from_a_thread_of_the_executor_itself(bench, monkeypatch):
    """It does not wait there for its own end; who comes from elsewhere does."""
    tell, names = Engine.done, []

    def done(self, ticket, reply):
        names.append(threading.current_thread().name)
        if len(names) == 2:  # within no report: the collector may come in the middle of anything
            executor.shutdown(wait=True)
        tell(self, ticket, reply)

    monkeypatch.setattr(Engine, "done", done)
    monkeypatch.setattr(Engine, "hear", lambda *_: None)  # else the caller hears his own results
    executor = bench.make()
    with gate() as (path, let_in):
        futures = [executor.submit(take_one, path) for _ in range(4)]
        let_in(4)
        in_time(lambda: wait(futures))
    assert [future.result() for future in futures] == [b"x"] * 4
    in_time(executor.shutdown)
    assert threading.current_thread().name not in names


def unread(executor, _):
    """Let results go of which nobody has read any."""
    gone = [executor.map(abs, range(5))]
    return gone.clear


def half_read(executor, _):
    """Let results go of which somebody has read some."""
    gone = [executor.map(abs, range(5))]
    assert next(gone[0]) == 0
    return gone.clear


def shut_down(executor, _):
    """Shut down, as an owner's finalizer may."""
    return executor.shutdown


def cancel(executor, futures):
    """Cancel what was submitted."""
    futures += [executor.submit(abs, number) for number in range(5)]
    return lambda: [future.cancel() for future in futures]


def submit(executor, futures):
    """Submit something."""
    return lambda: futures.append(executor.submit(abs, -5))


@everywhere
@pytest.mark.parametrize("deed", [unread, half_read, shut_down, cancel, submit])
def test_pain_25_the_garbage_collector_may_come_while_an_executor_keeps_its_books(
    bench, deed, monkeypatch
):
    """It runs finalizers in the middle of that, in the same thread; nothing hangs, nor is lost."""
    handle, deeds, futures, seen = Ledger.handle, [], [], []

    def interrupted(self, event, now=0.0):
        while deeds:
            deeds.pop()()
        return handle(self, event, now)

    monkeypatch.setattr(Ledger, "handle", interrupted)
    with gate() as (path, let_in), bench.make() as executor:
        results, finalizer = executor.map(abs, range(9)), deed(executor, futures)
        if bench.kind == "serial":
            let_in(1)
            deeds.append(finalizer)
        last = executor.submit(take_one, path)
        if bench.kind != "serial":
            deeds.append(finalizer)
            let_in(1)
        in_time(last.result)
        in_time(lambda: seen.extend(results))
        assert seen == list(range(9))
        assert deeds == []
        in_time(lambda: wait(futures))
        assert {future.result() for future in futures if not future.cancelled()} <= set(range(6))
