"""The laws for ``async for``: ``ex.amap(f, *its)`` is the builtin ``map(f, *its)``, awaited.

The oracle is the builtin, position by position; only the end is another exception. Besides: no
call runs in the thread of the event loop, and nothing holds the loop up.
"""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from contextvars import ContextVar
from itertools import count, islice, starmap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import Raise, echo, follow, inverse, partial_arguments, save
from laws.oracle import END, outcomes, outcomes_to_the_end
from laws.strategies import (
    BUFFERSIZES,
    CHUNKSIZES,
    Source,
    knobs,
    longest,
    raises,
    raising_sources,
    sources,
    values,
)
from rig.executors import Bench
from rig.loops import INPUTS, LOOPS, Awaited, async_outcomes, run
from rig.waiting import eventually
from taskpar import (
    AutoExecutor,
    Executor,
    ProcessExecutor,
    SerialExecutor,
    Task,
    ThreadExecutor,
    partial,
)

as_inputs = st.sampled_from(sorted(INPUTS))
loops = st.sampled_from(LOOPS)


# -------------------------------------------------------------------------------- the values
def check(executor: Executor, inputs: list[Source], data: st.DataObject, times: int = 0) -> None:
    """Compare as many ``anext()`` as there are items, and a few after the end."""
    times = times or max(len(source.items) for source in inputs) + 4
    kinds = [data.draw(as_inputs) for _ in inputs]
    sizes = data.draw(knobs())
    expected = outcomes(map(follow, *(source.fresh() for source in inputs)), times)

    async def main() -> list[Any]:
        given = [INPUTS[kind](source.fresh()) for kind, source in zip(kinds, inputs, strict=True)]
        async with aclosing(executor.amap(follow, *given, **sizes)) as results:
            return await async_outcomes(results, times)

    assert run(main, data.draw(loops)) == expected


@given(data=st.data())
def test_amap_gives_the_outcomes_of_the_builtin_in_its_order(
    executor: Executor, data: st.DataObject
) -> None:
    """Values and errors, from inputs of every make, also asynchronous; it goes on after errors."""
    check(executor, [data.draw(sources(values | raises, longest(executor)))], data)


@given(data=st.data())
def test_amap_ends_with_the_shortest_of_several_inputs(
    executor: Executor, data: st.DataObject
) -> None:
    """Of which some may be asynchronous, and others not."""
    made = sources(values, longest(executor))
    check(executor, data.draw(st.lists(made, min_size=2, max_size=3)), data)


@given(data=st.data())
def test_amap_raises_what_an_input_raises_at_its_position(
    executor: Executor, data: st.DataObject
) -> None:
    """After the results before it; an input that goes on is read on."""
    source = data.draw(raising_sources(values | raises, longest(executor)))
    expected = outcomes_to_the_end(map(follow, source.fresh()), len(source.items) + 6)
    check(executor, [source], data, len(expected))


@given(data=st.data())
def test_astarmap_is_the_builtin_starmap(executor: Executor, data: st.DataObject) -> None:
    """Rows of any length, also as iterators."""
    rows = data.draw(st.lists(st.lists(values, max_size=3), max_size=longest(executor)))
    kind, sizes = data.draw(as_inputs), data.draw(knobs())

    async def main() -> list[Any]:
        results = executor.astarmap(partial_arguments, INPUTS[kind](map(iter, rows)), **sizes)
        return [result async for result in results]

    assert run(main, data.draw(loops)) == list(starmap(partial_arguments, rows))


@given(data=st.data())
def test_amap_unordered_is_a_permutation(executor: Executor, data: st.DataObject) -> None:
    """Of the outcomes of the builtin, errors included."""
    source = data.draw(sources(values | raises, longest(executor)))
    kind, times = data.draw(as_inputs), len(source.items) + 2
    expected = outcomes(map(follow, source.fresh()), times)

    async def main() -> list[Any]:
        results = executor.amap_unordered(follow, INPUTS[kind](source.fresh()))
        return await async_outcomes(results, times)

    assert sorted(map(repr, run(main))) == sorted(map(repr, expected))


@pytest.mark.parametrize("kind", INPUTS)
def test_arun_is_a_row_of_calls(executor: Executor, kind: str) -> None:
    """Unlike tasks with their arguments; the first error, whatever comes after it."""
    tasks = [Task(pow, 2, 3), dict, Task(echo, value=4)]
    failing = [*tasks, Task(inverse, 0), Task(follow, Raise("_key_error"))]

    async def main() -> list[Any]:
        with pytest.raises(ZeroDivisionError):
            await executor.arun(INPUTS[kind](failing))
        assert await executor.arun(INPUTS[kind]([])) == []
        return await executor.arun(INPUTS[kind](tasks))

    assert run(main) == [task() for task in tasks]


# ------------------------------------------------------------------------------- the errors
def stop_asynchronously(number: int) -> int:
    """End the loop at 1, as far as Python is concerned."""
    if number == 1:
        raise StopAsyncIteration("enough")
    return number


def test_a_stop_iteration_of_a_call_is_what_any_coroutine_makes_of_it(executor: Executor) -> None:
    """A RuntimeError because of it, at its position; the builtin's ``next`` would say the end."""

    async def main() -> None:
        results = executor.amap(follow, [1, Raise("_stop"), 2])
        assert await anext(results) == (1,)
        with pytest.raises(RuntimeError) as caught:
            await anext(results)
        assert isinstance(caught.value.__cause__, StopIteration)
        assert caught.value.__cause__.args == ("enough",)
        assert [result async for result in results] == [(2,)]

    run(main)


def test_a_stop_async_iteration_of_a_call_ends_a_loop_which_can_go_on(executor: Executor) -> None:
    """As a StopIteration does to a loop over the builtin."""

    async def main() -> None:
        results = executor.amap(stop_asynchronously, range(4))
        assert [number async for number in results] == [0]
        assert [number async for number in results] == [2, 3]
        with pytest.raises(StopAsyncIteration):
            await anext(results)

    run(main)
    with pytest.raises(StopAsyncIteration, match="enough"):
        run(lambda: executor.arun([Task(stop_asynchronously, number) for number in range(3)]))


@pytest.mark.parametrize("policy", ["raise", "return", "skip", "group"])
def test_on_error_does_what_it_does_for_map(executor: Executor, policy: Any) -> None:
    """The outcomes are those of ``map`` with the same option."""
    inputs = [1, 0, 2, 0]
    trying = executor.options(on_error=policy)
    plain = [repr(outcome) for outcome in outcomes(trying.map(inverse, inputs), 6)]

    async def main() -> list[Any]:
        return await async_outcomes(trying.amap(inverse, Awaited(inputs)), 6)

    assert [repr(outcome) for outcome in run(main)] == plain


def test_what_is_wrong_is_told_at_the_call(executor: Executor) -> None:
    """With the name of the argument; outside of a loop there is nothing to wait in."""

    async def main() -> None:
        with pytest.raises(TypeError, match="fn must be callable"):
            executor.amap(3, [1])  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=r"iterables\[1\] must be iterable, not 5"):
            executor.amap(echo, [1], 5)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="iterables must be at least one"):
            executor.amap(echo)
        with pytest.raises(ValueError, match="buffersize must be a positive integer"):
            executor.amap(echo, [1], buffersize=0)
        with pytest.raises(TypeError, match="timeout must be seconds or None"):
            executor.amap(echo, [1], timeout="1")  # type: ignore[call-overload]
        with pytest.raises(TypeError, match="tasks must be iterable"):
            await executor.arun(5)  # type: ignore[arg-type]

    run(main)
    with pytest.raises(RuntimeError, match="no running event loop"):
        executor.amap(echo, [1])


# ------------------------------------------------------------------------------- laziness
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


# ------------------------------------------------------------------------- the event loop
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
        async for _ in executor.amap(time.sleep, [0.4] * 3):
            pass
        many = 5 if isinstance(executor, ProcessExecutor) else 2000
        assert [n async for n in executor.amap(echo, range(many))] == list(range(many))
        watching.cancel()

    run(main, loop)
    assert len(gaps) > 20
    assert max(gaps) < 0.35, "less than a call takes"


LEVEL: ContextVar[int] = ContextVar("LEVEL", default=0)


def level(_: object) -> int:
    """Tell what a call sees."""
    return LEVEL.get()


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
