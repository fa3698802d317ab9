"""When a call is tried again, after how long, and what is told of it in the end."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar import (
    Options,
    SerialExecutor,
    TaskTimeoutError,
    WorkerDiedError,
    backoff,
    record_of,
)
from taskpar._engine.treatment import Attempts
from taskpar._model.retrying import delay_after, is_retried

seconds = st.floats(0, 1e6)
factors = st.floats(1, 100)
shares = st.floats(0, 1)
attempts = st.integers(1, 10_000)


# ------------------------------------------------------------------------------ after which errors
@pytest.mark.parametrize(
    ("retry_on", "error", "again"),
    [
        (None, ValueError(), True),
        (None, TaskTimeoutError(), True),
        (None, WorkerDiedError(), False),
        (None, KeyboardInterrupt(), False),
        (None, SystemExit(), False),
        (OSError, FileNotFoundError(), True),
        (OSError, ValueError(), False),
        ((OSError, ValueError), ValueError(), True),
        ((), ValueError(), False),
        (KeyboardInterrupt, KeyboardInterrupt(), True),
        (Exception, WorkerDiedError(), False),
        (BaseException, WorkerDiedError(), False),
        ((BaseException, Exception), WorkerDiedError(), False),
        (WorkerDiedError, WorkerDiedError(), True),
        (WorkerDiedError.__bases__, WorkerDiedError(), True),
        ((Exception, WorkerDiedError), WorkerDiedError(), True),
        (WorkerDiedError, ValueError(), False),
    ],
    ids=repr,
)
def test_which_errors_are_tried_again(retry_on, error, again):
    """Every exception, or those that are named; a death only by a name of its own."""
    assert is_retried(error, Options(retries=1, retry_on=retry_on)) is again


# ------------------------------------------------------------------------------ after how long
@given(attempts)
def test_a_delay_is_a_number_or_what_a_function_returns(attempt):
    """None is none; the function is told which attempt has failed."""
    assert delay_after(attempt, Options()) == 0.0
    assert delay_after(attempt, Options(retry_delay=2)) == 2.0
    assert delay_after(attempt, Options(retry_delay=lambda n: n / 2)) == attempt / 2
    assert type(delay_after(attempt, Options(retry_delay=lambda n: n))) is float


@pytest.mark.parametrize(
    ("returned", "error"),
    [(None, TypeError), ("1", TypeError), (True, TypeError), (-1, ValueError)]
    + [(float(wrong), ValueError) for wrong in ("inf", "nan")],
)
def test_a_function_that_returns_no_delay_is_told_so(returned, error):
    """As an option that is none would be."""
    with pytest.raises(error, match=r"^retry_delay must return seconds"):
        delay_after(1, Options(retry_delay=lambda _: returned))


@given(seconds, factors, seconds, shares, attempts)
def test_a_backoff_grows_to_its_longest_less_a_random_part(first, factor, longest, jitter, attempt):
    """The law of `backoff`, also where the power is beyond all floats."""
    delay = backoff(first, factor=factor, longest=longest, jitter=jitter)(attempt)
    try:
        grown = min(longest, first * factor ** (attempt - 1))
    except OverflowError:
        grown = longest
    assert grown * (1 - jitter) - 1e-6 <= delay <= grown
    assert jitter or delay == grown


def test_a_backoff_without_arguments_is_what_most_want():
    """A tenth of a second, then twice as long each time, up to a minute; at least half of that."""
    delay = backoff()
    for attempt, grown in ((1, 0.1), (2, 0.2), (5, 1.6), (10, 51.2), (11, 60), (99, 60)):
        assert grown / 2 <= delay(attempt) <= grown


def test_not_all_that_failed_together_come_back_together():
    """Delays differ, and the caller's random numbers are not touched."""
    random.seed(1)
    before = random.getstate()
    delay = backoff()
    assert len({delay(1) for _ in range(20)}) == 20
    assert random.getstate() == before


@pytest.mark.parametrize(
    "wrong", [{"first": -1}, {"factor": 0.5}, {"longest": -1}, {"jitter": 2}, {"jitter": -0.1}]
)
def test_a_backoff_with_a_number_out_of_its_range_is_refused(wrong):
    """The message shows all four."""
    with pytest.raises(ValueError, match=r"first=.*factor=.*longest=.*jitter="):
        backoff(**wrong)


# ------------------------------------------------------------------------------ what is told of it
class UnspeakableError(ValueError):
    """Its text cannot be had."""

    def __str__(self):
        raise ZeroDivisionError


def test_attempts_tell_what_came_of_the_earlier_ones():
    """By their numbers, each with its error; a call that was not tried again has none."""
    made = Attempts(Options(retries=3, retry_delay=lambda n: n * 10))
    assert made.retry(5, 1, ValueError("a"), None) == 10
    assert made.retry(6, 1, UnspeakableError(), None) == 10
    assert made.retry(5, 2, KeyError("b" * 999), None) == 20
    attempt, told = made.made(5)
    assert attempt == 3
    assert told[0] == "attempt 1: ValueError: a"
    assert told[1].startswith("attempt 2: KeyError: 'bbb")
    assert len(told[1]) < 250
    assert made.made(6) == (2, ["attempt 1: UnspeakableError: (cannot be shown)"])
    assert made.made(7) == (1, ())


def test_attempts_are_forgotten_when_they_are_home():
    """An endless row of calls, each tried twice, takes no memory."""
    made = Attempts(Options(retries=1))
    for call in range(10):
        made.retry(call, 1, ValueError(), None)
    made.forget(0, 5)
    assert [made.made(call)[0] for call in range(10)] == [1] * 5 + [2] * 5
    assert made.made(9) == (1, ())


def test_a_delay_that_cannot_be_had_ends_the_attempts_and_is_told():
    """The function of the user's has raised: the call's own error stands, with a note of that."""
    made = Attempts(Options(retries=3, retry_delay=lambda n: 0 if n == 1 else n / 0))
    assert made.retry(0, 1, ValueError("a"), None) == 0
    assert made.retry(0, 2, ValueError("b"), None) is None
    attempt, told = made.made(0)
    assert attempt == 2
    assert told[0] == "attempt 1: ValueError: a"
    assert told[1] == "not tried again, as retry_delay raised ZeroDivisionError: division by zero"


def test_an_error_that_is_not_to_be_tried_again_is_not_counted():
    """It is the last one."""
    made = Attempts(Options(retries=3, retry_on=OSError))
    assert made.retry(0, 1, OSError("a"), None) == 0
    assert made.retry(0, 2, ValueError("b"), None) is None
    assert made.made(0) == (2, ["attempt 1: OSError: a"])


def fail(number):
    """Fail, each time."""
    raise ValueError(number)


def test_what_is_told_stands_behind_the_notes_of_the_task():
    """First what the call is, then what came of its earlier attempts."""
    with SerialExecutor() as executor:
        often = executor.options(retries=2, retry_delay=lambda n: 0 if n == 1 else -1)
        for error in (often.submit(fail, 7).exception(), raised(often.map(fail, [7]))):
            assert record_of(error).attempt == 2
            call, first, last = error.__notes__
            assert call.startswith("taskpar: call 0, attempt 2 in process ")
            assert call.endswith(": fail(7)")
            assert first == "taskpar: attempt 1: ValueError: 7"
            assert last.startswith("taskpar: not tried again, as retry_delay raised ValueError: ")


def raised(results):
    """The error of the next result."""
    with pytest.raises(ValueError, match="7") as caught:
        next(results)
    return caught.value
