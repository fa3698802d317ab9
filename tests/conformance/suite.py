"""What every backend must do: checks to be run on any of them.

A backend passes when each of `CHECKS`, and of those in `suite_options`, returns, given a `Subject`
that makes it anew. The checks compare with the builtins, through an `Executor` as a user would,
while `Watched` looks at the contract between the engine and the backend
(`taskpar._engine.backend`).
"""

import gc
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from typing import Any

from watched import WITHIN, Subject, raised

from laws.oracle import outcome_of, outcomes
from rig.waiting import eventually
from taskpar import (
    ExecutorClosedError,
    Task,
    record_of,
)
from taskpar._engine.backend import (
    WorkerInfo,
)


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


def closed_results_leave_the_executor_usable(subject: Subject) -> None:
    """Whenever they are closed: at once, in the middle, after an error, or just let go."""
    with subject.executor() as executor:
        for read in (0, 1, 3, 5):
            results = executor.map(picky, range(20), chunksize=2)
            outcomes(results, read)
            results.close()
            results.close()
            assert list(results) == []
        for read in (1, 4):
            outcomes(executor.map(picky, Reading()), read)
        assert list(executor.map(abs, [-1, -2])) == [1, 2]


def results_may_be_collected_at_any_moment(subject: Subject) -> None:
    """The garbage collector closes forgotten results wherever it runs: in the engine, too."""
    before = gc.get_threshold()
    try:
        with subject.executor() as executor:
            for number in range(subject.calls // 3):
                gc.set_threshold(1 + number % 50, 1, 1)  # so that it runs now here, now there
                results = executor.map(abs, Reading(), buffersize=2)
                assert next(results) == 0
                cycle: list[object] = [results]
                cycle.append(cycle)
                del results, cycle
    finally:
        gc.set_threshold(*before)


def results_that_nobody_will_read_are_let_go(subject: Subject) -> None:
    """The calls run all the same; but then nothing holds their arguments and results any more."""
    with subject.executor() as executor:
        arguments = [Reading() for _ in range(4)]
        alive = [weakref.ref(argument) for argument in arguments]
        executor.map(type, arguments)
        del arguments
        assert executor.submit(abs, -1).result(WITHIN) == 1
        if not executor.backend.inline:  # there they wait until the shutdown runs them
            assert eventually(lambda: gc.collect() >= 0 and not any(ref() for ref in alive))


def shutdown_waits_for_all_calls(subject: Subject) -> None:
    """What was submitted or scheduled whole has run, though nobody read it; more is refused."""
    ran: list[int] = []
    executor = subject.executor()
    futures = [executor.submit(odd_ones_are_slow, number) for number in range(8)]
    results = executor.map(odd_ones_are_slow, range(8))
    for future in futures:
        future.add_done_callback(lambda future: ran.append(future.result()))
    with executor:
        pass
    assert sorted(ran) == list(range(8))
    assert list(results) == list(range(8))
    for refused in (executor.submit, executor.map):
        assert type(raised(lambda refused=refused: refused(abs, [1]))) is ExecutorClosedError
    executor.shutdown()


def shutdown_may_cancel_what_has_not_started(subject: Subject) -> None:
    """Each call has run or is cancelled, and all futures are done."""
    with subject.executor() as executor:
        futures = [executor.submit(odd_ones_are_slow, number) for number in range(40)]
        results = executor.map(odd_ones_are_slow, range(40), chunksize=5)
        executor.shutdown(cancel_futures=True)
        for number, future in enumerate(futures):
            assert future.done()
            seen = outcome_of(future.result)
            assert seen[2] == number if seen[0] == "value" else seen[1][0] is CancelledError
        for number, seen in enumerate(outcomes(results, 40)):
            assert seen[2] == number if seen[0] == "value" else seen[1][0] is CancelledError


def a_reader_hears_of_the_end_of_the_executor(subject: Subject) -> None:
    """Who reads on after the shutdown gets what had been read, and is told why no more comes."""
    executor = subject.executor()
    source = Reading()
    results = executor.map(abs, source, buffersize=4)
    first = next(results)
    with executor:
        pass
    read = source.read
    rest = outcomes(results, read + 1)
    assert [first, *(outcome[2] for outcome in rest[: read - 1])] == list(range(read))
    assert rest[-1][0] == "error"
    assert rest[-1][1][0] is ExecutorClosedError
    results.close()


def an_executor_that_was_never_used_has_nothing_to_end(subject: Subject) -> None:
    """It can be shut down, twice, and waits for nothing."""
    executor = subject.executor()
    assert executor.workers() == ()
    executor.shutdown()
    executor.shutdown(wait=False)
    assert executor.backend.broken_rules == []


def workers_are_told_of(subject: Subject) -> None:
    """While they are there, they have names; afterwards nobody is."""
    with subject.executor() as executor:
        executor.submit(abs, 1).result(WITHIN)
        assert all(isinstance(info, WorkerInfo) for info in executor.workers())
        assert all(info.name for info in executor.workers())
    assert executor.workers() == ()


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
    closed_results_leave_the_executor_usable,
    results_may_be_collected_at_any_moment,
    results_that_nobody_will_read_are_let_go,
    shutdown_waits_for_all_calls,
    shutdown_may_cancel_what_has_not_started,
    a_reader_hears_of_the_end_of_the_executor,
    an_executor_that_was_never_used_has_nothing_to_end,
    workers_are_told_of,
)
