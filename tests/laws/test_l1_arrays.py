"""Law L1 for arrays: items are those of a loop, of the same types, and so are the results."""

from array import array
from contextlib import closing
from functools import partial
from operator import eq
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import follow
from laws.strategies import knobs
from taskpar import Executor

np = pytest.importorskip("numpy")

KINDS = ("?", "i1", "u8", "i4", "f4", "f8", "g", "c16", "M8[s]", "S3", "U2")
SHAPES = ((0,), (1,), (9,), (4, 3), (0, 2), (3, 2, 2))


def compared(item: Any) -> Any:
    """Compute something with an item, whose type depends on its own."""
    return eq(item, item)


def itself(item: Any) -> Any:
    """Return the item."""
    return item


def shown(results: Any) -> list[tuple[type, str]]:
    """Results with their types, also where they are arrays."""
    return [(type(result), repr(result)) for result in results]


def an_array(shape: tuple[int, ...], kind: str) -> Any:
    """Make an array with something in it."""
    numbers = np.arange(int(np.prod(shape)) or 0).reshape(shape)
    return (numbers % 2 if kind == "?" else numbers).astype(kind)


@given(shape=st.sampled_from(SHAPES), kind=st.sampled_from(KINDS), data=st.data())
def test_items_of_arrays_are_those_of_a_loop(
    executor: Executor, shape: tuple[int, ...], kind: str, data: st.DataObject
) -> None:
    """Scalars of a row of numbers, rows of a matrix."""
    some = an_array(shape, kind)
    for function in (itself, compared):
        with closing(executor.map(function, some, **data.draw(knobs()))) as results:
            assert shown(results) == shown(map(function, some))


@given(columns=st.permutations(["i4", "f8", "range", "bytes", "list", "array"]), data=st.data())
def test_arrays_are_zipped_with_whatever_else(
    executor: Executor, columns: list[str], data: st.DataObject
) -> None:
    """The shortest ends it."""
    makes: dict[str, Any] = {
        "i4": np.arange(7, dtype="i4"),
        "f8": np.ones((5, 2)),
        "range": range(6),
        "bytes": bytearray(b"abcdefgh"),
        "list": [[], {}, (), "", None, 1.5],
        "array": array("h", range(9)),
    }
    inputs = [makes[name] for name in columns[: data.draw(st.integers(1, 3))]]
    with closing(executor.map(follow, *inputs, **data.draw(knobs()))) as results:
        assert shown(results) == shown(map(follow, *inputs))


def write(row: Any) -> Any:
    """Write into the argument."""
    row += 1
    return row.sum()


def test_what_a_call_writes_to_its_row_reaches_nobody(process_executor: Executor) -> None:
    """Its row is its own, in the caller and in the worker."""
    matrix = np.zeros((50, 3))
    assert list(process_executor.map(write, matrix, chunksize=10)) == [3.0] * 50
    assert not matrix.any()


@pytest.mark.parametrize("make", [np.array, partial(array, "i"), list, bytearray])
def test_an_array_is_read_as_it_was_when_map_was_called(executor: Executor, make: Any) -> None:
    """What the caller writes to it afterwards changes nothing."""
    some = make(range(20))
    results = executor.map(itself, some)
    for place in range(20):
        some[place] = 7
    assert list(results) == list(range(20))
