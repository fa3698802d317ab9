"""Retries: a call that fails is tried again, so often and so late as was asked for.

**Truth:** order and values are those of a run in which the call had succeeded at once; no call is
tried more often than was asked for; after the last attempt its last error stands, and the earlier
ones are told in its notes.
"""

import os
from collections import Counter
from functools import partial

import pytest
from deeds import (
    FailedError,
    die_first,
    exited_well,
    fail_first,
    here,
    killed,
    noted,
    notes,
    stay_at,
)
from places import WITHIN, each_kind_in_processes, everywhere, in_processes, outcomes, told

from taskpar import CrossingError, Task, TaskTimeoutError, WorkerDiedError, parallel, record_of, use

COUNT = 6
WANTED = [10 * number for number in range(COUNT)]


# ------------------------------------------------------------------------------ what comes of it
@everywhere
@pytest.mark.parametrize("chunksize", [None, 3])
def test_retries_keep_order_and_values(bench, chunksize, tmp_path):
    """Each call fails twice, and then succeeds; nobody can tell from the results."""
    log = tmp_path / "log"
    with bench.make() as executor:
        function = partial(fail_first, 2, log)
        trying = executor.options(retries=2)
        assert list(trying.map(function, range(COUNT), chunksize=chunksize)) == WANTED
        assert Counter(noted(log)) == dict.fromkeys(range(COUNT), 3)


METHODS = {
    "map_unordered": lambda ex, f: sorted(ex.map_unordered(f, range(COUNT))),
    "starmap": lambda ex, f: list(ex.starmap(f, [(number,) for number in range(COUNT)])),
    "starmap_unordered": lambda ex, f: sorted(ex.starmap_unordered(f, zip(range(COUNT)))),
    "run": lambda ex, f: ex.run([Task(f, number) for number in range(COUNT)]),
    "submit": lambda ex, f: [
        future.result(WITHIN) for future in [ex.submit(f, number) for number in range(COUNT)]
    ],
    "an iterator": lambda ex, f: list(ex.map(f, iter(range(COUNT)), buffersize=2)),
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_tries_again(executor, method, tmp_path):
    """As `map` does."""
    log = tmp_path / "log"
    trying = executor.options(retries=1)
    assert METHODS[method](trying, partial(fail_first, 1, log)) == WANTED
    assert Counter(noted(log)) == dict.fromkeys(range(COUNT), 2)


@everywhere
def test_after_the_last_attempt_the_last_error_stands_with_the_earlier_ones_noted(bench, tmp_path):
    """The calls beside it are tried no more often than they need."""
    log = tmp_path / "log"
    with bench.make() as executor:
        trying = executor.options(retries=2)
        seen = outcomes(trying.map(partial(fail_always_at_2, log), range(COUNT)))
        assert [each for number, each in enumerate(seen) if number != 2] == [0, 10, 30, 40, 50]
        error = seen[2]
        assert told(error) == (FailedError, ("2 failed, attempt 3",))
        record = record_of(error)
        assert (record.index, record.attempt) == (2, 3)
        text = "\n".join(error.__notes__)
        assert "attempt 1: FailedError: 2 failed, attempt 1" in text
        assert "attempt 2: FailedError: 2 failed, attempt 2" in text
        assert "attempt 3: FailedError" not in text
    assert Counter(noted(log)) == {number: 3 if number == 2 else 1 for number in range(COUNT)}


def fail_always_at_2(log, number):
    """Fail, whatever the attempt."""
    return fail_first(99 if number == 2 else 0, log, number)


@everywhere
def test_a_future_tells_which_attempt_it_was(bench, tmp_path):
    """Whether it succeeded or not."""
    with bench.make() as executor:
        trying = executor.options(retries=3)
        future = trying.submit(fail_first, 2, tmp_path / "log", 1)
        assert future.result(WITHIN) == 10
        assert record_of(future).attempt == 3
        future = trying.submit(fail_first, 99, tmp_path / "log", 2)
        assert type(future.exception(WITHIN)) is FailedError
        assert record_of(future).attempt == record_of(future.exception()).attempt == 4


# ------------------------------------------------------------------------------ after which errors
def refuse(log, error, number):
    """Note the attempt, and raise."""
    here(log, number)
    raise error


@everywhere
@pytest.mark.parametrize(
    ("error", "named", "attempts"),
    [
        (ValueError("x"), None, 3),
        (ValueError("x"), ValueError, 3),
        (UnicodeError("x"), (KeyError, ValueError), 3),
        (ValueError("x"), KeyError, 1),
        (SystemExit(3), None, 1),
        (KeyboardInterrupt(), Exception, 1),
        (SystemExit(3), SystemExit, 3),
    ],
    ids=repr,
)
def test_only_the_errors_that_are_named_are_tried_again(bench, error, named, attempts, tmp_path):
    """None named: every `Exception`, which what ends programs is not."""
    log = tmp_path / "log"
    with bench.make() as executor:
        trying = executor.options(retries=2, retry_on=named)
        assert told(trying.submit(refuse, log, error, 0).exception(WITHIN)) == told(error)
        (seen,) = outcomes(trying.map(partial(refuse, log, error), [1]))
        assert told(seen) == told(error)
    assert Counter(noted(log)) == {0: attempts, 1: attempts}


@in_processes
@pytest.mark.parametrize("named", [None, Exception, BaseException, (Exception, KeyError)], ids=str)
def test_a_call_that_killed_its_worker_is_not_tried_again_unless_that_is_named(
    bench, named, tmp_path
):
    """It may do so again, and all that it holds of the machine with it."""
    log = tmp_path / "log"
    with bench.make() as executor:
        trying = executor.options(retries=3, retry_on=named)
        seen = outcomes(trying.map(partial(die_first, 1, log), range(4)))
        assert (type(seen[2]), seen[2].attempt) == (WorkerDiedError, 1)
    assert Counter(noted(log)) == dict.fromkeys(range(4), 1)


@in_processes
@pytest.mark.parametrize("named", [WorkerDiedError, (KeyError, WorkerDiedError)], ids=str)
def test_a_call_that_killed_its_worker_is_tried_again_in_a_fresh_worker(bench, named, tmp_path):
    """Which has run nothing else; the others of its batch are run once, or as L13 allows."""
    log = tmp_path / "log"
    with bench.make() as executor:
        trying = executor.options(retries=2, retry_on=named)
        results = trying.map(partial(die_first, 2, log), range(5), chunksize=5)
        assert list(results) == [0, 10, 20, 30, 40]
    rows = notes(log)
    pids = [pid for number, pid, _ in rows if number == "2"]
    assert len(set(pids)) == 3
    for fresh in pids[1:]:
        first = next(number for number, pid, _ in rows if pid == fresh)
        assert first == "2", "it had run another call before"
    assert Counter(noted(log))[3] == Counter(noted(log))[4] == 1


@each_kind_in_processes
def test_a_call_that_keeps_killing_workers_ends_as_an_error_that_tells_of_them(bench, tmp_path):
    """Its attempts are counted, and each death is told."""
    with bench.make() as executor:
        trying = executor.options(retries=2, retry_on=WorkerDiedError)
        error = trying.submit(killed).exception(WITHIN)
        assert (type(error), error.attempt) == (WorkerDiedError, 3)
        text = "\n".join(error.__notes__)
        assert "attempt 1: WorkerDiedError" in text
        assert "attempt 2: WorkerDiedError" in text
        error = trying.submit(exited_well).exception(WITHIN)
        assert (type(error), error.attempt, error.exitcode) == (WorkerDiedError, 3, 0)


@each_kind_in_processes
def test_a_call_that_was_late_is_tried_again(bench, tmp_path):
    """A `TaskTimeoutError` is an error like others."""
    log = tmp_path / "log"
    with bench.make() as executor:
        assert sorted(executor.map(abs, [-1, -2])) == [1, 2]
        trying = executor.options(retries=1, time_limit=1.0)
        seen = outcomes(trying.map(partial(stay_at, {1}, "sleeping", log), range(4)))
        assert (type(seen[1]), seen[1].attempt) == (TaskTimeoutError, 2)
        assert seen[:1] + seen[2:] == [0, 20, 30]
    assert Counter(noted(log)) == {0: 1, 1: 2, 2: 1, 3: 1}


class Refuses:
    """Cannot be pickled."""

    def __reduce__(self):
        raise ValueError("not me")


@each_kind_in_processes
def test_what_cannot_cross_ends_as_an_error_after_so_many_attempts(bench):
    """It is an `Exception`, too, and loses nothing else."""
    with bench.make() as executor:
        trying = executor.options(retries=2)
        seen = outcomes(trying.map(type, [1, Refuses(), 2]))
        assert [seen[0], type(seen[1]), seen[2]] == [int, CrossingError, int]


@parallel(retries=1)
def flaky(log, number):
    """Succeed at the second attempt."""
    return fail_first(1, log, number)


def test_a_decorated_function_has_retries_of_its_own(executor, tmp_path):
    """In parallel; called plainly, it is what it is."""
    with use(executor):
        assert list(flaky.starmap([(tmp_path / "log", number) for number in range(3)])) == [
            0,
            10,
            20,
        ]
    with pytest.raises(FailedError):
        flaky(tmp_path / "another", 1)


@pytest.mark.parametrize("wrong", [{"retries": -1}, {"retry_delay": -0.1}], ids=str)
def test_options_that_make_no_sense_are_refused(executor, wrong):
    """At once."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        executor.options(**wrong)
    for mistaken in ({"retries": 1.5}, {"retry_on": "ValueError"}, {"retry_delay": "1"}):
        with pytest.raises(TypeError, match=next(iter(mistaken))):
            executor.options(**mistaken)
    assert executor.submit(os.getpid).result(WITHIN)
