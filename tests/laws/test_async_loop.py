"""``amap`` and the event loop: what the loop feels.

**Truth:** no call runs in the thread of the loop, and nothing holds the loop up.
"""

import asyncio
import os
import threading
import time
from contextlib import aclosing
from itertools import count, islice
from typing import Any

import pytest
from hypothesis import strategies as st

from laws.functions import LEVEL, echo, level
from laws.oracle import END
from rig.loops import INPUTS, LOOPS, Awaited, async_outcomes, run
from rig.waiting import eventually
from taskpar import (
    AutoExecutor,
    Executor,
    ProcessExecutor,
    SerialExecutor,
    ThreadExecutor,
)

loops = st.sampled_from(LOOPS)


def who_runs(_: object) -> tuple[int, int]:
    """Tell process and thread."""
    return os.getpid(), threading.get_ident()


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("make", [SerialExecutor, ThreadExecutor, AutoExecutor])
def test_no_call_runs_in_the_thread_of_the_loop(make: type[Executor], kind: str) -> None:
    """Also where calls of ``map`` run in the caller's thread, and also those that nobody awaits."""

    async def main() -> None:
        async with make() as executor:
            before = executor.amap(who_runs, range(2))
            every = {who async for who in executor.amap(who_runs, INPUTS[kind](range(5)))}
        every |= {who async for who in before}
        assert (os.getpid(), threading.get_ident()) not in every

    run(main)


@pytest.mark.parametrize("loop", LOOPS)
def test_the_loop_goes_on_whatever_calls_and_results_there_are(
    executor: Executor, loop: str
) -> None:
    """A task that looks at the clock again and again is not kept from it: not by long calls, nor by
    thousands of results that are always there.
    """
    gaps: list[float] = []

    async def watch() -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            gaps.append(now - before)
            before = now

    async def main() -> None:
        watching = asyncio.create_task(watch())
        async for _ in executor.amap(time.sleep, [1.0] * 2):
            pass
        many = 5 if isinstance(executor, ProcessExecutor) else 2000
        assert [n async for n in executor.amap(echo, range(many))] == list(range(many))
        watching.cancel()

    run(main, loop)
    assert len(gaps) > 20
    assert max(gaps) < 0.9, "less than a call takes, on a busy machine too"


def test_others_have_their_turn_also_where_all_results_are_there() -> None:
    """Reading waits for nothing then, but gives way at each batch."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main() -> None:
        async with ThreadExecutor(2) as executor:
            results = executor.amap(echo, range(500), chunksize=1)
            await asyncio.to_thread(eventually, lambda: results.stats().calls == 500)
            taking = asyncio.create_task(take_turns())
            assert [number async for number in results] == list(range(500))
            taking.cancel()

    run(main)
    assert turns >= 400


def test_calls_see_the_context_variables_of_the_task_that_asks(executor: Executor) -> None:
    """Of two tasks side by side, each its own."""

    async def ask(number: int) -> list[int]:
        LEVEL.set(number)
        return [seen async for seen in executor.amap(level, Awaited(range(3)))]

    async def main() -> list[list[int]]:
        return await asyncio.gather(ask(1), ask(2))

    assert run(main) == [[1] * 3, [2] * 3]


def test_several_tasks_may_share_the_results(executor: Executor) -> None:
    """Each result goes to one of them, and all of them end."""

    async def main() -> list[int]:
        results = executor.amap(echo, Awaited(range(12)))

        async def take() -> list[int]:
            return [number async for number in results]

        return [n for taken in await asyncio.gather(take(), take(), take()) for n in taken]

    assert sorted(run(main)) == list(range(12))


def test_a_timeout_of_the_results_can_be_outwaited(executor: Executor) -> None:
    """``anext`` raises, and gives the result when it is asked again in time."""
    if executor.options(chunksize=None)._core.engine.backend.inline:
        pytest.skip("a call that runs when it is asked for is there when it is asked for")

    async def main() -> None:
        results = executor.amap(time.sleep, [0.5], timeout=0.05)
        with pytest.raises(TimeoutError, match="call 0 was not done in time"):
            await anext(results)
        results._deadline = time.monotonic() + 30
        assert await async_outcomes(results, 2) == [("value", "NoneType", None, "None"), END]

    run(main)


def test_many_maps_live_side_by_side_in_a_task_group(executor: Executor) -> None:
    """None waits for another to end."""

    async def take(source: Any) -> list[int]:
        results = executor.amap(echo, source, buffersize=2)
        async with aclosing(results):
            return [await anext(results) for _ in range(3)]

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            taking = [group.create_task(take(INPUTS[kind](count()))) for kind in sorted(INPUTS)]
        assert [task.result() for task in taking] == [list(islice(count(), 3))] * len(INPUTS)

    run(main)
    assert eventually(lambda: not [t for t in threading.enumerate() if "asyncio" in t.name])
