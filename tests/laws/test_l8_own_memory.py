"""Law L8: what a task does to its arguments or globals never shows in the caller."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import functions
from laws.functions import append_and_copy, bury, extend_the_global, fill
from laws.strategies import CHUNKSIZES, values
from taskpar import Executor, Task, partial


@given(data=st.data())
def test_a_changed_argument_does_not_show_in_the_caller(
    process_executor: Executor, data: st.DataObject
) -> None:
    """By map, by submit and by run; the task sees its own change."""
    items = data.draw(st.lists(values, max_size=3))
    before = copy.deepcopy(items)
    chunksize = data.draw(st.sampled_from(CHUNKSIZES))
    assert list(process_executor.map(append_and_copy, [items], chunksize=chunksize)) == [
        [*before, None]
    ]
    assert process_executor.submit(append_and_copy, items).result() == [*before, None]
    assert process_executor.run([Task(append_and_copy, items)]) == [[*before, None]]
    assert items == before


def test_a_change_deep_inside_an_argument_does_not_show_in_the_caller(
    process_executor: Executor,
) -> None:
    """A dictionary in a list in a dictionary."""
    box: dict[str, Any] = {"deep": [{"er": []}]}
    assert process_executor.submit(bury, box).result() == 1
    assert box == {"deep": [{"er": []}]}


def test_a_changed_keyword_argument_does_not_show_in_the_caller(
    process_executor: Executor,
) -> None:
    """Keyword arguments, and those bound by a partial, are copies too."""
    items = [1]
    assert process_executor.submit(append_and_copy, items=items).result() == [1, None]
    bound = partial(append_and_copy, items=items)
    assert process_executor.submit(bound).result() == [1, None]
    assert items == [1]


def test_a_changed_global_does_not_show_in_the_caller(process_executor: Executor) -> None:
    """A task that extends a list of its module extends the worker's list."""
    list(process_executor.map(extend_the_global, range(4)))
    assert functions.GLOBAL_LIST == [1, 2, 3]


@pytest.mark.parametrize("megabytes", [0.001, 0.5, 2])
@pytest.mark.parametrize("chunksize", [None, 1, 3])
def test_an_array_is_writable_in_the_task_and_unchanged_in_the_caller(
    process_executor: Executor, megabytes: float, chunksize: int | None
) -> None:
    """Whatever the size: there is no size from which on an array is read-only or shared."""
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    array = numpy.ones(int(megabytes * 2**20) // 8)
    expected = (True, float(array.sum()))
    results = process_executor.map(fill, [array, array, array], chunksize=chunksize)
    assert list(results) == [expected] * 3
    assert process_executor.submit(fill, array).result() == expected
    assert array.min() == array.max() == 1.0


@pytest.mark.parametrize("megabytes", [0.5, 2])
def test_an_array_that_comes_back_is_writable(process_executor: Executor, megabytes: float) -> None:
    """A result array is the caller's own: writable, and apart from every other."""
    numpy = pytest.importorskip("numpy", reason="needs numpy")
    array = numpy.arange(int(megabytes * 2**20) // 8, dtype=float)
    one, other = process_executor.map(functions.echo, [array, array])
    assert one.flags.writeable
    one[:] = -1
    assert (other == array).all()
    assert array[1] == 1.0
