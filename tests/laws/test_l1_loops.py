"""Law L1 for loops: whatever goes through results gets what it would get of the builtin ``map``."""

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import chain, islice, zip_longest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import echo, follow
from laws.oracle import outcomes
from laws.strategies import knobs, longest, raises, raising_sources, sources, values
from rig.executors import SharedExecutors, quick
from rig.waiting import eventually
from taskpar import Executor

WAYS: dict[str, Callable[[Iterator[Any]], Iterator[Any]]] = {
    "iter": iter,
    "zip": lambda some: zip(some, strict=False),
    "map": lambda some: map(echo, some),
    "enumerate": enumerate,
    "zip_longest": lambda some: zip_longest(some, ()),
    "islice": lambda some: islice(some, 5),
}


@pytest.mark.parametrize("way", WAYS)
@given(data=st.data())
def test_a_loop_gets_what_next_gives(executor: Executor, way: str, data: st.DataObject) -> None:
    """Values and exceptions, and it goes on after them."""
    some = values | raises
    source = data.draw(sources(some, longest(executor)) | raising_sources(some, longest(executor)))
    times = len(source.items) + 6
    expected = outcomes(WAYS[way](map(follow, source.fresh())), times)
    with closing(executor.map(follow, source.fresh(), **data.draw(knobs()))) as results:
        assert outcomes(WAYS[way](results), times) == expected


class Taker:
    """Takes some items of an iterator, in one way or another, and tells what it got."""

    def __init__(self, some: Any) -> None:
        self.some = some
        self.loops = [iter(some), iter(some)]
        self.taken: list[Any] = []

    def take(self, how: int, count: int) -> None:
        """By ``next`` (2), in one of two loops that were begun before (0, 1), or in a new one."""
        which = [*self.loops, self.some, iter(self.some)][how]
        self.taken += outcomes(which, count)


@given(data=st.data(), turns=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=8))
def test_loops_and_next_share_one_position(
    executor: Executor, data: st.DataObject, turns: list[tuple[int, int]]
) -> None:
    """Nothing is got twice, and nothing is lost between one and the other."""
    numbers = list(range(data.draw(st.integers(0, longest(executor)))))
    serial = Taker(map(abs, numbers))
    with closing(executor.map(abs, numbers, **data.draw(knobs()))) as results:
        ours = Taker(results)
        for turn in turns:
            serial.take(*turn)
            ours.take(*turn)
        assert ours.taken == serial.taken
        assert list(results) == list(serial.some)


def test_a_loop_ends_where_the_results_are_closed(executor: Executor) -> None:
    """Though more of them are home."""
    results = executor.map(abs, range(500))
    loop = iter(results)
    assert list(islice(loop, 100)) == list(range(100))
    results.close()
    assert list(chain(loop, results)) == []


def refuse(number: int) -> int:
    """Raise, for one number."""
    if number == 3:
        raise StopIteration
    return number


def test_a_call_that_raises_stop_iteration_ends_a_loop_and_no_more(executor: Executor) -> None:
    """The next loop goes on behind it, as with the builtin."""
    serial = map(refuse, range(6))
    with closing(executor.map(refuse, range(6))) as results:
        assert [list(results), list(results)] == [list(serial), list(serial)]


@pytest.mark.parametrize("kind", ["serial", "thread"])
def test_an_error_that_a_loop_has_raised_keeps_no_results_alive(
    kind: str, shared: SharedExecutors
) -> None:
    """They are let go at once, not when the garbage collector comes: else all calls are run."""
    gone: list[bool] = []

    def loop() -> None:
        results = shared.of(quick(kind)).map(refuse_three, range(6))
        weakref.finalize(results, gone.append, True)
        with suppress(ValueError):
            for _ in results:
                pass

    gc.disable()
    try:
        loop()
        assert gone == [True]
    finally:
        gc.enable()


class Thing:
    """Something that can be watched."""


def thing(_: int) -> Thing:
    """Make one."""
    return Thing()


def test_a_loop_holds_nothing_that_it_has_given_away(executor: Executor) -> None:
    """As `concurrent.futures` promises; a thread that brought it has to let it go, too."""
    gc.disable()
    try:
        with closing(executor.map(thing, range(20))) as results:
            for one in results:
                watched = weakref.ref(one)
                del one
                assert eventually(lambda: watched() is None)  # noqa: B023  # called at once
    finally:
        gc.enable()


def refuse_three(number: int) -> int:
    """Raise, for one number."""
    if number == 3:
        raise ValueError(number)
    return number
