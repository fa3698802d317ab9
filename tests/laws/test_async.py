"""The laws for ``async for``: ``ex.amap(f, *its)`` is the builtin ``map(f, *its)``, awaited.

The oracle is the builtin, position by position; only the end is another exception.
"""

from contextlib import aclosing
from itertools import starmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import Raise, echo, follow, inverse, partial_arguments, stop_asynchronously
from laws.oracle import outcomes, outcomes_to_the_end
from laws.strategies import (
    Source,
    knobs,
    longest,
    raises,
    raising_sources,
    sources,
    values,
)
from rig.loops import INPUTS, LOOPS, Awaited, async_outcomes, run
from taskpar import Executor, Task, parallel, use

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


@given(data=st.data())
def test_astarmap_unordered_is_a_permutation(executor: Executor, data: st.DataObject) -> None:
    """Of the results of the builtin."""
    rows = data.draw(st.lists(st.lists(values, max_size=3), max_size=longest(executor)))
    kind = data.draw(as_inputs)

    async def main() -> list[Any]:
        results = executor.astarmap_unordered(partial_arguments, INPUTS[kind](map(iter, rows)))
        return [result async for result in results]

    assert sorted(map(repr, run(main))) == sorted(map(repr, starmap(partial_arguments, rows)))


def test_a_decorated_function_does_the_same_on_the_executor_in_use(executor: Executor) -> None:
    """In parallel; each method is that of the executor."""
    decorated = parallel(inverse, on_error="return")

    async def main() -> list[Any]:
        with use(executor):
            return [
                [each async for each in decorated.amap(Awaited([1, 0, 2]))],
                [each async for each in decorated.amap_unordered([4], chunksize=1)],
                [each async for each in decorated.astarmap([(1,), (2,)])],
                [each async for each in decorated.astarmap_unordered([(8,)])],
            ]

    (one, error, half), *others = run(main)
    assert type(error) is ZeroDivisionError
    assert [[one, half], *others] == [[1, 0.5], [0.25], [1, 0.5], [0.125]]


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
