"""Law L9: ``map_unordered`` yields a permutation of what ``map`` yields."""

from contextlib import closing
from itertools import starmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import echo, follow, wait_for_file
from laws.oracle import outcomes
from laws.strategies import knobs, longest, raises, raising_sources, sources, values
from taskpar import AutoExecutor, Executor, SerialExecutor


@given(data=st.data())
def test_map_unordered_gives_the_outcomes_of_map_in_some_order(
    executor: Executor, data: st.DataObject
) -> None:
    """Values and errors, each as often as in the builtin; then the end."""
    source = data.draw(sources(values | raises, longest(executor)))
    expected = outcomes(map(follow, source.fresh()), len(source.items))
    with closing(executor.map_unordered(follow, source.fresh(), **data.draw(knobs()))) as results:
        ours = outcomes(results, len(source.items))
        assert sorted(ours, key=repr) == sorted(expected, key=repr)
        assert outcomes(results, 2) == [("end", ()), ("end", ())]


@given(data=st.data())
def test_starmap_unordered_gives_the_outcomes_of_starmap_in_some_order(
    executor: Executor, data: st.DataObject
) -> None:
    """The same, one row of arguments a call."""
    rows = st.lists(values | raises, max_size=2)
    source = data.draw(sources(rows, longest(executor)))
    expected = outcomes(starmap(follow, source.fresh()), len(source.items))
    with closing(
        executor.starmap_unordered(follow, source.fresh(), **data.draw(knobs()))
    ) as results:
        ours = outcomes(results, len(source.items))
        assert sorted(ours, key=repr) == sorted(expected, key=repr)


@given(data=st.data())
def test_an_error_of_the_input_is_among_the_outcomes(
    executor: Executor, data: st.DataObject
) -> None:
    """An input that raises loses nothing of what was read before, nor of what comes after."""
    source = data.draw(raising_sources(values, longest(executor)))
    times = len(source.items) + 3
    expected = [o for o in outcomes(map(follow, source.fresh()), times) if o[0] != "end"]
    with closing(executor.map_unordered(follow, source.fresh(), **data.draw(knobs()))) as results:
        ours = [o for o in outcomes(results, times) if o[0] != "end"]
    assert sorted(ours, key=repr) == sorted(expected, key=repr)


def test_a_slow_call_does_not_hold_back_a_fast_one(executor: Executor, tmp_path: Path) -> None:
    """The second call's result comes while the first waits for it."""
    if isinstance(executor, SerialExecutor | AutoExecutor):
        pytest.skip("one call after the other, or the first one here")
    gate, open_gate = tmp_path / "gate", tmp_path / "open"
    open_gate.touch()
    results = executor.map_unordered(
        wait_for_file, [gate, open_gate], ["slow", "fast"], chunksize=1
    )
    with closing(results):
        assert next(results) == "fast"
        gate.touch()
        assert next(results) == "slow"


def test_many_results_arrive_each_once(executor: Executor) -> None:
    """None is lost, none is doubled."""
    many = range(5 * longest(executor) ** 2)
    assert sorted(executor.map_unordered(echo, many)) == list(many)
