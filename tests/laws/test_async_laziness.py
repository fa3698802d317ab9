"""``amap``: how far asynchronous inputs are read, and who closes them.

**Truth:** an asynchronous input is read at most ``buffersize`` calls ahead, and closed whatever
ends the results.
"""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import Raise, RefusalError, echo, follow, nap, save
from laws.oracle import END
from laws.strategies import BUFFERSIZES, CHUNKSIZES, longest
from rig.executors import Bench
from rig.loops import INPUTS, LOOPS, async_outcomes, run
from rig.waiting import eventually
from taskpar import (
    Executor,
    partial,
)

loops = st.sampled_from(LOOPS)


@given(data=st.data())
def test_an_endless_asynchronous_input_is_read_no_further_than_the_bound(
    executor: Executor, data: st.DataObject
) -> None:
    """After k results at most k + buffersize items were read; closing the results closes it."""
    buffersize = data.draw(st.sampled_from(BUFFERSIZES[1:]))
    chunksize = data.draw(st.sampled_from(CHUNKSIZES))
    take = data.draw(st.integers(0, longest(executor)))
    source = INPUTS[data.draw(st.sampled_from(["never waits", "waits"]))](count())
    assert buffersize is not None

    async def main() -> None:
        results = executor.amap(echo, source, buffersize=buffersize, chunksize=chunksize)
        for taken in range(take):
            assert await anext(results) == taken
            for _ in range(5):
                await asyncio.sleep(0)
            assert source.read <= taken + 1 + buffersize
        await results.aclose()
        assert source.closed == 1
        read = source.read
        assert await async_outcomes(results, 2) == [END, END]
        await results.aclose()
        assert (source.read, source.closed) == (read, 1)

    run(main, data.draw(loops))


class Ending:
    """Generators of numbers that tell when they begin and end."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    async def numbers(self, stop: int) -> AsyncIterator[int]:
        """Count so far."""
        self.begun += 1
        try:
            for number in range(stop):
                await asyncio.sleep(0)
                yield number
        finally:
            await asyncio.sleep(0)
            self.ended += 1


@pytest.mark.parametrize("how", ["end", "break", "error", "cancelled", "dropped"])
def test_an_asynchronous_input_is_closed_whatever_ends_the_results(
    executor: Executor, how: str
) -> None:
    """Its ``finally`` runs once, if it has begun, in its own loop, and no task is left."""
    source = Ending()

    async def use() -> None:
        results = executor.amap(echo, source.numbers(3 if how == "end" else 10**9), buffersize=4)
        if how == "dropped":
            await asyncio.sleep(0.01)
            return
        async for number in results:
            if number == 2 and how != "end":
                await leave()
                break

    async def leave() -> None:
        if how == "error":
            raise ValueError(how)
        if how == "cancelled":
            await asyncio.sleep(60)

    async def main() -> None:
        using = asyncio.create_task(use())
        await asyncio.wait([using], timeout=1 if how == "cancelled" else None)
        using.cancel()
        await asyncio.gather(using, return_exceptions=True)
        del using
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  # what else would tell?
            await asyncio.sleep(0.01)
        assert source.ended == source.begun
        assert source.begun or how == "dropped"

    run(main)


def test_closing_ends_the_waiting_for_an_input_that_never_comes(executor: Executor) -> None:
    """It is cancelled where it waits, and so ends; what it has given comes before."""
    ended: list[int] = []

    async def one_and_no_more() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.append(1)

    async def main() -> None:
        results = executor.amap(echo, one_and_no_more(), timeout=30)
        assert await anext(results) == 1
        waiting = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0.01)
        await asyncio.wait_for(results.aclose(), 30)
        assert ended == [1]
        with pytest.raises(StopAsyncIteration):
            await waiting

    run(main)


@pytest.mark.parametrize("kind", INPUTS)
def test_nothing_of_a_map_waits_for_the_garbage_collector(executor: Executor, kind: str) -> None:
    """Neither results nor their job, nor an error that somebody has seen."""

    async def main() -> list[weakref.ref[Any]]:
        orders = [1, Raise("_no_arguments"), 2, Raise("_no_arguments"), 3]
        results = executor.amap(follow, INPUTS[kind](iter(orders)), buffersize=2)
        gone: list[weakref.ref[Any]] = [weakref.ref(results), weakref.ref(results._job)]
        await anext(results)
        try:
            await anext(results)
        except RefusalError as error:
            gone.append(weakref.ref(error))
        del results
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  # what else would tell?
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        return gone

    gc.collect()
    gc.disable()
    try:
        gone = run(main)
        assert eventually(lambda: [ref() for ref in gone] == [None] * 3)
    finally:
        gc.enable()


def test_results_come_while_the_input_is_waited_for(executor: Executor) -> None:
    """The next item comes only when the result of the last one was seen."""
    seen = asyncio.Event()

    async def slow() -> AsyncIterator[int]:
        for number in range(3):
            yield number
            await asyncio.wait_for(seen.wait(), 30)
            seen.clear()

    async def main() -> list[int]:
        got = []
        async for number in executor.amap(echo, slow()):
            got.append(number)
            seen.set()
        return got

    assert run(main) == [0, 1, 2]


def test_what_was_read_while_all_workers_were_busy_is_run_though_no_more_comes(
    executor: Executor,
) -> None:
    """The input waits until the last of what it gave is home."""
    home = asyncio.Event()

    async def burst() -> AsyncIterator[int]:
        for number in range(9):
            yield number
            await asyncio.sleep(0)
        await asyncio.wait_for(home.wait(), 30)

    async def main() -> list[int]:
        got = []
        async for number in executor.amap(nap, burst()):
            got.append(number)
            if number == 8:
                home.set()
        return got

    assert run(main) == list(range(9))


def test_results_that_nobody_reads_are_computed_by_the_end_of_the_block(
    bench: Bench, tmp_path: Path
) -> None:
    """A container is scheduled whole, as by ``map``."""
    names = [f"file {number}" for number in range(4)]

    async def main() -> None:
        async with bench.make() as executor:
            executor.amap(partial(save, tmp_path), names)

    run(main)
    assert sorted(path.name for path in tmp_path.iterdir()) == names
