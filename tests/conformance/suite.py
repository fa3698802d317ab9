"""What every backend must do: checks to be run on any of them.

A backend passes when each of `CHECKS`, and of those in `suite_lives` and `suite_options`, returns,
given a `Subject` that makes it anew. The checks compare with the builtins, through an `Executor` as
a user would, while `Watched` looks at the contract between the engine and the backend
(`taskpar._engine.backend`).
"""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from watched import WITHIN, Subject, raised

from laws.oracle import outcomes
from taskpar import Task, record_of


# ------------------------------------------------------------------------------------ functions
class TroubleError(Exception):
    """An error of the user's own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"trouble with {number}")
        self.number = number


def tagged(*args: Any, **words: Any) -> tuple[Any, ...]:
    """Return all arguments."""
    return args, words


def picky(number: int) -> int:
    """Refuse every fifth number."""
    if number % 5 == 3:
        raise TroubleError(number)
    return number * 10


def odd_ones_are_slow(number: int) -> int:
    """Let even numbers overtake odd ones."""
    time.sleep(0.01 * (number % 2))
    return number


class Reading(Iterator[int]):
    """Counts up for ever, or to an error; remembers how far it was read, and whether it ended."""

    def __init__(self, errors: dict[int, BaseException] | None = None, stop: int = 10**9) -> None:
        self.read = 0
        self.stop = stop
        self.errors = errors or {}
        self.closed = False

    def __next__(self) -> int:
        if self.read == self.stop:
            raise StopIteration
        self.read += 1
        if self.read - 1 in self.errors:
            raise self.errors[self.read - 1]
        return self.read - 1

    def close(self) -> None:
        """As a generator does."""
        self.closed = True


# --------------------------------------------------------------------------------------- checks
def map_is_the_builtin_map(subject: Subject) -> None:
    """L1: any container or iterator, any number of them, any sizes, also none and one."""
    count = subject.calls // 3
    with subject.executor() as executor:
        assert list(executor.map(tagged, range(count))) == list(map(tagged, range(count)))
        for inputs in ([], [7], "some text", {3: "a", 1: "b"}, b"bytes", [[1], [2]]):
            assert list(executor.map(tagged, inputs)) == list(map(tagged, inputs))
            assert list(executor.map(tagged, iter(inputs))) == list(map(tagged, inputs))
        several = list(executor.map(tagged, [1, 2, 3], "ab", Reading()))
        assert several == list(map(tagged, [1, 2, 3], "ab", Reading()))


def sizes_change_nothing(subject: Subject) -> None:
    """L6: whatever is asked for of chunks and buffers."""
    count = subject.calls // 10
    expected = list(map(tagged, range(count)))
    with subject.executor() as executor:
        for chunksize, buffersize in itertools.product((None, 1, 7), (None, 1, 5)):
            sizes = {"chunksize": chunksize, "buffersize": buffersize}
            assert list(executor.map(tagged, range(count), **sizes)) == expected
            assert list(executor.map(tagged, Reading(stop=count), **sizes)) == expected


def starmap_is_the_builtin_starmap(subject: Subject) -> None:
    """L2: rows of any length, in any iterable."""
    rows = [(1, 2), (), [3], "xy", (4, 5, 6)]
    with subject.executor() as executor:
        for make in (list, iter):
            expected = list(itertools.starmap(tagged, make(rows)))
            assert list(executor.starmap(tagged, make(rows))) == expected


def run_is_a_row_of_calls(subject: Subject) -> None:
    """L3: unlike tasks, with their arguments; the first error, whatever comes after it."""
    tasks = [Task(tagged, 1, x=2), Task(abs, -3), dict, Task(picky, 4)]
    with subject.executor() as executor:
        assert executor.run(tasks) == [task() for task in tasks]
        assert executor.run([]) == []
        failing = [*tasks, Task(picky, 3), Task(picky, 8)]
        error = raised(lambda: executor.run(failing))
        assert isinstance(error, TroubleError)
        assert error.number == 3


def errors_come_at_their_position_and_the_iterator_goes_on(subject: Subject) -> None:
    """L4: compared ``next()`` by ``next()`` with the builtin, also behind the end."""
    count = subject.calls // 8
    with subject.executor() as executor:
        for chunksize in (None, 1, 4):
            results = executor.map(picky, range(count), chunksize=chunksize)
            assert outcomes(results, count + 2) == outcomes(map(picky, range(count)), count + 2)
        results = executor.map(picky, [3])
        assert [type(raised(results.__next__)) for _ in range(2)] == [TroubleError, StopIteration]
        error = raised(executor.submit(picky, 3).result)
        assert record_of(error) is not None
        assert error.__traceback__ is not None


def errors_of_the_input_have_a_position_too(subject: Subject) -> None:
    """L4: after the results before it; a source that goes on is read on."""

    def source() -> Reading:
        return Reading({0: KeyError("at once"), 5: ValueError("in between"), 6: OSError()}, 12)

    with subject.executor() as executor:
        for sizes in ({}, {"chunksize": 3}, {"buffersize": 1}):
            results = executor.map(picky, source(), **sizes)
            assert outcomes(results, 14) == outcomes(map(picky, source()), 14)


def infinite_inputs_are_read_as_far_as_needed(subject: Subject) -> None:
    """L5: never more than the bound ahead of the reader, and closing the results closes them."""
    with subject.executor() as executor:
        for bound in (1, 7):
            source = Reading()
            results = executor.map(abs, source, buffersize=bound)
            for number in range(12):
                assert source.read <= number + bound
                assert next(results) == number
            results.close()
            read = source.read
            assert source.closed
            assert list(results) == []
            assert source.read == read <= 12 + bound


def unordered_results_are_a_permutation(subject: Subject) -> None:
    """L9: the same results, each once, errors included."""
    count = subject.calls // 10
    with subject.executor() as executor:
        results = executor.map_unordered(odd_ones_are_slow, range(count))
        assert sorted(results) == list(range(count))
        rows = [(number,) for number in range(count)]
        assert sorted(executor.starmap_unordered(abs, rows)) == list(range(count))
        expected = outcomes(map(picky, range(count)), count + 1)
        seen = outcomes(executor.map_unordered(picky, range(count)), count + 1)
        assert sorted(map(repr, seen)) == sorted(map(repr, expected))


def results_are_in_order_though_calls_overtake_each_other(subject: Subject) -> None:
    """L1: a slow call holds back those after it, and loses none."""
    count = subject.calls // 10
    with subject.executor() as executor:
        results = executor.map(odd_ones_are_slow, range(count), chunksize=1)
        assert list(results) == list(range(count))


def submitted_calls_have_futures(subject: Subject) -> None:
    """Values, errors, keyword arguments, callbacks."""
    with subject.executor() as executor:
        futures = [executor.submit(picky, number) for number in range(10)]
        for number, future in enumerate(futures):
            if number % 5 == 3:
                assert type(future.exception(WITHIN)) is TroubleError
            else:
                assert future.result(WITHIN) == number * 10
        words = executor.submit(tagged, 1, fn=2, self=3)
        assert words.result(WITHIN) == ((1,), {"fn": 2, "self": 3})
        called = threading.Event()
        executor.submit(abs, 1).add_done_callback(lambda _: called.set())
        assert called.wait(WITHIN)
        followed = executor.submit(abs, -1)
        followed.add_done_callback(lambda _: futures.append(executor.submit(abs, -2)))
        assert followed.result(WITHIN) == 1
    assert futures[-1].result(WITHIN) == 2


def functions_may_carry_much(subject: Subject) -> None:
    """What is bound to a function may be big, whether it is mapped or submitted."""
    much = partial(tagged, bytes(1 << 20))
    with subject.executor() as executor:
        futures = [executor.submit(much, number) for number in range(6)]
        assert list(executor.map(much, range(6))) == list(map(much, range(6)))
        assert [future.result(WITHIN) for future in futures] == list(map(much, range(6)))


class PickledSlowly:
    """A function that counts how often it is pickled in this process, which takes a while."""

    times = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """As a global function."""
        type(self).times += 1
        time.sleep(0.1)
        return _tagged, ()

    def __call__(self, *args: Any) -> Any:
        """Not called: what arrives is the global function."""
        raise NotImplementedError


def _tagged() -> Callable[..., Any]:
    return tagged


def a_mapped_function_is_pickled_once(subject: Subject) -> None:
    """Also when two threads need it at the same time: the caller's, and the one that hears."""
    with subject.executor() as executor:
        futures = [executor.submit(time.sleep, 0.05) for _ in range(executor.backend.slots - 1)]
        PickledSlowly.times = 0
        if not executor.backend.direct:
            assert len(list(executor.map(PickledSlowly(), range(6), chunksize=1))) == 6
            assert PickledSlowly.times == 1
        assert [future.result(WITHIN) for future in futures] == [None] * len(futures)


def many_threads_may_use_it_at_once(subject: Subject) -> None:
    """Each gets its own results; an error of one is nothing to the others."""
    count = subject.calls // 12

    def use(number: int) -> list[Any]:
        numbers = range(number, number + count)
        if number % 2:
            return outcomes(executor.map(picky, numbers), count)
        return [executor.submit(tagged, each).result(WITHIN) for each in numbers]

    with subject.executor() as executor, ThreadPoolExecutor(6) as threads:
        for number, got in enumerate(threads.map(use, range(6), timeout=WITHIN)):
            numbers = range(number, number + count)
            odd = number % 2
            assert got == (outcomes(map(picky, numbers), count) if odd else [*map(tagged, numbers)])


def several_maps_may_be_read_in_turn(subject: Subject) -> None:
    """None of them has to be finished before the other can go on."""
    count = subject.calls // 10
    with subject.executor() as executor:
        maps = [executor.map(tagged, Reading(stop=count), [n] * count) for n in range(3)]
        rows = list(zip(*maps, strict=True))
        assert rows == [tuple(((i, n), {}) for n in range(3)) for i in range(count)]


CHECKS: tuple[Callable[[Subject], None], ...] = (
    map_is_the_builtin_map,
    sizes_change_nothing,
    starmap_is_the_builtin_starmap,
    run_is_a_row_of_calls,
    errors_come_at_their_position_and_the_iterator_goes_on,
    errors_of_the_input_have_a_position_too,
    infinite_inputs_are_read_as_far_as_needed,
    unordered_results_are_a_permutation,
    results_are_in_order_though_calls_overtake_each_other,
    submitted_calls_have_futures,
    functions_may_carry_much,
    a_mapped_function_is_pickled_once,
    many_threads_may_use_it_at_once,
    several_maps_may_be_read_in_turn,
)
