"""Law L6: backend, workers, chunk size, buffer size and start method change nothing but time."""

from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.functions import append_and_copy, bury, echo, follow
from laws.oracle import outcomes
from laws.strategies import CHUNKSIZES, knobs, raises, raising_sources, sources, values
from rig.executors import KINDS, PROCESS_KINDS, START_METHODS, Bench, SharedExecutors, quick
from taskpar import Executor

WORKERS = (1, 2, 3, 4)

# Every kind, every start method, and one to four workers; not every combination of them, as each
# is a group of processes that lives to the end of the session.
BENCHES = [
    Bench("serial", 1),
    Bench("serial", 3),
    Bench("thread", 1),
    Bench("thread", 4),
    *(
        Bench(kind, 1 + (shift + number) % len(WORKERS), start)
        for shift, kind in enumerate(("process", "pool", "queue"))
        for number, start in enumerate(START_METHODS)
    ),
]
OPTION_BENCHES = [quick(kind) for kind in KINDS]
SHORT = 4  # calls: some benches start a process for each


@given(data=st.data())
def test_no_bench_and_no_size_changes_an_outcome(
    shared: SharedExecutors, data: st.DataObject
) -> None:
    """One input, good or bad, through all benches, each with sizes of its own."""
    source = data.draw(
        sources(values | raises, SHORT) | raising_sources(values | raises, SHORT), label="input"
    )
    times = len(source.items) + 6
    expected = outcomes(map(follow, source.fresh()), times)
    for bench in BENCHES:
        sizes = data.draw(knobs(), label=str(bench))
        with closing(shared.of(bench).map(follow, source.fresh(), **sizes)) as results:
            assert outcomes(results, times) == expected, str(bench)


@settings(max_examples=5)
@given(data=st.data())
def test_sizes_given_by_options_are_the_sizes_given_to_map(
    executor: Executor, data: st.DataObject
) -> None:
    """A view with options runs on the same workers and gives the same outcomes."""
    source = data.draw(sources(values | raises, SHORT))
    times = len(source.items) + 2
    expected = outcomes(map(follow, source.fresh()), times)
    view = executor.options(**data.draw(knobs()))
    with closing(view.map(follow, source.fresh())) as results:
        assert outcomes(results, times) == expected


WISHES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.just("another name"),
    "chunksize": st.sampled_from(CHUNKSIZES),
    "retries": st.integers(0, 2),
    "retry_on": st.sampled_from([ValueError, BaseException]),
    "retry_delay": st.just(0.001),
    "relay": st.sampled_from(["log", "all"]),
    "context": st.booleans(),
}
STOPPING = {"time_limit": st.just(60.0), "cancel_running": st.just(True)}


@given(data=st.data())
def test_options_that_do_not_speak_of_errors_change_no_outcome(
    shared: SharedExecutors, data: st.DataObject
) -> None:
    """Names, attempts that fail again, what is relayed: the outcomes are the same."""
    source = data.draw(sources(values | raises, SHORT), label="input")
    times = len(source.items) + 2
    expected = outcomes(map(follow, source.fresh()), times)
    for bench in OPTION_BENCHES:
        wishes = data.draw(st.fixed_dictionaries({}, optional=WISHES), label=str(bench))
        view = shared.of(bench).options(**wishes)
        with closing(view.map(follow, source.fresh())) as results:
            assert outcomes(results, times) == expected, str(bench)


@pytest.mark.parametrize("kind", PROCESS_KINDS)
@settings(max_examples=5)
@given(data=st.data())
def test_a_limit_that_is_not_reached_changes_no_outcome(kind: str, data: st.DataObject) -> None:
    """Each call is watched, and handed over by itself; nothing else is different."""
    source = data.draw(sources(values | raises, SHORT), label="input")
    times = len(source.items) + 2
    expected = outcomes(map(follow, source.fresh()), times)
    wishes = data.draw(st.fixed_dictionaries({}, optional=STOPPING | WISHES))
    with quick(kind).make() as executor:
        results = executor.options(**wishes).map(follow, source.fresh())
        assert outcomes(results, times) == expected


@pytest.mark.parametrize("chunksize", CHUNKSIZES)
def test_calls_of_one_chunk_that_share_an_argument_do_not_share_its_changes(
    process_executor: Executor, chunksize: int | None
) -> None:
    """Each call sees its own copy of the list, also when five calls travel together."""
    shared_list = ["first"]
    for _ in range(2):  # the second time it may have been sent before
        results = process_executor.map(append_and_copy, [shared_list] * 5, chunksize=chunksize)
        assert list(results) == [["first", None]] * 5
    assert shared_list == ["first"]


@pytest.mark.parametrize("chunksize", CHUNKSIZES)
def test_calls_of_one_chunk_that_share_a_part_of_an_argument_do_not_share_its_changes(
    process_executor: Executor, chunksize: int | None
) -> None:
    """What is shared deep inside is copied for each call as well."""
    part = [{"er": ["x"]}]
    results = process_executor.map(bury, [{"deep": part} for _ in range(5)], chunksize=chunksize)
    assert list(results) == [2] * 5
    assert part == [{"er": ["x"]}]


def test_one_argument_twice_in_a_call_is_one_object_in_the_task(executor: Executor) -> None:
    """Identity within a call is kept, as in the serial run."""
    item: list[Any] = []
    assert list(executor.map(are_the_same, [item], [item])) == [True]
    assert list(executor.starmap(are_the_same, [(item, item), (item, [])])) == [True, False]


def are_the_same(one: object, other: object) -> bool:
    """Tell whether both arguments are one object."""
    return one is other


@pytest.mark.parametrize("workers", WORKERS)
def test_the_number_of_workers_changes_no_result(shared: SharedExecutors, workers: int) -> None:
    """One to four workers of the default start method."""
    executor = shared.of(Bench("queue", workers))
    assert list(executor.map(echo, range(500))) == list(range(500))
