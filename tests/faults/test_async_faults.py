"""``amap`` when something breaks, is cancelled, or runs out of time.

**Truth:** a worker that dies in the middle costs its own call alone. Whoever is cancelled while he
waits leaves nothing behind that has not been begun, and with ``cancel_running`` nothing that runs;
an event loop that ends, however it ends, leaves the executor as it was.
"""

import asyncio
import os
import signal
import time
from contextlib import aclosing
from functools import partial
from itertools import count

import pytest
from deeds import LONG, die_at, fail_first, here, is_alive, note, noted, notes, sleeping, take_one
from places import (
    LOADED,
    STOPPED_WITHIN,
    WITHIN,
    each_kind_in_processes,
    gate,
    in_processes,
    places,
)

from rig.executors import PROCESS_KINDS
from rig.loops import LOOPS, Awaited, new_loop, run
from rig.scripts import of_session, started
from rig.waiting import eventually
from taskpar import ExecutorClosedError, SerialExecutor, TaskTimeoutError, WorkerDiedError

PROMPTLY = 0.5 + LOADED  # seconds in which something returns that does not wait


def stay(log, number):
    """Note the call, and stay."""
    here(log, number)
    sleeping(LONG)


def stay_for(log, seconds, number):
    """Note when a call begins and when it ends."""
    here(log, number)
    time.sleep(seconds)
    note(log, -number, os.getpid())


def pass_gate(log, path, number):
    """Note when a call begins and when it was let in."""
    here(log, number)
    take_one(path)
    note(log, -number, os.getpid())


async def begun(log, most=1):
    """Wait until so many calls have begun, and the tasks that were made before as well."""
    await asyncio.sleep(0)
    async with asyncio.timeout(WITHIN):
        while len(noted(log)) < most:  # noqa: ASYNC110  # another process tells
            await asyncio.sleep(0.01)


async def beside_a_failure(task):
    """Wait for a task in a group in which something else fails."""
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.wait_for(task, None))
        group.create_task(asyncio.to_thread(int, "no"))


async def told(results):
    """Return what comes, and the class and index of errors in their places."""
    read = []
    while True:
        try:
            read.append(await anext(results))
        except StopAsyncIteration:
            return read
        except Exception as error:
            read.append((type(error), getattr(error, "index", None)))


# ------------------------------------------------------------------------------ deaths
@pytest.mark.parametrize("how", ["killed", "exited", "crashed"])
@in_processes
def test_a_worker_that_dies_in_the_middle_costs_its_call_alone(bench, how, tmp_path):
    """At its position; all others arrive, none is run twice, and the executor stays usable."""
    log = tmp_path / "log"

    async def main():
        async with bench.make() as executor:
            results = executor.amap(partial(die_at, (2, 5), how, log), Awaited(range(8)))
            dead = [(WorkerDiedError, number) for number in (2, 5)]
            assert await told(results) == [0, 10, dead[0], 30, 40, dead[1], 60, 70]
            assert await executor.arun([partial(abs, -1)]) == [1]

    run(main)
    assert sorted(noted(log)) == list(range(8))


@each_kind_in_processes
def test_limits_and_retries_hold(bench, tmp_path):
    """A call that takes too long is stopped, one that fails is tried again."""

    async def main():
        async with bench.make() as executor:
            limited = executor.options(time_limit=0.3)
            results = limited.amap(time.sleep, Awaited([0, LONG, 0]))
            assert await told(results) == [None, (TaskTimeoutError, 1), None]
            trying = executor.options(retries=2, retry_delay=0.01)
            flaky = trying.amap(partial(fail_first, 1, tmp_path / "log"), Awaited(range(3)))
            assert await told(flaky) == [0, 10, 20]

    run(main)


# ------------------------------------------------------------------------------ cancelling
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("how", ["task", "timeout", "group", "aclose"])
@each_kind_in_processes
def test_what_is_not_wanted_any_more_is_stopped_where_that_was_asked_for(
    bench, how, loop, tmp_path
):
    """The running calls within their time, the loop at once; what waits never begins."""
    log = tmp_path / "log"

    async def use(results):
        async for _ in results:
            pass

    async def cancel(results):
        using = asyncio.ensure_future(use(results))
        await begun(log, bench.workers)
        if how == "task":
            using.cancel()
            await asyncio.wait([using])
        elif how == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await using
        elif how == "group":
            with pytest.raises(ExceptionGroup):
                await beside_a_failure(using)
        else:
            await results.aclose()
            await using

    async def main():
        executor = bench.make()
        stopping = executor.options(cancel_running=True)
        source = Awaited(count())
        results = stopping.amap(partial(stay, log), source, buffersize=6)
        await cancel(results)
        cancelled = time.monotonic()
        await results.aclose()
        assert time.monotonic() - cancelled < PROMPTLY
        assert source.closed == 1
        pids = {int(pid) for _, pid, _ in notes(log)}
        assert eventually(lambda: not any(map(is_alive, pids)), STOPPED_WITHIN + LOADED)
        assert await executor.arun([partial(abs, -1)]) == [1]
        await asyncio.to_thread(executor.shutdown)

    run(main, loop)
    assert len(noted(log)) == bench.workers


@pytest.mark.parametrize("bench", places("thread", "process", "pool", "queue"))
def test_without_that_what_runs_runs_on_and_what_waits_never_begins(bench, tmp_path):
    """As ``map`` does when its results are closed."""
    log = tmp_path / "log"

    async def main(executor, path):
        results = executor.amap(partial(pass_gate, log, path), range(1, 20), chunksize=1)
        using = asyncio.ensure_future(anext(results))
        await begun(log, bench.workers)
        using.cancel()
        await asyncio.wait([using])
        assert using.cancelled()

    with gate(tmp_path) as (path, let_in), bench.make() as executor:
        run(lambda: main(executor, path))
        let_in(bench.workers)
    assert sorted(map(abs, noted(log))) == [1, 1, 2, 2]


def test_a_serial_call_that_runs_holds_nobody_up_who_is_cancelled(tmp_path):
    """It runs on in its thread, to its end; no other begins."""
    log = tmp_path / "log"

    async def main():
        executor = SerialExecutor()
        results = executor.amap(partial(stay_for, log, 1.0), range(1, 4))
        using = asyncio.ensure_future(anext(results))
        await begun(log)
        using.cancel()
        await asyncio.wait([using])
        assert noted(log) == [1]
        executor.shutdown()

    run(main)
    assert noted(log) == [1, -1]


# ------------------------------------------------------------------------------ the loop ends
@pytest.mark.parametrize("loop", LOOPS)
@each_kind_in_processes
def test_a_loop_that_ends_in_the_middle_stops_what_was_asked_to_stop(bench, loop, tmp_path):
    """``asyncio.run`` cancels its tasks, also those whose results somebody still holds."""
    log = tmp_path / "log"
    held = []

    async def main(executor):
        source = Awaited(count())
        held.append(executor.options(cancel_running=True).amap(partial(stay, log), source))
        held.append(source)
        using = asyncio.create_task(anext(held[0]))
        await begun(log, bench.workers)
        held.append(using)

    with bench.make() as executor:
        run(lambda: main(executor), loop)
        pids = {int(pid) for _, pid, _ in notes(log)}
        assert eventually(lambda: not any(map(is_alive, pids)), STOPPED_WITHIN + LOADED)
        assert held[1].closed == 1
        assert held[2].cancelled()
        assert executor.submit(abs, -1).result(WITHIN) == 1


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("bench", places("thread", "queue"))
def test_a_loop_that_is_closed_without_a_word_does_not_hurt_the_executor(bench, loop, tmp_path):
    """Its results come to nobody; the calls run to their end, and so do those of others."""
    log = tmp_path / "log"

    async def begin(executor):
        results = executor.amap(partial(stay_for, log, 0.3), range(1, 4))
        waiting = asyncio.ensure_future(anext(results))
        await begun(log)
        return results, waiting

    with bench.make() as executor:
        made = new_loop(loop)
        results, waiting = made.run_until_complete(begin(executor))
        made.close()
        assert executor.submit(abs, -1).result(WITHIN) == 1
        assert eventually(lambda: sorted(map(abs, noted(log))) == [1, 1, 2, 2, 3, 3], WITHIN)
        waiting._log_destroy_pending = False  # it is what this test is about
        del results, waiting


async def all_are_in_order(results):
    """Read numbers from 1 on."""
    expected = count(1)
    async for number in results:
        assert number == next(expected)


@pytest.mark.parametrize("bench", places("thread", "queue"))
def test_a_shutdown_in_the_middle_is_told_where_it_was_noticed(bench):
    """What was read is run; then comes the error, and the input is closed."""

    async def main():
        executor = bench.make()
        source = Awaited(count())
        async with aclosing(executor.amap(abs, source, buffersize=4)) as results:
            assert await anext(results) == 0
            await asyncio.to_thread(executor.shutdown)
            with pytest.raises(ExecutorClosedError):
                await asyncio.wait_for(all_are_in_order(results), WITHIN)
        assert source.closed == 1

    run(main)


PROGRAM = """
import asyncio, time
from itertools import count
import taskpar

def stay(number):
    print("busy", flush=True)
    time.sleep(120)

async def main():
    async with taskpar.open_executor("{kind}:2") as executor:
        async for _ in executor.options(cancel_running=True).amap(stay, count()):
            pass

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_ctrl_c_ends_the_program_and_leaves_nobody(kind, tmp_path):
    """Asyncio cancels the main task, which leaves its block, which waits for no call."""
    with started(PROGRAM.format(kind=kind), tmp_path) as program:
        assert [program.stdout.readline() for _ in range(2)] == ["busy\n"] * 2
        interrupted = time.monotonic()
        os.kill(program.pid, signal.SIGINT)
        _, err = program.communicate(timeout=WITHIN)
        assert time.monotonic() - interrupted < STOPPED_WITHIN + PROMPTLY, err
        assert err.splitlines()[-1] == "KeyboardInterrupt", err
        assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)
