"""The ledger's rules of options, action by action: limits, retries, fences."""

from math import inf

import pytest
from ledgers import ledger_with

from taskpar._engine.events import (
    Again,
    Blame,
    Broken,
    Died,
    Done,
    Drop,
    Final,
    Kill,
    Look,
    Looked,
    Part,
    Passed,
    Retry,
    Rules,
    Send,
    Settle,
    Shutdown,
    Stop,
    Tick,
    Wanted,
)


# -------------------------------------------------------------------------------------- limits
def test_a_worker_is_looked_at_when_a_call_of_it_may_be_late():
    """Not before: nothing is polled."""
    ledger = ledger_with(2, Rules(2, time_limit=5.0))
    assert ledger.due == 5.0
    assert ledger.handle(Tick(), 4.9) == []
    assert ledger.handle(Tick(), 5.0) == [Look(0)]
    assert ledger.due == inf  # until it is known what was seen


def test_a_call_that_has_run_for_its_limit_is_stopped_and_blamed_as_late():
    """And the rest of its batch goes to another worker."""
    ledger = ledger_with(4, Rules(4, time_limit=5.0))
    ledger.handle(Tick(), 5.0)
    assert ledger.handle(Looked(0, 1, 5.0), 5.0) == [Kill(0, 1)]
    assert ledger.handle(Died(0, 1), 5.1) == [Blame(0, 1, late=True), Send(1, 0, 0, 1)]
    assert ledger.handle(Done(1, 1, 0.1), 5.2) == [Settle(0, 0, 1), Send(2, 0, 2, 4)]


def test_the_limit_is_that_of_a_call_not_of_its_batch():
    """What has run for three of five seconds has two left."""
    ledger = ledger_with(2, Rules(2, time_limit=5.0))
    ledger.handle(Tick(), 5.0)
    assert ledger.handle(Looked(0, 1, 3.0), 5.0) == []
    assert ledger.due == 7.0


def test_a_call_that_ends_as_it_is_stopped_and_does_not_come_home_is_late():
    """It had its time, and is not run twice; the calls beside it are."""
    ledger = ledger_with(3, Rules(3, time_limit=5.0))
    ledger.handle(Tick(), 5.0)
    assert ledger.handle(Looked(0, 1, 5.0), 5.0) == [Kill(0, 1)]
    assert ledger.handle(Died(0, None), 5.1) == [Blame(0, 1, late=True), Send(1, 0, 0, 1)]
    assert ledger.handle(Done(1, 1, 0.1), 5.2) == [Settle(0, 0, 1), Send(2, 0, 2, 3)]


def test_a_call_that_ends_in_the_moment_of_the_kill_is_home():
    """Its outcome arrives, so there is nobody to blame."""
    ledger = ledger_with(1, Rules(time_limit=5.0))
    ledger.handle(Tick(), 5.0)
    assert ledger.handle(Looked(0, 0, 5.0), 5.0) == [Kill(0, 0)]
    assert ledger.handle(Done(0, 1, 5.0), 5.0) == [Settle(0, 0, 1)]


def test_a_call_that_raises_when_it_is_asked_to_stop_is_late():
    """What it raises then is no error of its own; a value that comes just in time counts."""
    ledger = ledger_with(4, Rules(4, time_limit=5.0))
    ledger.handle(Looked(0, 1, 5.0), 5.0)
    told = ledger.handle(Done(0, 2, 5.1, (1,)), 5.1)
    assert told[:2] == [Settle(0, 0, 1), Blame(0, 1, late=True)]
    ledger.handle(Looked(1, 0, 5.0), 10.0)
    assert ledger.handle(Done(1, 1, 5.1), 10.1)[0] == Settle(0, 2, 3)


def test_a_call_behind_a_late_one_is_not_late():
    """The kill came when the late one had just ended; the next one dies of something else."""
    ledger = ledger_with(2, Rules(2, time_limit=5.0))
    ledger.handle(Tick(), 5.0)
    ledger.handle(Looked(0, 0, 5.0), 5.0)
    assert ledger.handle(Part(0, 1, 5.0), 5.0) == [Settle(0, 0, 1)]
    assert ledger.handle(Died(0, 1), 5.1) == [Blame(0, 1, late=False)]


def test_a_worker_that_runs_no_call_is_looked_at_again():
    """It may be starting."""
    ledger = ledger_with(1, Rules(time_limit=5.0))
    ledger.handle(Tick(), 5.0)
    assert ledger.handle(Looked(0, None), 6.0) == []
    assert ledger.due == 11.0


def test_what_is_home_is_not_looked_at():
    """Nothing is due after its time, and late news of it changes nothing."""
    ledger = ledger_with(1, Rules(time_limit=5.0))
    ledger.handle(Done(0, 1, 0.1))
    assert ledger.handle(Tick(), 5.0) == []
    assert ledger.due == inf
    assert ledger.handle(Looked(0, 0, 9.0), 9.0) == []


def test_alarms_of_quick_calls_do_not_pile_up():
    """However long their limit is; and who waits for them is seldom told another time."""
    ledger = ledger_with(10_000, Rules(1, time_limit=3600.0))
    dues = set()
    for ticket in range(9_999):
        ledger.handle(Done(ticket, 1, 0.001), ticket * 0.001)
        dues.add(ledger.due)
        assert len(ledger._alarms._heap) < 100
    assert len(dues) < 200


# ------------------------------------------------------------------------------------- retries
def test_a_failure_is_asked_about_as_long_as_attempts_are_left():
    """Two retries are three attempts; the last failure is home without a question."""
    ledger = ledger_with(1, Rules(retries=2))
    for attempt in (1, 2):
        report = Done(attempt - 1, 1, 0.1, failed=(0,))
        assert ledger.handle(report) == [Retry(0, 0, attempt, offset=0)]
        assert not ledger.idle
        assert ledger.handle(Again(0, 0)) == [Send(attempt, 0, 0, 1)]
    assert ledger.handle(Done(2, 1, 0.1, failed=(0,))) == [Settle(0, 0, 1)]
    assert ledger.idle


def test_outcomes_beside_a_failure_are_home():
    """Each with its place in the report."""
    ledger = ledger_with(5, Rules(5, retries=1))
    assert ledger.handle(Done(0, 5, 0.1, failed=(1, 2))) == [
        Settle(0, 0, 1, offset=0),
        Retry(0, 1, 1, offset=1),
        Retry(0, 2, 1, offset=2),
        Settle(0, 3, 5, offset=3),
    ]


def test_without_retries_outcomes_stay_together():
    """Failures too."""
    ledger = ledger_with(5, Rules(5))
    assert ledger.handle(Done(0, 5, 0.1, failed=(1, 2))) == [Settle(0, 0, 5)]


def test_another_attempt_waits_for_its_time_and_goes_first_then():
    """Others run meanwhile."""
    ledger = ledger_with(3, Rules(1, retries=1))
    assert ledger.handle(Done(0, 1, 0.1, failed=(0,)), 1.0) == [Retry(0, 0, 1, 0), Send(1, 0, 1, 2)]
    assert ledger.handle(Again(0, 0, seconds=10.0), 2.0) == []
    assert ledger.due == 12.0
    assert ledger.handle(Tick(), 12.0) == []
    assert ledger.handle(Done(1, 1, 0.1), 12.0) == [Settle(0, 1, 2), Send(2, 0, 0, 1)]


def test_a_final_answer_settles_with_the_outcome_that_was_asked_about():
    """A death is blamed, an exception is where it was in the report."""
    ledger = ledger_with(3, Rules(3, retries=1))
    assert ledger.handle(Part(0, 2, 0.1, failed=(1,))) == [Settle(0, 0, 1), Retry(0, 1, 1, 1)]
    assert ledger.handle(Died(0, 2)) == [Retry(0, 2, 1, offset=None)]
    assert ledger.handle(Final(0, 1, offset=1)) == [Settle(0, 1, 2, offset=1)]
    assert ledger.handle(Final(0, 2)) == [Blame(0, 2)]


@pytest.mark.parametrize("answer", [Again(0, 0), Final(0, 0, 0)])
def test_a_question_is_answered_once(answer):
    """A second answer, or one to no question, changes nothing."""
    ledger = ledger_with(1, Rules(retries=1))
    assert ledger.handle(answer) == []
    ledger.handle(Done(0, 1, 0.1, failed=(0,)))
    assert len(ledger.handle(answer)) == 1
    assert ledger.handle(answer) == []


def test_a_call_for_a_fresh_worker_is_sent_alone():
    """Until it is home, also when such a worker dies before it starts the call."""
    ledger = ledger_with(3, Rules(3, retries=1))
    assert ledger.handle(Died(0, 0)) == [Retry(0, 0, 1), Send(1, 0, 1, 3)]
    ledger.handle(Again(0, 0, fresh=True))
    assert ledger.handle(Done(1, 0, 0.0)) == [Send(2, 0, 1, 3)]
    assert ledger.handle(Done(2, 2, 0.1)) == [Settle(0, 1, 3), Send(3, 0, 0, 1, fresh=True)]
    assert ledger.handle(Died(3, None)) == [Send(4, 0, 0, 1, fresh=True)]


def test_when_all_ends_nothing_is_tried_again():
    """Neither what fails then, nor what was asked about before, nor what waits for its time."""
    ledger = ledger_with(3, Rules(1, retries=1), slots=3)
    ledger.handle(Done(0, 1, 0.1, failed=(0,)))
    ledger.handle(Again(0, 0, seconds=9.0))
    ledger.handle(Done(1, 1, 0.1, failed=(0,)))
    assert ledger.handle(Shutdown(cancel=True)) == [Drop(0, 0, 1, broken=False)]
    assert ledger.handle(Again(0, 1)) == [Drop(0, 1, 2, broken=False)]
    assert ledger.handle(Done(2, 1, 0.1, failed=(0,))) == [Settle(0, 2, 3), Stop()]


def test_a_broken_executor_tries_nothing_again():
    """What waits for its time is dropped, and so is what is answered later."""
    ledger = ledger_with(2, Rules(1, retries=1), slots=2)
    ledger.handle(Done(0, 1, 0.1, failed=(0,)))
    ledger.handle(Done(1, 1, 0.1, failed=(0,)))
    ledger.handle(Again(0, 0, seconds=9.0))
    assert ledger.handle(Broken()) == [Drop(0, 0, 1, broken=True)]
    assert ledger.handle(Again(0, 1)) == [Drop(0, 1, 2, broken=True)]


# -------------------------------------------------------------------------------------- fences
def test_nothing_behind_an_unread_error_is_sent():
    """What is in front of it is, and all of it when the error has been read."""
    ledger = ledger_with(6, Rules(1, fail_fast=True), slots=2)
    assert ledger.handle(Done(1, 1, 0.1, failed=(0,))) == [Settle(0, 1, 2)]
    assert ledger.handle(Done(0, 0, 0.0)) == [Send(2, 0, 0, 1)]
    assert ledger.handle(Passed(0, 1)) == [Send(3, 0, 2, 3)]


def test_a_blame_is_an_error_that_must_be_read():
    """The rest of its batch waits."""
    ledger = ledger_with(3, Rules(3, fail_fast=True))
    assert ledger.handle(Died(0, 0)) == [Blame(0, 0)]
    assert ledger.handle(Passed(0, 0)) == [Send(1, 0, 1, 3)]


def test_who_reads_no_errors_is_not_waited_for():
    """All fences fall, and none is put up any more."""
    ledger = ledger_with(3, Rules(1, fail_fast=True))
    ledger.handle(Done(0, 1, 0.1, failed=(0,)))
    assert ledger.handle(Passed(0, None)) == [Send(1, 0, 1, 2)]
    assert ledger.handle(Done(1, 1, 0.1, failed=(0,))) == [Settle(0, 1, 2), Send(2, 0, 2, 3)]


def test_after_a_shutdown_no_reader_is_waited_for():
    """All that was submitted runs."""
    ledger = ledger_with(3, Rules(1, fail_fast=True))
    ledger.handle(Done(0, 1, 0.1, failed=(0,)))
    assert ledger.handle(Shutdown()) == [Send(1, 0, 1, 2)]
    assert ledger.handle(Done(1, 1, 0.1, failed=(0,))) == [Settle(0, 1, 2), Send(2, 0, 2, 3)]


def test_an_offered_thread_runs_nothing_behind_an_unread_error():
    """The fence holds where calls run only when they are wanted, too."""
    ledger = ledger_with(3, Rules(fail_fast=True), slots=0)
    ledger.handle(Wanted(0, 1))
    ledger.handle(Done(0, 1, 0.1, failed=(0,)))
    assert ledger.handle(Wanted(0, 2)) == []
    assert ledger.handle(Wanted()) == [Send(1, 0, 0, 1)]
    ledger.handle(Passed(0, 1))
    assert ledger.handle(Wanted(0, 2)) == [Send(2, 0, 2, 3)]
