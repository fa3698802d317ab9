"""Cancelling: calls that wait are never begun; calls that run are stopped where that is asked for.

**Truth:** a call that was cancelled before it was begun never begins. With ``cancel_running`` its
worker is stopped if it runs, also where asyncio cancels it; nobody else notices. Letting go of
results cancels what has not been begun, and never waits.
"""

import asyncio
import gc
import threading
import time
from concurrent.futures import CancelledError, as_completed, wait
from functools import partial
from itertools import islice

import pytest
from deeds import LONG, WAYS_TO_STAY, here, here_for, is_alive, noted, notes, own_pid, take_one
from places import LOADED, STOPPED_WITHIN, WITHIN, everywhere, gate, in_processes, outcomes, places

from rig.executors import Bench
from rig.waiting import eventually
from taskpar import SharedCounter

PROMPTLY = 0.5 + LOADED  # seconds in which something returns that does not wait


def stay(how, log, number):
    """Note the call, and stay."""
    here(log, number)
    WAYS_TO_STAY[how](LONG)
    return number


def wait_for(log, count=1):
    """Wait until so many calls have begun."""
    assert eventually(lambda: len(noted(log)) >= count, WITHIN)


def pid_of(log, number):
    """Tell which process ran a call."""
    return next(int(pid) for each, pid, _ in notes(log) if each == str(number))


# ------------------------------------------------------------------------------ what waits
@pytest.mark.parametrize("bench", places("thread", "process", "pool", "queue"))
def test_a_call_that_waits_can_be_cancelled_and_never_begins(bench, tmp_path):
    """Each of them, in any order; those that were not cancelled run."""
    log = tmp_path / "log"
    with gate(tmp_path) as (path, let_in), bench.make() as executor:
        busy = [executor.submit(take_one, path) for _ in range(bench.workers)]
        futures = [executor.submit(here, log, number) for number in range(10)]
        called = []
        for future in futures[::-2]:
            future.add_done_callback(called.append)
            assert future.cancel()
            assert future.cancelled()
        assert called == futures[::-2]
        let_in(bench.workers)
        assert [future.result(WITHIN) for future in busy] == [b"x"] * bench.workers
        assert [future.result(WITHIN) for future in futures[::2]] == [0, 2, 4, 6, 8]
        assert all(future.cancel() for future in futures[1::2]), "again"
        assert not futures[0].cancel()
    assert sorted(noted(log)) == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("bench", places("thread", "process", "pool", "queue"))
def test_a_call_that_runs_is_not_cancelled_unless_that_was_asked_for(bench, tmp_path):
    """``cancel`` says so, and it runs to its end, as with any executor."""
    log = tmp_path / "log"
    with bench.make() as executor:
        future = executor.submit(here_for, log, 0.5, 7)
        wait_for(log)
        assert not future.cancel()
        assert future.result(WITHIN) == 7


@pytest.mark.parametrize("bench", places("thread", "process", "pool", "queue"))
def test_who_waits_for_futures_hears_of_those_that_were_cancelled(bench, tmp_path):
    """``as_completed`` and ``wait`` do not hang."""
    with gate(tmp_path) as (path, let_in), bench.make() as executor:
        busy = [executor.submit(take_one, path) for _ in range(bench.workers)]
        futures = [executor.submit(abs, -number) for number in range(6)]
        for future in futures[:3]:
            future.cancel()
        let_in(bench.workers)
        assert set(as_completed(futures + busy, WITHIN)) == set(futures + busy)
        assert wait(futures, WITHIN).not_done == set()


# ------------------------------------------------------------------------------ what runs
@in_processes
@pytest.mark.parametrize("how", WAYS_TO_STAY)
def test_a_running_call_is_stopped_by_stopping_its_worker(bench, how, tmp_path):
    """Whatever it does; nobody else is affected, and the executor can be used as before."""
    log = tmp_path / "log"
    with gate(tmp_path) as (path, let_in), bench.make() as executor:
        other = executor.submit(take_one, path)
        future = executor.options(cancel_running=True).submit(stay, how, log, 1)
        wait_for(log)
        assert future.running()
        began = time.monotonic()
        assert future.cancel()
        assert time.monotonic() - began < PROMPTLY
        assert future.cancelled()
        with pytest.raises(CancelledError):
            future.result(0)
        assert eventually(lambda: not is_alive(pid_of(log, 1)), STOPPED_WITHIN + LOADED)
        let_in(1)
        assert other.result(WITHIN) == b"x"
        assert list(executor.map(abs, range(-4, 0))) == [4, 3, 2, 1]
    assert noted(log) == [1], "it was begun again"


@in_processes
def test_cancelling_what_waits_or_is_done_stops_nobody(bench, tmp_path):
    """With ``cancel_running`` too."""
    log = tmp_path / "log"
    with Bench(bench.kind, 1, bench.start).make() as executor:
        stopping = executor.options(cancel_running=True)
        first = stopping.submit(here_for, log, 0.7, 1)
        second = stopping.submit(here, log, 2)
        wait_for(log)
        assert second.cancel()
        assert first.result(WITHIN) == 1
        assert not first.cancel()
        assert stopping.submit(here, log, 3).result(WITHIN) == 3
    assert noted(log) == [1, 3]


@in_processes
def test_calls_are_cancelled_at_any_moment_and_the_others_arrive(bench, tmp_path):
    """Before they begin, while they begin, run, end, and when they have ended."""
    log, count = tmp_path / "log", 12 if bench.kind == "process" else 60
    with bench.make() as executor:
        stopping = executor.options(cancel_running=True)
        futures = [stopping.submit(here_for, log, 0.01, number) for number in range(count)]
        cancelled = []
        for number in range(0, count, 3):
            assert eventually(lambda n=number: futures[n].running() or futures[n].done(), WITHIN)
            time.sleep(0.001 * (number % 14))  # each at another moment of its life
            if futures[number].cancel():
                cancelled.append(number)
        for number, future in enumerate(futures):
            if number in cancelled:
                assert future.cancelled()
            else:
                assert future.result(WITHIN) == number
    assert len(noted(log)) == len(set(noted(log))), "a call was started twice"


# ------------------------------------------------------------------------------ asyncio
@in_processes
@pytest.mark.parametrize("way", ["run_in_executor", "wrap_future"])
def test_a_timeout_of_asyncio_stops_the_running_call(bench, way, tmp_path):
    """The loop has control again at once, and the worker is gone soon after."""
    log = tmp_path / "log"

    async def main(executor):
        async with asyncio.timeout(WITHIN):
            while not noted(log):  # noqa: ASYNC110  # another process tells
                await asyncio.sleep(0.01)
        return time.monotonic()

    async def with_timeout(executor):
        stopping = executor.options(cancel_running=True)
        call = partial(stay, "sleeping", log, 1)
        if way == "run_in_executor":
            waiting = asyncio.get_running_loop().run_in_executor(stopping, call)
        else:
            waiting = asyncio.wrap_future(stopping.submit(call))
        begun = await main(executor)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await waiting
        assert time.monotonic() - begun < 0.2 + PROMPTLY
        return await asyncio.get_running_loop().run_in_executor(executor, abs, -1)

    with bench.make() as executor:
        assert asyncio.run(with_timeout(executor)) == 1
        assert eventually(lambda: not is_alive(pid_of(log, 1)), STOPPED_WITHIN + LOADED)


@in_processes
def test_a_task_group_of_asyncio_that_fails_stops_the_calls_beside(bench, tmp_path):
    """As it cancels whatever runs in it."""
    log = tmp_path / "log"

    async def main(executor):
        loop = asyncio.get_running_loop()

        async def fail():
            while not noted(log):  # noqa: ASYNC110  # another process tells
                await asyncio.sleep(0.01)
            raise ValueError("no")

        async def run():
            stopping = executor.options(cancel_running=True)
            await loop.run_in_executor(stopping, partial(stay, "sleeping", log, 1))

        async with asyncio.TaskGroup() as group:
            group.create_task(run())
            group.create_task(fail())

    with bench.make() as executor:
        began = time.monotonic()
        with pytest.raises(ExceptionGroup):
            asyncio.run(main(executor))
        assert time.monotonic() - began < WITHIN
        assert eventually(lambda: not is_alive(pid_of(log, 1)), STOPPED_WITHIN + LOADED)
        assert executor.submit(abs, -1).result(WITHIN) == 1


@everywhere
def test_without_that_a_timeout_of_asyncio_ends_only_the_waiting(bench, tmp_path):
    """The call runs to its end, as with any executor."""
    log = tmp_path / "log"

    async def main(executor):
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await loop.run_in_executor(executor, here_for, log, 0.4, 1)

    if bench.kind == "serial":
        pytest.skip("it runs the call before there is anything to wait for")
    with bench.make() as executor:
        executor.submit(abs, -1).result(WITHIN)
        asyncio.run(main(executor))
    assert noted(log) in ([1], [])  # as it may have been cancelled before it began


# ------------------------------------------------------------------------------ results let go
@everywhere
@pytest.mark.parametrize("way", ["close", "drop"])
def test_letting_go_of_half_read_results_cancels_what_has_not_begun_and_never_waits(
    bench, way, tmp_path
):
    """Three of a thousand are read; of the others those end that had begun (problem 25)."""
    log = tmp_path / "log"
    with bench.make() as executor:
        results = executor.map(partial(here_for, log, 0.05), range(1000))
        assert list(islice(results, 3)) == [0, 1, 2]
        began = time.monotonic()
        if way == "close":
            results.close()
            assert list(results) == []
        del results
        gc.collect()
        assert time.monotonic() - began < PROMPTLY
    assert time.monotonic() - began < 2.0 + LOADED
    assert len(noted(log)) < 100
    assert len(noted(log)) == len(set(noted(log)))


@in_processes
@pytest.mark.parametrize("way", ["close", "drop"])
def test_letting_go_of_results_stops_what_runs_where_that_is_asked_for(bench, way, tmp_path):
    """Their workers are stopped."""
    log = tmp_path / "log"
    with bench.make() as executor:
        stopping = executor.options(cancel_running=True)
        results = stopping.map(partial(stay_but_first, log), range(20))
        assert next(results) == 0
        wait_for(log, 1 + bench.workers)
        pids = {int(pid) for number, pid, _ in notes(log) if number != "0"}
        if way == "close":
            results.close()
        del results
        gc.collect()
        for pid in pids:
            assert eventually(lambda pid=pid: not is_alive(pid), STOPPED_WITHIN + LOADED)
        assert executor.submit(own_pid).result(WITHIN) not in pids
    assert len(noted(log)) <= 1 + 2 * bench.workers


def stay_but_first(log, number):
    """Stay, but for 0."""
    here(log, number)
    if number:
        time.sleep(LONG)
    return number


@everywhere
def test_results_may_be_closed_from_another_thread_than_the_one_that_reads(bench, tmp_path):
    """Who reads is told that there are no more."""
    if bench.kind == "serial":
        pytest.skip("who reads runs the call")
    with gate(tmp_path) as (path, let_in), bench.make() as executor:
        results = executor.map(take_one, [path] * 4)
        read = []
        reader = threading.Thread(target=lambda: read.extend(outcomes(results)))
        reader.start()
        let_in(1)
        assert eventually(lambda: len(read) or executor.workers() or True, 0.1)
        results.close()
        reader.join(WITHIN)
        assert not reader.is_alive()
        let_in(bench.workers)
        assert read in ([], [b"x"])


def test_closing_is_closing_once(executor):
    """Twice is no more than once, before and after the end."""
    counter = SharedCounter()
    results = executor.map(abs, range(-3, 0))
    results.close()
    results.close()
    assert list(results) == []
    results = executor.map(abs, range(-3, 0))
    assert list(results) == [3, 2, 1]
    results.close()
    executor.submit(counter.add).result(WITHIN)
    assert counter.value == 1
