"""Law L2: ``ex.starmap(f, it)`` is ``itertools.starmap(f, it)``."""

from contextlib import closing
from itertools import starmap
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laws.functions import follow
from laws.oracle import outcomes
from laws.strategies import Source, breaking, knobs, longest, raises, raising_sources, sources
from laws.strategies import values as any_values
from taskpar import Executor

few = st.lists(any_values | raises, max_size=3)
rows: st.SearchStrategy[Any] = (
    few | few.map(tuple) | st.text(max_size=3) | st.just({"a": 1, "b": 2})
)
not_rows = st.integers() | st.none()


def check(executor: Executor, source: Source, **knobs: Any) -> None:
    """Compare the outcomes, position by position, and after the end."""
    times = len(source.items) + 6
    expected = outcomes(starmap(follow, source.fresh()), times)
    with closing(executor.starmap(follow, source.fresh(), **knobs)) as results:
        assert outcomes(results, times) == expected


@given(data=st.data())
def test_starmap_is_the_starmap_of_itertools(executor: Executor, data: st.DataObject) -> None:
    """Rows may be any iterables: lists, tuples, texts, the keys of a dict, and of any length."""
    source = data.draw(sources(rows, longest(executor)))
    check(executor, source, **data.draw(knobs()))


@given(data=st.data())
def test_a_row_that_is_no_iterable_is_an_error_of_its_own_position(
    executor: Executor, data: st.DataObject
) -> None:
    """The TypeError of the serial run, after the rows before it and before the rows after it."""
    source = data.draw(sources(rows | not_rows, longest(executor)))
    check(executor, source, **data.draw(knobs()))


@given(data=st.data())
def test_starmap_raises_what_its_input_raises_at_its_position(
    executor: Executor, data: st.DataObject
) -> None:
    """An input that raises and ends, or raises and goes on, does so here as well."""
    source = data.draw(raising_sources(rows, longest(executor)))
    check(executor, source, **data.draw(knobs()))


@given(data=st.data())
def test_a_row_may_be_an_iterator_even_one_that_raises(
    executor: Executor, data: st.DataObject
) -> None:
    """A row is read once, in the caller; what it raises stands at the row's position."""
    lengths = data.draw(st.lists(st.integers(0, 3), max_size=longest(executor)))
    broken = data.draw(st.sets(st.integers(0, 5)))

    def fresh() -> list[Any]:
        return [
            breaking(list(range(length)), length) if row in broken else iter(range(length))
            for row, length in enumerate(lengths)
        ]

    times = len(lengths) + 2
    expected = outcomes(starmap(follow, fresh()), times)
    with closing(executor.starmap(follow, fresh(), **data.draw(knobs()))) as results:
        assert outcomes(results, times) == expected
