"""Leaving early: executors that are shut down in every order, from everywhere, or forgotten.

**Truth:** `shutdown` ends, whoever calls it, whenever, how often; what had begun is finished, what
waited runs or is cancelled, as was asked for; a program that ends does not wait for results that
nobody reads, and says nothing of it (problem 25). A forked copy of an executor is refused.
"""

import os
import threading
import time
from concurrent.futures import CancelledError, wait
from functools import partial
from itertools import islice

import pytest
from deeds import LONG, here, here_for, noted, take_one
from places import (
    LOADED,
    WITHIN,
    each_kind_in_processes,
    everywhere,
    gate,
    in_time,
    outcomes,
    places,
)

from rig.executors import Bench
from rig.waiting import eventually
from taskpar import ExecutorClosedError, InitializerError, Worker

ENDS_WITHIN = 3.0 + LOADED  # seconds in which a program ends

in_parallel = pytest.mark.parametrize("bench", places("thread", "process", "pool", "queue"))
"""All but the serial one, where nothing can be under way."""


# ------------------------------------------------------------------------------ in which order
@everywhere
@pytest.mark.parametrize("cancel", [True, False])
def test_shutdown_with_work_queued_ends(bench, cancel, tmp_path):
    """What had begun is finished; what waited is cancelled, or run."""
    log = tmp_path / "log"
    executor = bench.make()
    futures = [executor.submit(here_for, log, 0.05, number) for number in range(12)]
    in_time(lambda: executor.shutdown(cancel_futures=cancel))
    assert all(future.done() for future in futures)
    ran = [number for number, future in enumerate(futures) if not future.cancelled()]
    assert sorted(noted(log)) == ran
    assert cancel or ran == list(range(12))


@everywhere
@pytest.mark.parametrize("cancel", [True, False])
def test_shutdown_with_half_read_results_ends_and_they_can_be_read_on(bench, cancel, tmp_path):
    """What there is of them; what was cancelled says so."""
    log = tmp_path / "log"
    executor = bench.make()
    results = executor.map(partial(here_for, log, 0.05), range(12))
    assert list(islice(results, 2)) == [0, 1]
    in_time(lambda: executor.shutdown(cancel_futures=cancel))
    rest = outcomes(results)
    values = [each for each in rest if isinstance(each, int)]
    assert sorted([0, 1, *values]) == sorted(noted(log))
    assert {type(each) for each in rest} <= {int, CancelledError}
    assert cancel or rest == list(range(2, 12))


@everywhere
def test_shutdown_with_an_endless_input_half_read_ends(bench):
    """Nothing of it is read any more, and who reads on is told."""
    executor = bench.make()
    results = executor.map(abs, iter(int, 1), buffersize=10)
    assert list(islice(results, 3)) == [0, 0, 0]
    in_time(executor.shutdown)
    rest = outcomes(results, 20)
    assert {type(each) for each in rest} - {int} == {ExecutorClosedError}
    assert len([each for each in rest if each == 0]) <= 10


@everywhere
def test_shutdown_twice_and_in_any_mood_is_one_shutdown(bench):
    """With waiting, without, with cancelling, and as the end of a ``with``."""
    with bench.make() as executor:
        future = executor.submit(abs, -1)
        executor.shutdown(wait=False)
        executor.shutdown(wait=False, cancel_futures=True)
        in_time(executor.shutdown)
        in_time(executor.shutdown)
    assert future.cancelled() or future.result(0) == 1
    for refused in (
        lambda: executor.submit(abs, -1),
        lambda: executor.map(abs, [-1]),
        lambda: executor.run([]),
    ):
        with pytest.raises(ExecutorClosedError) as raised:
            refused()
        assert isinstance(raised.value, RuntimeError)


@in_parallel
def test_shutdown_may_come_from_another_thread_while_one_waits_for_results(bench, tmp_path):
    """The one who waits gets what there is, and then the news."""
    with gate(tmp_path) as (path, let_in):
        executor = bench.make()
        results = executor.map(take_one, [path] * 6)
        read = []
        reader = threading.Thread(target=lambda: read.extend(outcomes(results)))
        reader.start()
        executor.shutdown(wait=False, cancel_futures=True)
        let_in(6)
        reader.join(WITHIN)
        assert not reader.is_alive()
        in_time(executor.shutdown)
    assert len(read) == 6
    assert {type(each) for each in read} <= {bytes, CancelledError}


@in_parallel
@pytest.mark.parametrize("waits", [True, False])
def test_shutdown_may_come_from_a_callback(bench, waits):
    """Of a call that is done, while others wait: it ends, and so does the executor."""
    executor, told = bench.make(), threading.Event()

    def end(future):
        executor.shutdown(wait=waits, cancel_futures=True)
        told.set()

    first = executor.submit(abs, -1)
    futures = [executor.submit(time.sleep, 0.05) for _ in range(10)]
    first.add_done_callback(end)
    assert told.wait(WITHIN)
    assert wait(futures, WITHIN).not_done == set()
    in_time(executor.shutdown)


@in_parallel
def test_shutdown_may_race_with_those_who_submit(bench):
    """Each call is run, cancelled or refused; nobody hangs."""
    executor, futures, refused = bench.make(), [], []

    def submit():
        try:
            while True:
                futures.append(executor.submit(abs, -1))
                time.sleep(0.001)
        except ExecutorClosedError as error:
            refused.append(error)

    threads = [threading.Thread(target=submit, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(futures) > 10, WITHIN)
    in_time(lambda: executor.shutdown(cancel_futures=True))
    for thread in threads:
        thread.join(WITHIN)
        assert not thread.is_alive()
    assert len(refused) == 3
    assert all(future.cancelled() or future.result(0) == 1 for future in futures)


@everywhere
def test_shutdown_in_the_middle_of_reading_ends(bench):
    """By the very thread that reads, within its loop."""
    executor = bench.make()
    seen = []
    for value in executor.map(abs, range(6)):
        seen.append(value)
        if value == 2:
            in_time(executor.shutdown)
    assert seen == list(range(6))


@each_kind_in_processes
def test_a_broken_executor_ends_as_well(bench):
    """Whatever waited for it."""
    executor = bench.make(initializer=os.abort)
    results = executor.map(abs, range(10))
    errors = outcomes(results)
    assert {type(error) for error in errors} == {InitializerError}
    in_time(executor.shutdown)


@pytest.mark.parametrize("bench", places("queue", "pool"))
def test_pain_25_workers_that_are_replaced_stall_nobody(bench):
    """Ten calls on one worker that may run two."""
    with Bench(bench.kind, 1, bench.start).make(max_tasks_per_child=2) as executor:
        futures = [executor.submit(abs, -number) for number in range(10)]
        assert [future.result(WITHIN) for future in futures] == list(range(10))


@each_kind_in_processes
def test_an_executor_may_be_used_by_many_threads_at_once(bench, tmp_path):
    """Each gets its own results, whoever shuts it down (problem 32)."""
    seen = {}

    def use(executor, number):
        base = 100 * number
        seen[number] = list(executor.map(partial(here, tmp_path / "log"), range(base, base + 8)))

    with bench.make() as executor:
        threads = [threading.Thread(target=use, args=(executor, number)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN)
    assert seen == {number: list(range(100 * number, 100 * number + 8)) for number in range(4)}


# ------------------------------------------------------------------------- while a worker starts
class Slow(Worker):
    """Starts when it may."""

    asked = threading.Event()
    may = threading.Event()

    def start(self):
        """Wait for that, in the process of the executor."""
        type(self).asked.set()
        assert type(self).may.wait(WITHIN)
        super().start()


@pytest.mark.parametrize("kind", ["queue", "process"])
def test_a_worker_that_is_just_being_started_is_stopped_too(kind):
    """Else who leaves by Ctrl-C would wait for the whole of its call."""
    Slow.asked.clear()
    Slow.may.clear()
    executor = Bench(kind, 1).make(worker_class=Slow)
    began = time.monotonic()
    sending = threading.Thread(target=executor.submit, args=(time.sleep, LONG))
    sending.start()
    assert Slow.asked.wait(WITHIN)
    leave = executor._core.engine.shutdown  # as `__exit__` does, which then waits
    leave(wait=False, cancel_futures=True, kill=True)
    Slow.may.set()
    in_time(executor.shutdown)
    in_time(sending.join)
    assert time.monotonic() - began < WITHIN


@everywhere
@pytest.mark.parametrize("how", ["thread", "finalizer"])
def test_shutdown_may_come_while_an_executor_gets_ready_for_its_first_call(bench, how, monkeypatch):
    """That call is refused, and what was made ready is let go."""
    executor = bench.make()
    backend, leaving = executor._core.engine.backend, threading.Thread(target=executor.shutdown)
    start = backend.start

    def left(report):
        start(report)
        if how == "thread":
            leaving.start()
            leaving.join(0.3)  # it may have to wait for the start, which then goes on
        else:
            executor.shutdown()

    monkeypatch.setattr(backend, "start", left)
    with pytest.raises(ExecutorClosedError):
        executor.submit(abs, -1)
    if how == "thread":
        in_time(leaving.join)
    in_time(executor.shutdown)
    assert executor.workers() == ()
