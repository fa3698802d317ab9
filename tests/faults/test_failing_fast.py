"""Failing fast: an error is known at once, and nothing behind it is begun (problem 13).

**Truth:** once an error is home at position k, nothing beyond k is *started* until the reader has
passed k; then all of it runs. What nobody reads runs to its end.
"""

import time
from concurrent.futures import as_completed
from functools import partial
from itertools import islice

import pytest
from deeds import FailedError, fail_at, here_for, note, noted
from places import LOADED, WITHIN, everywhere, in_processes, outcomes

from rig.executors import Bench
from rig.waiting import eventually
from taskpar import SharedCounter, Task

SHORT = 0.1  # seconds that a call takes: long beside what a busy machine makes of a message


def fail_at_once_at(positions, log, seconds, number):
    """Note the call; raise at some numbers at once, else stay for so many seconds."""
    if number in positions:
        note(log, number)
        raise FailedError(f"at {number}", number)
    return here_for(log, seconds, number)


@everywhere
def test_pain_13_an_early_error_is_heard_of_at_once(bench, tmp_path):
    """Sixteen calls of half a second, the second of which fails: 4 s of work, known within one."""
    log = tmp_path / "log"
    with bench.make() as executor:
        assert sorted(executor.map(abs, [-1, -2])) == [1, 2]
        began = time.monotonic()
        seen = _error_of(executor.map(partial(fail_at_once_at, {1}, log, 0.5), range(16)))
        assert time.monotonic() - began < 1.0 + LOADED
        assert seen == ("at 1", 1)
    # As many as were running beside it, and one more each, until it was known.
    assert len(noted(log)) <= 2 * bench.workers + 1, "calls were started that nobody wanted"


def _error_of(results):
    """Read results until one raises; return only the arguments of that: nobody holds the rest."""
    try:
        list(results)
    except FailedError as error:
        return error.args


@everywhere
def test_pain_13_a_late_error_is_heard_of_when_it_is_its_turn(bench, tmp_path):
    """In the last of a thousand calls."""
    if bench.kind == "process":
        pytest.skip("a process for each of a thousand calls takes too long")
    with bench.make() as executor:
        seen = outcomes(executor.map(partial(fail_at, {999}, tmp_path / "log"), range(1000)))
        assert seen[:999] == [10 * number for number in range(999)]
        assert type(seen[999]) is FailedError


@everywhere
def test_pain_13_an_error_in_the_body_of_with_does_not_wait_for_what_is_queued(bench, tmp_path):
    """Of a thousand calls of 0.1 s only those that had begun are finished."""
    log = tmp_path / "log"
    began = time.monotonic()
    futures = []

    def body():
        with bench.make() as executor:
            if bench.kind != "serial":  # where submit is the call
                futures.extend(executor.submit(here_for, log, 0.1, n) for n in range(500))
            results = executor.map(partial(here_for, log, 0.1), range(500))
            raise ValueError("in the body", results)

    with pytest.raises(ValueError, match="in the body"):
        body()
    assert time.monotonic() - began < 3.0 + LOADED
    assert len(noted(log)) < 100
    assert all(future.done() for future in futures)


@everywhere
def test_pain_13_who_waits_for_futures_that_a_shutdown_has_cancelled_is_told(bench, tmp_path):
    """``as_completed`` ends, with each of them."""
    count = 3 if bench.kind == "serial" else 50  # where submit is the call
    executor = bench.make()
    futures = [executor.submit(here_for, tmp_path / "log", 0.1, n) for n in range(count)]
    executor.shutdown(wait=False, cancel_futures=True)
    seen = list(as_completed(futures, WITHIN))
    assert sorted(map(id, seen)) == sorted(map(id, futures))
    assert bench.kind == "serial" or sum(future.cancelled() for future in seen) > count // 2
    executor.shutdown()


@in_processes
@pytest.mark.parametrize("method", ["map", "map_unordered"])
def test_nothing_behind_an_error_is_started_until_the_reader_has_passed_it(bench, method, tmp_path):
    """Then the rest runs, and its results arrive as if nothing had been."""
    log, count = tmp_path / "log", 16
    with bench.make() as executor:
        assert sorted(executor.map(abs, [-1, -2])) == [1, 2]
        function = partial(fail_at_once_at, {3}, log, SHORT)
        results = getattr(executor, method)(function, range(count))
        assert eventually(lambda: 3 in noted(log), WITHIN)
        stopped = _settled(bench, log)
        assert len(stopped) <= 3 + 1 + 2 * bench.workers, "calls behind the error were started"
        seen = outcomes(results)
        values = [each for each in seen if not isinstance(each, FailedError)]
        assert sorted(values) == [number for number in range(count) if number != 3]
        assert method == "map_unordered" or values == sorted(values)
        assert [type(each) for each in seen].count(FailedError) == 1
    assert sorted(noted(log)) == list(range(count)), "each once"


def _settled(bench, log):
    """What is noted when nothing has been added for some time."""
    patience = 2.0 if bench.kind == "process" else 6 * SHORT  # a process has to be started
    while True:
        before = noted(log)
        if not eventually(lambda before=before: len(noted(log)) > len(before), patience):
            return before


@in_processes
def test_each_error_holds_up_what_is_behind_it(bench, tmp_path):
    """Passing one leads as far as the next, however many there are."""
    log = tmp_path / "log"
    with bench.make() as executor:
        function = partial(fail_at_once_at, {2, 9, 10}, log, SHORT)
        results = executor.map(function, range(18), chunksize=1)
        for bad, good in ((2, 2), (9, 6), (10, 0)):
            assert len(list(islice(results, good))) == good
            eventually(lambda bad=bad: bad in noted(log), WITHIN)
            assert len(_settled(bench, log)) <= bad + 1 + 2 * bench.workers
            with pytest.raises(FailedError) as raised:
                next(results)
            assert raised.value.args[1] == bad
        assert list(results) == list(range(11, 18))
    assert sorted(noted(log)) == list(range(18))


@everywhere
@pytest.mark.parametrize("held", [True, False], ids=["held", "dropped"])
def test_a_map_whose_results_nobody_reads_runs_to_its_end(bench, held, tmp_path):
    """By the end of the ``with``, whatever fails in between: ``ex.map(save, files)``."""
    log = tmp_path / "log"
    with bench.make() as executor:
        results = executor.map(partial(fail_at, {2, 5}, log), range(12))
        if not held:
            del results
        executor.submit(abs, -1).result(WITHIN)
    assert sorted(noted(log)) == list(range(12))


@everywhere
def test_the_error_that_is_raised_is_the_one_that_the_serial_run_raises(bench, tmp_path):
    """Not the one that happened to come first: call 1 fails long after call 3 has."""
    log = tmp_path / "log"
    with bench.make() as executor:
        for run in (
            lambda: list(executor.map(partial(slow_then_fail, log), range(6))),
            lambda: executor.run([Task(slow_then_fail, log, number) for number in range(6)]),
        ):
            with pytest.raises(FailedError) as raised:
                run()
            assert raised.value.args[1] == 1


def slow_then_fail(log, number):
    """Fail at 3 at once, at 1 after some time."""
    if number == 1:
        time.sleep(0.4)
    return fail_at({1, 3}, log, number)


@everywhere
@pytest.mark.parametrize("policy", ["return", "skip", "group"])
def test_where_errors_are_not_raised_in_their_place_nothing_is_held_up(bench, policy, tmp_path):
    """Then they are results like others."""
    log = tmp_path / "log"
    with bench.make() as executor:
        wanting = executor.options(on_error=policy)
        results = wanting.map(partial(fail_at, {0, 4}, log), range(12))
        if bench.kind != "serial":
            assert eventually(lambda: len(noted(log)) == 12, WITHIN)
        results.close()


def test_an_error_of_one_map_does_not_hold_up_another(tmp_path):
    """Nor what is submitted beside it."""
    counter, log = SharedCounter(), tmp_path / "log"
    with Bench("queue").make() as executor:
        failing = executor.map(partial(fail_at, {0}, log), range(20))
        assert eventually(lambda: 0 in noted(log), WITHIN)
        assert list(executor.map(abs, range(-20, 0))) == list(range(20, 0, -1))
        for _ in range(5):
            executor.submit(counter.add).result(WITHIN)
        assert counter.value == 5
        failing.close()
