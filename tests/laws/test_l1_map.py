"""Law L1: ``ex.map(f, *its)`` is the builtin ``map(f, *its)``."""

from contextlib import closing
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import blob, echo, follow, size_and_sum
from laws.oracle import END, outcomes, outcomes_to_the_end
from laws.strategies import Source, knobs, longest, raises, raising_sources, sources, stops, values
from taskpar import Executor

NEAR_64_KB = (65_535, 65_536, 65_537)
OVER_1_MB = (2**20 + 1, 3 * 2**20)


def check(executor: Executor, inputs: list[Source], **knobs: Any) -> None:
    """Compare the outcomes of as many ``next()`` as there are items, and a few after the end."""
    times = max(len(source.items) for source in inputs) + 6
    expected = outcomes(map(follow, *(source.fresh() for source in inputs)), times)
    with closing(executor.map(follow, *(source.fresh() for source in inputs), **knobs)) as results:
        assert outcomes(results, times) == expected


@given(data=st.data())
def test_map_gives_the_values_of_the_builtin_in_its_order(
    executor: Executor, data: st.DataObject
) -> None:
    """Any mixture of values, from any kind of iterable, comes back equal and in order."""
    source = data.draw(sources(values, longest(executor)))
    check(executor, [source], **data.draw(knobs()))


@given(data=st.data())
def test_map_ends_with_the_shortest_of_several_inputs(
    executor: Executor, data: st.DataObject
) -> None:
    """Two or three inputs of unequal lengths and unlike makes are read side by side."""
    inputs = data.draw(st.lists(sources(values, longest(executor)), min_size=2, max_size=3))
    check(executor, inputs, **data.draw(knobs()))


@given(data=st.data())
def test_map_goes_on_after_an_exception(executor: Executor, data: st.DataObject) -> None:
    """A call that raises is an outcome at its position, and the next call follows it."""
    source = data.draw(sources(values | raises, longest(executor)))
    check(executor, [source], **data.draw(knobs()))


@given(data=st.data())
def test_map_treats_a_stop_iteration_of_the_function_as_the_builtin_does(
    executor: Executor, data: st.DataObject
) -> None:
    """A function that raises StopIteration ends a ``for`` loop, yet ``next()`` goes on after it."""
    source = data.draw(sources(st.integers() | stops, longest(executor)))
    check(executor, [source], **data.draw(knobs()))


@given(data=st.data())
def test_map_raises_what_an_input_raises_at_its_position(
    executor: Executor, data: st.DataObject
) -> None:
    """An input's exception comes after the results before it; an input that goes on is read on."""
    size = longest(executor)
    broken = data.draw(raising_sources(values | raises, size))
    others = data.draw(st.lists(sources(values, size), max_size=2))
    inputs = data.draw(st.permutations([broken, *others]))
    times = max(len(source.items) for source in inputs) + 6
    expected = outcomes_to_the_end(map(follow, *(source.fresh() for source in inputs)), times)
    fresh = (source.fresh() for source in inputs)
    with closing(executor.map(follow, *fresh, **data.draw(knobs()))) as results:
        assert outcomes(results, len(expected)) == expected
        assert outcomes(results, 2) == [END, END]


@given(data=st.data())
def test_map_reads_no_further_than_the_builtin(executor: Executor, data: st.DataObject) -> None:
    """What the shortest input leaves of the others is still there afterwards."""
    lengths = st.integers(0, longest(executor))
    long, short = data.draw(lengths), data.draw(lengths)
    ours = [iter(range(long)), iter(range(short))]
    theirs = [iter(range(long)), iter(range(short))]
    assert list(executor.map(follow, *ours, **data.draw(knobs()))) == list(map(follow, *theirs))
    assert [list(rest) for rest in ours] == [list(rest) for rest in theirs]


def test_a_for_loop_over_map_ends_where_it_ends_over_the_builtin(executor: Executor) -> None:
    """``list`` stops at the first StopIteration, and ``islice`` takes what it asks for."""
    results = executor.map(echo, range(5))
    assert list(islice(results, 2)) == [0, 1]
    assert list(results) == [2, 3, 4]
    assert list(results) == []


def test_results_near_64_kb_and_over_1_mb_arrive_whole(executor: Executor) -> None:
    """A result as large as a pipe's buffer, one byte to either side, or larger, is a result."""
    sizes = [*NEAR_64_KB, *OVER_1_MB, 0, 1]
    assert list(executor.map(blob, sizes)) == list(map(blob, sizes))


def test_arguments_near_64_kb_and_over_1_mb_arrive_whole(executor: Executor) -> None:
    """The same on the way in."""
    data = [blob(size) for size in (*NEAR_64_KB, *OVER_1_MB, 0, 1)]
    assert list(executor.map(size_and_sum, data)) == list(map(size_and_sum, data))


@pytest.mark.parametrize("size", [65_536, 2**20 + 1])
def test_many_large_results_do_not_block_each_other(process_executor: Executor, size: int) -> None:
    """Results that fill the pipes are taken out while later arguments are still going in."""
    data = [blob(size)] * 8
    results = process_executor.map(echo, data)
    assert [len(result) for result in results] == [size] * 8


def test_map_without_an_input_is_refused_as_the_builtin_refuses_it(executor: Executor) -> None:
    """``map(f)`` is a TypeError: nothing says how often to call."""
    with pytest.raises(TypeError):
        map(echo)
    with pytest.raises(TypeError):
        executor.map(echo)
