"""Law L11: ``partial(f, *a, **k)(*b, **m)`` is ``f(*a, *b, **k, **m)``, here and in workers."""

import functools
import itertools
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import (
    Costly,
    StableCostly,
    append_and_copy,
    echo,
    partial_arguments,
    with_costly,
)
from laws.strategies import CHUNKSIZES, longest, values
from rig.executors import Bench, SharedExecutors
from taskpar import Executor, Placeholder, SharedCounter, Task, call, partial

BIG = 300_000
"""Bytes: more than travel within a batch."""

arguments = st.lists(values, max_size=3)
words = st.dictionaries(st.sampled_from("abc"), values, max_size=2)
other_words = st.dictionaries(st.sampled_from("xyz"), values, max_size=2)


@given(bound=arguments, named=words, later=arguments, later_named=other_words)
def test_a_partial_is_its_equation_here(
    bound: list[Any], named: dict[str, Any], later: list[Any], later_named: dict[str, Any]
) -> None:
    """Before it has crossed to a worker."""
    ours = partial(partial_arguments, *bound, **named)
    assert ours(*later, **later_named) == partial_arguments(*bound, *later, **named, **later_named)


@given(bound=arguments, named=words, later=arguments, later_named=other_words)
def test_a_partial_is_its_equation_in_a_worker(
    executor: Executor,
    bound: list[Any],
    named: dict[str, Any],
    later: list[Any],
    later_named: dict[str, Any],
) -> None:
    """After it has crossed: by submit, by starmap, and as a task."""
    ours = partial(partial_arguments, *bound, **named)
    expected = partial_arguments(*bound, *later, **named, **later_named)
    assert executor.submit(ours, *later, **later_named).result() == expected
    assert executor.run([Task(ours, *later, **later_named)]) == [expected]
    assert list(executor.starmap(ours, [later])) == [partial_arguments(*bound, *later, **named)]


@given(first=arguments, second=arguments, named=words, renamed=words)
def test_a_partial_of_a_partial_is_one_partial(
    first: list[Any], second: list[Any], named: dict[str, Any], renamed: dict[str, Any]
) -> None:
    """A keyword that is given again replaces the earlier one, as in ``functools``."""
    ours = partial(partial(partial_arguments, *first, **named), *second, **renamed)
    theirs = functools.partial(
        functools.partial(partial_arguments, *first, **named), *second, **renamed
    )
    assert ours() == theirs()
    assert ours("late", a=0) == theirs("late", a=0)


@given(task_args=arguments, later=arguments, named=words)
def test_the_partial_of_a_task_adds_to_its_arguments(
    task_args: list[Any], later: list[Any], named: dict[str, Any]
) -> None:
    """``task.partial(...)`` is the task with more arguments bound."""
    task = Task(partial_arguments, *task_args)
    assert task.partial(*later, **named)() == partial_arguments(*task_args, *later, **named)


def test_placeholders_are_filled_from_the_left(executor: Executor) -> None:
    """As in ``functools.partial`` of Python 3.14: by the call, and by a partial of the partial."""
    ours = partial(partial_arguments, Placeholder, 2, Placeholder, 4)
    assert ours(1, 3) == partial_arguments(1, 2, 3, 4)
    assert ours(1, 3, 5) == partial_arguments(1, 2, 3, 4, 5)
    assert partial(ours, 1)(3) == partial_arguments(1, 2, 3, 4)
    assert partial(ours, Placeholder, 3)(1) == partial_arguments(1, 2, 3, 4)
    assert list(executor.map(ours, [1, 7], [3, 9])) == list(map(ours, [1, 7], [3, 9]))
    with pytest.raises(TypeError):
        ours(1)


def test_a_trailing_placeholder_is_refused() -> None:
    """It would stand for nothing, as in Python 3.14."""
    with pytest.raises(TypeError):
        partial(partial_arguments, 1, Placeholder)


@given(bound=arguments, named=words)
def test_a_partial_survives_pickling(bound: list[Any], named: dict[str, Any]) -> None:
    """With its placeholders, which stay the one object that they are."""
    ours = partial(partial_arguments, Placeholder, *bound, "last", **named)
    again = pickle.loads(pickle.dumps(ours))
    assert again("first") == ours("first")


def test_a_partial_of_functools_may_be_mapped_too(executor: Executor) -> None:
    """Nobody has to change a program that has one."""
    theirs = functools.partial(pow, 2)
    assert list(executor.map(theirs, range(4))) == [1, 2, 4, 8]


def test_call_calls_what_it_is_given(executor: Executor) -> None:
    """``call(f, *a, **k)`` is ``f(*a, **k)``: unlike functions through one map."""
    functions = [functools.partial(pow, 2), abs, partial(max, 3)]
    assert list(executor.map(call, functions, [3, -1, 2])) == list(map(call, functions, [3, -1, 2]))
    assert call(int, "11", base=2) == 3


@pytest.mark.parametrize("chunksize", CHUNKSIZES)
def test_bound_arguments_are_packed_once_a_map_not_once_a_call(
    process_executor: Executor, chunksize: int | None
) -> None:
    """However many calls and chunks there are."""
    unpacked = SharedCounter()
    bound = partial(with_costly, Costly(100, unpacked))
    numbers = range(3 * longest(process_executor))
    Costly.packed = 0
    results = process_executor.map(bound, numbers, chunksize=chunksize)
    assert list(results) == [100 + number for number in numbers]
    assert Costly.packed <= 1


@pytest.mark.parametrize("chunksize", CHUNKSIZES)
@pytest.mark.parametrize("kind", ["pool", "queue"])
def test_bound_arguments_that_never_change_are_unpacked_once_a_worker(
    shared: SharedExecutors, kind: str, chunksize: int | None
) -> None:
    """Not once a call, nor once a chunk, nor again for the next map."""
    bench = Bench(kind)
    unpacked = SharedCounter()
    bound = partial(with_costly, StableCostly(100, unpacked))
    for _ in range(2):
        results = shared.of(bench).map(bound, range(40), chunksize=chunksize)
        assert list(results) == [100 + number for number in range(40)]
    assert 1 <= unpacked.value <= bench.workers


@pytest.mark.parametrize("chunksize", CHUNKSIZES)
@pytest.mark.parametrize("times", [1, 3])
def test_a_bound_argument_that_a_call_changes_is_fresh_for_each_call(
    process_executor: Executor, chunksize: int | None, times: int
) -> None:
    """The one that crossed is never seen changed, in this map or in the next."""
    bound = partial(append_and_copy, ["first"])
    numbers = range(2 * longest(process_executor))
    for _ in range(times):
        results = process_executor.map(bound, numbers, chunksize=chunksize)
        assert list(results) == [["first", number] for number in numbers]


def test_a_bound_argument_that_the_caller_changed_is_never_stale(
    process_executor: Executor,
) -> None:
    """A map sends what the argument is at the time of the call, not what it was before."""
    box = ["first"]
    bound = partial(append_and_copy, box)
    assert list(process_executor.map(bound, [1, 2])) == [["first", 1], ["first", 2]]
    box.append("second")
    assert list(process_executor.map(bound, [3])) == [["first", "second", 3]]
    assert process_executor.submit(bound, 4).result() == ["first", "second", 4]


@given(
    writes=st.lists(st.tuples(st.integers(0, BIG - 1), st.integers(0, 254)), max_size=4),
    submits=st.booleans(),
)
def test_a_big_bound_argument_is_never_stale_either(
    process_executor: Executor, writes: list[tuple[int, int]], submits: bool
) -> None:
    """What workers have already is not sent again, unless the caller wrote to it anywhere."""
    box = bytearray(BIG)
    bound = partial(total_of, box)
    for place, value in [(0, 1), *writes]:
        box[place] = value
        expected = [total_of(bytearray(box), number) for number in range(3)]
        assert list(process_executor.map(bound, [0, 1])) == expected[:2]
        if submits:
            assert process_executor.submit(bound, 2).result() == expected[2]


def total_of(numbers: bytearray, more: int) -> int:
    """Return the sum, and write to what was bound, which nobody is to see."""
    total = sum(numbers) + more
    numbers[more] ^= 1
    return total


@pytest.mark.parametrize("kind", ["pool", "queue"])
def test_a_big_bound_argument_crosses_once_a_worker_through_all_maps_and_submits(
    shared: SharedExecutors, kind: str
) -> None:
    """As long as it is the same."""
    bench = Bench(kind)
    executor, unpacked = shared.of(bench), SharedCounter()
    bound = partial(with_ballast, StableCostly(100, unpacked), bytes(BIG))
    for _ in range(3):
        assert list(executor.map(bound, range(40))) == [100 + number for number in range(40)]
        assert executor.submit(bound, 1).result() == 101
    assert 1 <= unpacked.value <= bench.workers


def with_ballast(costly: Costly, ballast: bytes, number: int) -> int:
    """Use one of the two."""
    return with_costly(costly, number) + ballast[number]


@pytest.mark.parametrize("kind", [tuple, list])
def test_several_partials_in_turn_are_not_mixed_up(process_executor: Executor, kind: type) -> None:
    """Workers that hold the constants of several maps use those of the right one."""
    maps = [
        process_executor.map(partial(pair, kind([number])), range(4), chunksize=1)
        for number in range(5)
    ]
    expected = [[(kind([number]), item) for item in range(4)] for number in range(5)]
    assert [list(results) for results in maps] == expected


def pair(one: object, other: object) -> tuple[object, object]:
    """Return both arguments."""
    return one, other


def test_a_partial_with_nothing_bound_is_its_function(executor: Executor) -> None:
    """And an endless number of arguments may follow."""
    assert list(executor.map(partial(echo), range(3))) == [0, 1, 2]
    assert partial(max)(*itertools.repeat(1, 5)) == 1
