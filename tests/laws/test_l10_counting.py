"""Law L10: the total of a ``SharedCounter`` is exact, whatever the interleaving."""

import os
import pickle
import signal
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.functions import add_for_ever, add_many, add_to, echo
from laws.strategies import longest
from rig.executors import START_METHODS, Bench, SharedExecutors, benches
from rig.waiting import eventually
from taskpar import Executor, SharedCounter, Task, WorkerDiedError, partial


@settings(max_examples=5)
@given(amounts=st.lists(st.integers(-(2**40), 2**40), max_size=4), start=st.integers(-9, 9))
def test_a_total_is_the_sum_of_what_was_added(
    executor: Executor, amounts: list[int], start: int
) -> None:
    """Negative amounts and large ones; the start counts."""
    counter = SharedCounter(start)
    assert list(executor.map(partial(add_to, counter), amounts)) == amounts
    assert counter.value == start + sum(amounts)


@pytest.mark.parametrize("bench", benches(), ids=str)
def test_a_counter_made_before_the_workers_start_is_exact(bench: Bench) -> None:
    """Under every start method, as an ordinary argument."""
    counter = SharedCounter()
    with bench.make() as executor:
        assert len(executor.run([Task(add_many, counter, 50)] * 6)) == 6
    assert counter.value == 300


@pytest.mark.parametrize("bench", benches(), ids=str)
def test_a_counter_made_after_the_workers_started_is_exact(
    shared: SharedExecutors, bench: Bench
) -> None:
    """As an argument, as a keyword argument, in a partial, and in a closure."""
    executor = shared.of(bench)
    counter = SharedCounter()
    executor.submit(add_many, counter, 50).result()
    executor.submit(add_many, counter=counter, times=50).result()
    list(executor.map(partial(add_to, counter), [1] * 5))
    list(executor.map(partial(add_to, counter=counter), []))
    list(executor.map(lambda amount: counter.add(amount), [2] * 5))  # noqa: PLW0108  a closure
    assert counter.value == 115


def test_adding_from_many_workers_at_once_loses_nothing(shared: SharedExecutors) -> None:
    """Four processes that do nothing but add one, 4 x 2000 times."""
    counter = SharedCounter()
    executor = shared.of(Bench("queue", 4))
    list(executor.map(partial(add_many, counter), [500] * 16, chunksize=1))
    assert counter.value == 8000


def test_the_caller_adds_while_its_workers_add(shared: SharedExecutors) -> None:
    """The caller is one more process, with no place of its own."""
    counter = SharedCounter()
    executor = shared.of(Bench("queue"))
    futures = [executor.submit(add_many, counter, 2000) for _ in range(2)]
    add_many(counter, 2000)
    for future in futures:
        future.result()
    assert counter.value == 6000


def test_reset_returns_the_total_and_starts_again_from_zero(executor: Executor) -> None:
    """What ``reset`` took and what is left afterwards make up the whole."""
    counter = SharedCounter(5)
    executor.submit(add_to, counter, 3).result()
    assert counter.reset() == 8
    assert counter.value == 0
    executor.submit(add_to, counter, 2).result()
    assert counter.value == 2


def test_no_add_falls_between_the_resets(shared: SharedExecutors) -> None:
    """Taken out while others add, the parts still sum up to the total."""
    counter = SharedCounter()
    executor = shared.of(Bench("queue"))
    futures = [executor.submit(add_many, counter, 3000) for _ in range(2)]
    taken = 0
    while not all(future.done() for future in futures):
        taken += counter.reset()
    assert taken + counter.reset() == 6000


def test_a_counter_that_comes_back_is_the_same_counter(executor: Executor) -> None:
    """Sent there and back it still counts for all."""
    counter = SharedCounter(1)
    returned = executor.submit(echo, counter).result()
    returned.add()
    assert counter.value == returned.value == 2


def test_many_counters_do_not_mix(executor: Executor) -> None:
    """Each keeps its own total."""
    counters = [SharedCounter(number) for number in range(10)]
    for counter in counters[: longest(executor)]:
        executor.submit(add_to, counter, 100).result()
    expected = [number + 100 * (number < longest(executor)) for number in range(10)]
    assert [counter.value for counter in counters] == expected


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("start", START_METHODS)
@pytest.mark.parametrize("kind", ["process", "queue"])
def test_a_worker_killed_while_it_adds_leaves_no_lock_and_no_half_count(
    kind: str, start: str
) -> None:
    """Three times: what was added stays, and everyone adds on, at once and exactly."""
    counter = SharedCounter()
    with Bench(kind, 2, start).make() as executor:
        for _ in range(3):
            seen = counter.value
            future = executor.submit(add_for_ever, counter)
            assert eventually(lambda: counter.value > seen + 100, within=10)  # noqa: B023
            for worker in executor.workers():
                if worker.alive and worker.pid is not None:
                    os.kill(worker.pid, signal.SIGKILL)
            assert isinstance(future.exception(timeout=10), WorkerDiedError)
            total = counter.value
            counter.add(10)
            executor.submit(add_many, counter, 10).result(timeout=10)
            assert counter.value == total + 20


@pytest.mark.parametrize(
    "refused",
    [lambda: SharedCounter("1"), lambda: SharedCounter(1.5), lambda: SharedCounter().add(0.5)],
)
def test_only_whole_numbers_are_counted(refused: Callable[[], object]) -> None:
    """A float would not add up exactly."""
    with pytest.raises(TypeError):
        refused()


def test_a_counter_cannot_be_packed_for_another_time() -> None:
    """It is shared by processes that are alive: writing it to a file is refused aloud, or it works
    as long as the counter does.
    """
    counter = SharedCounter(3)
    try:
        packed = pickle.dumps(counter)
    except (RuntimeError, TypeError, pickle.PicklingError):
        return
    assert pickle.loads(packed).value == 3
