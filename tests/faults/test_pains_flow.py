"""Problems of other libraries as calls flow: 7, 14, 19, 20, 24 of those in tests/README.md."""

import os
import threading
import time
from functools import partial
from itertools import count, islice
from pathlib import Path

import numpy as np
import pytest
from deeds import FailedError, fail_at, here, notes
from places import LOADED, WITHIN, each_kind_in_processes, everywhere, in_processes, outcomes, told

from rig.waiting import eventually
from taskpar import InitializerError, SharedCounter, record_of
from taskpar import partial as bound

# ------------------------------------------------------------------------------ 7: endless inputs
SIZES = [{"buffersize": 8}, {"buffersize": 8, "chunksize": 3}, {}]


class Pulls:
    """An endless input that counts how often it was asked, and notes whether it was closed."""

    def __init__(self):
        self.count = 0
        self.closed = False

    def __call__(self, make=lambda number: number):
        """Be the generator."""
        try:
            for number in count():
                self.count += 1
                yield make(number)
        finally:
            self.closed = True


@everywhere
@pytest.mark.parametrize(
    "sizes", [{"buffersize": 8}, {"buffersize": 8, "chunksize": 3}, {}], ids=str
)
def test_pain_07_an_endless_input_is_read_no_more_than_the_buffer_ahead(bench, sizes, tmp_path):
    """However slow the reader is; when the results are closed, so is the input."""
    pulls, log = Pulls(), tmp_path / "log"
    ahead = sizes.get("buffersize", 1000)
    with bench.make() as executor:
        results = executor.map(partial(here, log), pulls(), **sizes)
        assert list(islice(results, 5)) == list(range(5))
        time.sleep(0.5)  # the slow reader: an eager executor would read on meanwhile
        assert pulls.count <= 5 + ahead + 1
        assert len(notes(log)) <= pulls.count
        results.close()
        assert pulls.closed


@everywhere
def test_pain_07_results_that_nobody_has_read_yet_do_not_pile_up(bench):
    """No more of them are made than fit into the buffer."""
    made = SharedCounter()
    with bench.make() as executor:
        results = executor.map(bound(make_big, made), Pulls()(), buffersize=6)
        for number in range(10):
            assert next(results)[0] == number
            assert made.value <= number + 1 + 6
        time.sleep(0.3)  # as above
        assert made.value <= 10 + 6
        results.close()


def make_big(made, number):
    """Make a megabyte, and count it."""
    made.add()
    return bytes([number]) * 1_000_000


# ------------------------------------------------------------------------------ 14: all or nothing
@everywhere
def test_pain_14_one_failed_item_does_not_throw_the_others_away(bench, tmp_path):
    """Two of ten fail; each of the policies gives what was computed."""
    log = tmp_path / "log"
    function, good = partial(fail_at, {3, 7}, log), [0, 10, 20, 40, 50, 60, 80, 90]
    with bench.make() as executor:
        seen = outcomes(executor.map(function, range(10)))
        assert [each for each in seen if not isinstance(each, Exception)] == good
        seen = list(executor.options(on_error="return").map(function, range(10)))
        assert [each for each in seen if not isinstance(each, Exception)] == good
        assert [told(seen[number]) for number in (3, 7)] == [
            (FailedError, (f"at {number}", number)) for number in (3, 7)
        ]
        assert [record_of(seen[number]).index for number in (3, 7)] == [3, 7]
        assert list(executor.options(on_error="skip").map(function, range(10))) == good

        results = executor.options(on_error="group").map(function, range(10))
        assert list(islice(results, 8)) == good
        with pytest.raises(ExceptionGroup) as raised:
            next(results)
        records = [record_of(error) for error in raised.value.exceptions]
        assert [record.index for record in records] == [3, 7]
        assert all(record.input.endswith(f"{record.index})") for record in records)


# ------------------------------------------------------------------------------ 19: progress bars
@everywhere
@pytest.mark.parametrize("chunksize", [None, 1, 3, 10])
def test_pain_19_there_is_one_result_for_each_call_that_a_bar_can_count(bench, chunksize, tmp_path):
    """From an input of unknown length, in batches of any size, with two that fail."""
    function = partial(fail_at, {3, 7}, tmp_path / "log")
    with bench.make() as executor:
        counting = executor.options(on_error="return")
        results = counting.map_unordered(function, iter(range(30)), chunksize=chunksize)
        assert sum(1 for _ in results) == 30


@everywhere
def test_pain_19_a_callback_is_called_once_for_each_call_that_was_submitted(bench, tmp_path):
    """One that raises loses no results."""
    done, all_done = [], threading.Event()

    def tick(future):
        done.append(future)
        if len(done) == 10:
            all_done.set()
        if len(done) == 4:
            raise ValueError("in the callback")

    with bench.make() as executor:
        futures = [executor.submit(fail_at, {3}, tmp_path / "log", n) for n in range(10)]
        for future in futures:
            future.add_done_callback(tick)
        assert all_done.wait(WITHIN)
        assert sorted(map(id, done)) == sorted(map(id, futures))
        assert [f.result() for f in futures if not f.exception()] == [
            10 * number for number in range(10) if number != 3
        ]


# ------------------------------------------------------------------------------ 20: overhead
@everywhere
def test_pain_20_a_hundred_thousand_tiny_calls_do_not_take_a_message_each(bench):
    """They travel in batches."""
    if bench.kind == "process":
        pytest.skip("a process for each call is what it is for")
    with bench.make() as executor:
        executor.submit(abs, 1).result()
        before = writes()
        seen = list(executor.map(abs, range(-100_000, 0)))
        assert writes() - before < 2000
        assert seen == list(map(abs, range(-100_000, 0)))


def writes():
    """How often this process has written something, ever."""
    io = Path("/proc/self/io")
    return int(io.read_text().split("syscw:")[1].split()[0]) if io.exists() else 0


class Heavy:
    """An object that counts, in this process, how often it was pickled."""

    pickled = 0

    def __init__(self):
        self.data = np.ones(50_000_000, np.uint8)

    def __getstate__(self):
        Heavy.pickled += 1
        return vars(self)

    def look(self, number):
        """Look at what it has."""
        return int(self.data[number]) + number


@in_processes
def test_pain_20_an_object_of_50_mb_is_not_sent_with_each_call_of_its_method(bench):
    """It is pickled once for all two hundred of them, or thereabouts."""
    heavy, calls = Heavy(), 10 if bench.kind == "process" else 200
    with bench.make() as executor:
        Heavy.pickled = 0
        assert list(executor.map(heavy.look, range(calls))) == list(range(1, calls + 1))
        assert Heavy.pickled <= 4


LONG = 10  # the number of the long call


def outlast(counter, most, number):
    """Count; or, in one of the calls, stay until so many others have counted."""
    if number == LONG:
        return eventually(lambda: counter.value >= most, WITHIN)
    counter.add()
    return number


@each_kind_in_processes
def test_pain_20_one_long_call_among_many_short_ones_does_not_hold_these_up(bench):
    """All but a few that were sent with it are done before it is, and these right after it."""
    calls = 20 if bench.kind == "process" else 100
    counter = SharedCounter()
    with bench.make() as executor:
        assert sorted(executor.map(abs, [-1, -2])) == [1, 2]
        seen = list(executor.map(partial(outlast, counter, calls - 4), range(calls)))
        assert seen == [True if number == LONG else number for number in range(calls)]


# ------------------------------------------------------------------------------ 24: bad beginnings
def refuse(log):
    """As an initializer: note the process, and raise."""
    here(log, os.getpid())
    raise ValueError("no", 1)


@everywhere
def test_pain_24_an_initializer_that_raises_is_heard_of_at_once(bench, tmp_path):
    """With the original error, and without trying again and again."""
    log = tmp_path / "log"
    with bench.make(initializer=refuse, initargs=(log,)) as executor:
        began = time.monotonic()
        with pytest.raises(InitializerError) as raised:
            next(executor.map(abs, range(5)))
        assert time.monotonic() - began < 2.0 + LOADED
        assert told(raised.value.__cause__) == (ValueError, ("no", 1))
    assert len(notes(log)) <= bench.workers, "workers were started again"


def numbers_then_error():
    """Be an input that breaks at 20."""
    yield from range(20)
    raise FailedError("the input", 20)


@everywhere
@pytest.mark.parametrize("method", ["map", "map_unordered"])
def test_pain_24_an_input_that_raises_makes_no_short_list(bench, method):
    """All that came before is delivered, and then its own error."""
    with bench.make() as executor:
        results = getattr(executor, method)(abs, numbers_then_error())
        assert sorted(islice(results, 20)) == list(range(20))
        with pytest.raises(FailedError) as raised:
            next(results)
        assert raised.value.args == ("the input", 20)
        assert list(results) == []
        with pytest.raises(FailedError):
            list(executor.map(abs, numbers_then_error()))
        with pytest.raises(FailedError):
            executor.run(partial(abs, -1) for _ in numbers_then_error())
