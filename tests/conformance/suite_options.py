"""What every backend must do with the options of calls: retries, policies, limits; see `suite`."""

import time
from collections.abc import Callable

from suite import TroubleError, picky
from watched import WITHIN, Subject, raised

from laws.oracle import outcome_of, outcomes
from rig.waiting import eventually
from taskpar import CapabilityError, SharedCounter, TaskTimeoutError, record_of


def calls_that_fail_are_tried_again(subject: Subject) -> None:
    """As often as is asked for, also in the middle of a batch; the others run once, in order."""
    count = subject.calls // 10
    with subject.executor() as executor:
        often = executor.options(retries=2)
        for chunksize in (None, 4):
            results = often.map(picky, range(count), chunksize=chunksize)
            for number in range(count):
                seen = outcome_of(results.__next__)
                assert seen == outcome_of(lambda number=number: picky(number))
            assert type(raised(results.__next__)) is StopIteration
        for future in (often.submit(picky, 3), executor.options(retries=1).submit(picky, 8)):
            record = record_of(future.exception(WITHIN))
            assert record is not None
            assert record.attempt == (3 if record.input == "picky(3)" else 2)
        assert often.submit(picky, 4).result(WITHIN) == 40


def delayed_attempts_are_not_waited_for_by_others(subject: Subject) -> None:
    """A call that waits for its time takes nobody's place, and is still there at the shutdown."""
    with subject.executor() as executor:
        patient = executor.options(retries=1, retry_delay=0.2)
        began = time.monotonic()
        failing = [patient.submit(picky, 3) for _ in range(2 * executor.backend.slots)]
        assert executor.submit(abs, -1).result(WITHIN) == 1
        for future in failing:
            assert type(future.exception(WITHIN)) is TroubleError
            assert time.monotonic() - began >= 0.2
        late = patient.submit(picky, 8)
    assert type(late.exception(WITHIN)) is TroubleError


def errors_are_raised_returned_left_out_or_collected(subject: Subject) -> None:
    """What ``on_error`` says, with the other results where they would be."""
    count = subject.calls // 10
    good = [number * 10 for number in range(count) if number % 5 != 3]
    bad = [number for number in range(count) if number % 5 == 3]
    with subject.executor() as executor:
        returned = list(executor.options(on_error="return").map(picky, range(count)))
        errors = {place: each for place, each in enumerate(returned) if type(each) is TroubleError}
        assert [(place, error.number) for place, error in errors.items()] == [
            (each, each) for each in bad
        ]
        assert [each for each in returned if type(each) is int] == good
        assert list(executor.options(on_error="skip").map(picky, range(count))) == good
        results = executor.options(on_error="group").map(picky, range(count))
        assert [next(results) for _ in good] == good
        group = raised(results.__next__)
        assert isinstance(group, ExceptionGroup)
        assert [error.number for error in group.exceptions] == bad  # type: ignore[attr-defined]
        assert list(results) == []


def started(counter: SharedCounter, number: int) -> int:
    """Count the start, and fail at once or be done after a while."""
    counter.add()
    if number == 0:
        raise TroubleError(number)
    return int(nap(0.02))


def nothing_is_started_behind_an_error_that_nobody_has_seen(subject: Subject) -> None:
    """Except for what is out already; a map of which nobody has the results goes on."""
    with subject.executor() as executor:
        assert executor.submit(abs, -1).result(WITHIN) == 1  # some learn late of their slots
        counter, slots = SharedCounter(), executor.backend.slots
        results = executor.map(started, [counter] * 10 * slots, range(10 * slots), chunksize=1)
        assert executor.backend.inline or eventually(lambda: counter.value, WITHIN)
        futures = [executor.submit(nap, 0.04) for _ in range(2 * slots)]
        assert [future.result(WITHIN) for future in futures] == [0.04] * len(futures)
        assert counter.value <= 4 * slots
        assert type(raised(results.__next__)) is TroubleError
        assert next(results) == 0
        results.close()
        counter.reset()
        executor.map(started, [counter] * 9, [0] * 9, chunksize=1)
    assert counter.value >= 9


def nap(seconds: float) -> float:
    """Sleep."""
    time.sleep(seconds)
    return seconds


def calls_are_stopped_or_that_is_refused(subject: Subject) -> None:
    """Past its time limit a call fails alone; where none can be stopped, that is said at once."""
    with subject.executor() as executor:
        if not executor.backend.can_kill:
            for option in ({"time_limit": 1}, {"cancel_running": True}):
                error = raised(lambda option=option: executor.options(**option))  # type: ignore[arg-type]
                assert type(error) is CapabilityError
            return
        limited = executor.options(time_limit=0.5)
        began = time.monotonic()
        seen = outcomes(limited.map(nap, [0.01, WITHIN, 0.02, 0.03], chunksize=4), 5)
        assert time.monotonic() - began < WITHIN
        assert [outcome[0] for outcome in seen] == ["value", "error", "value", "value", "end"]
        error = limited.submit(nap, WITHIN).exception(WITHIN)
        assert type(error) is TaskTimeoutError
        future = executor.options(cancel_running=True).submit(nap, WITHIN)
        assert eventually(future.running, WITHIN)
        assert future.cancel()
        assert executor.submit(abs, -1).result(WITHIN) == 1
    assert time.monotonic() - began < WITHIN


OPTION_CHECKS: tuple[Callable[[Subject], None], ...] = (
    calls_that_fail_are_tried_again,
    delayed_attempts_are_not_waited_for_by_others,
    errors_are_raised_returned_left_out_or_collected,
    nothing_is_started_behind_an_error_that_nobody_has_seen,
    calls_are_stopped_or_that_is_refused,
)
