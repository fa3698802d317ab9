"""As an integer, a `SharedCounter` adds up right or refuses aloud, whatever interrupts it."""

import copy
import os
import pickle
import signal
import threading
from functools import partial
from itertools import count
from typing import Any

import cloudpickle
import pytest
from counting import add_all, amounts, asked, ended_well, forked, in_threads, posix, serve, slots
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.processes import PATIENCE, talking
from taskpar._model.counter import SharedCounter

LARGEST = 2**63 - 1


@given(
    st.integers(-9, 9),
    st.lists(amounts | st.sampled_from(["reset", "pickle", "copy", "fork"]), max_size=12),
)
def test_alone_it_is_an_int(start: int, steps: list[int | str]) -> None:
    """After any adds, resets and copies, the value is that of a plain integer."""
    counter, model = SharedCounter(start), start
    for step in steps:
        if step == "reset":
            assert counter.reset() == model
            model = 0
        elif step == "pickle":
            counter = pickle.loads(pickle.dumps(counter))
        elif step == "copy":
            counter = copy.deepcopy(counter)
        elif step == "fork":
            if hasattr(os, "fork"):
                assert ended_well(forked(partial(counter.add, 3)))
                model += 3
        else:
            counter.add(step)
            model += step
        assert counter.value == model


def test_it_shows_its_value() -> None:
    """As it would be written; `add` adds one if nothing is said."""
    counter = SharedCounter(7)
    counter.add()
    assert repr(counter) == "SharedCounter(8)"


def test_numpys_integers_count_in_full() -> None:
    """Added as they are, small ones would wrap around."""
    numpy = pytest.importorskip("numpy")
    counter = SharedCounter(numpy.int64(1))
    for _ in range(3):
        counter.add(numpy.int8(100))
        counter.add(True)
    assert counter.value == 304
    assert type(counter.value) is int


@pytest.mark.parametrize("wrong", [1.5, "1", None, [1]])
def test_only_integers_are_counted(wrong: Any) -> None:
    """The message names the argument."""
    counter = SharedCounter(3)
    with pytest.raises(TypeError, match=f"n must be an integer, not {type(wrong).__name__}"):
        counter.add(wrong)
    with pytest.raises(TypeError, match="start must be an integer, not"):
        SharedCounter(wrong)
    assert counter.value == 3


def test_more_than_64_bits_are_refused_and_nothing_is_lost() -> None:
    """At `add`, at the start, and at `reset`, which sees what all processes added."""
    counter = SharedCounter()
    counter.add(LARGEST)
    for n in (1, LARGEST, 2**64):
        with pytest.raises(OverflowError, match="does not fit in 64 bits; nothing was added"):
            counter.add(n)
        assert counter.value == LARGEST
    with pytest.raises(OverflowError, match="start must fit in 64 bits"):
        SharedCounter(2**64)
    counter.add(-LARGEST)
    assert counter.value == 0


@posix
def test_the_sum_of_many_processes_may_pass_64_bits() -> None:
    """The value is right all the same; `reset` refuses aloud and leaves it."""
    counter = SharedCounter()
    counter.add(LARGEST)
    assert ended_well(forked(partial(counter.add, LARGEST)))
    with talking(serve, counter, method="fork") as (_, pipe):
        asked(pipe, "add", -1)  # in its predecessor's slot
    assert counter.value == 2 * LARGEST - 1
    with pytest.raises(OverflowError, match="nothing was reset"):
        counter.reset()
    assert counter.value == 2 * LARGEST - 1


def test_a_process_has_one_object_for_a_counter() -> None:
    """However it came: two objects would fight for one slot."""
    counter = SharedCounter()
    assert pickle.loads(pickle.dumps(counter)) is counter
    assert copy.copy(counter) is copy.deepcopy(counter) is counter
    adder = pickle.loads(cloudpickle.dumps(lambda: counter.add(2)))
    adder()
    pickle.loads(pickle.dumps(partial(counter.add, 3)))()
    assert counter.value == 5


def test_counters_do_not_mix() -> None:
    """Each has its own total, and may be told apart."""
    counters = [SharedCounter(n) for n in range(5)]
    for counter in counters:
        counter.add(10)
    assert [counter.value for counter in counters] == [10, 11, 12, 13, 14]
    assert len(set(counters)) == 5


def test_it_is_marked_as_the_same_for_all_calls() -> None:
    """A worker may keep it between calls: what is written to it is meant for all."""
    assert SharedCounter.__taskpar_stable__ is True


@settings(max_examples=20)
@given(st.lists(st.lists(amounts, max_size=30), min_size=1, max_size=4), st.integers(0, 20))
def test_threads_that_add_and_reset_lose_nothing(parts: list[list[int]], resets: int) -> None:
    """Law: what the resets took and what is left make up the total."""
    counter = SharedCounter()
    taken: list[int] = []

    def reset() -> None:
        taken.extend(counter.reset() for _ in range(resets))

    in_threads(*[partial(add_all, counter, part) for part in parts], reset, reset)
    assert sum(taken) + counter.value == sum(map(sum, parts))


@posix
def test_a_signal_handler_may_add() -> None:
    """It interrupts `add` itself, in the same thread, and neither waits nor loses anything."""
    counter, calls = SharedCounter(), count()
    handled = [0]

    def handler(number: int, frame: object) -> None:
        handled[0] = next(calls) + 1
        counter.add(1000)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        times = 0
        while handled[0] < 300:
            counter.add()
            times += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert counter.value == times + 1000 * handled[0]


def test_an_add_within_an_add_of_the_same_thread_does_not_wait_for_itself() -> None:
    """As a signal handler, or a finalizer, may come at any point."""
    counter = SharedCounter()
    with counter._claiming:
        counter.add()
    assert counter.value == 1


def test_threads_one_after_the_other_use_the_same_slot() -> None:
    """However many there are: the memory of a counter does not grow with them."""
    counter = SharedCounter()
    for _ in range(20):
        in_threads(counter.add)
    assert (counter.value, slots(counter)) == (20, 1)


def test_threads_at_once_have_a_slot_each() -> None:
    """So none of them waits for another."""
    counter, all_there = SharedCounter(), threading.Barrier(4)

    def add() -> None:
        counter.add()
        all_there.wait(PATIENCE)
        counter.add(10)

    in_threads(add, add, add, add)
    assert (counter.value, slots(counter)) == (44, 4)
