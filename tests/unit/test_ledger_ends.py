"""The ledger's rules for what ends, action by action: cancelling, killing, engines of others."""

from ledgers import ledger_with

from taskpar._engine.events import (
    ANY,
    Again,
    Blame,
    Cancelled,
    Closed,
    Died,
    Done,
    Drop,
    Kill,
    Part,
    Resized,
    Retry,
    Rules,
    Send,
    Settle,
    Shutdown,
    Stop,
    Submitted,
    Tick,
)


# -------------------------------------------------------------------------- cancelling, killing
def test_a_cancelled_call_is_stopped_and_dropped():
    """Alone in its batch it is stopped whatever its worker does."""
    ledger = ledger_with(1, Rules())
    assert ledger.handle(Cancelled(0, 0)) == [Kill(0, None)]
    assert ledger.handle(Died(0, 0)) == [Drop(0, 0, 1, broken=False)]


def test_a_cancelled_call_is_stopped_only_while_it_runs_if_others_are_with_it():
    """An innocent is never killed; the cancelled one runs nowhere else."""
    ledger = ledger_with(3, Rules(3))
    assert ledger.handle(Cancelled(0, 1)) == [Kill(0, 1)]
    assert ledger.handle(Died(0, 0)) == [
        Blame(0, 0),
        Drop(0, 1, 2, broken=False),
        Send(1, 0, 2, 3),
    ]


def test_a_cancelled_call_is_not_tried_again():
    """Neither out, nor asked about, nor waiting for its time."""
    ledger = ledger_with(3, Rules(1, retries=1), slots=3)
    ledger.handle(Done(0, 1, 0.1, failed=(0,)))
    ledger.handle(Again(0, 0, seconds=9.0))
    assert ledger.handle(Cancelled(0, 0)) == [Drop(0, 0, 1, broken=False)]
    assert ledger.handle(Tick(), 9.0) == []
    ledger.handle(Done(1, 1, 0.1, failed=(0,)))
    assert ledger.handle(Cancelled(0, 1)) == []
    assert ledger.handle(Again(0, 1)) == [Drop(0, 1, 2, broken=False)]
    assert ledger.handle(Cancelled(0, 2)) == [Kill(2, None)]
    assert ledger.handle(Done(2, 1, 0.1, failed=(0,))) == [Settle(0, 2, 3)]


def test_closing_a_job_stops_its_workers_if_its_rules_say_so():
    """Those of other jobs, and of one that may run on, are left alone."""
    ledger = ledger_with(1, Rules(kill=True), slots=2)
    ledger.handle(Submitted(1, 0, 2, Rules(1)))
    assert ledger.handle(Closed(1)) == []
    assert ledger.handle(Closed(0)) == [Kill(0, None)]


def test_a_shutdown_may_stop_what_runs():
    """What ran is dropped, what is left of its batch too, if it cancels."""
    ledger = ledger_with(3, Rules(3))
    assert ledger.handle(Shutdown(cancel=True, kill=True)) == [Kill(0, None)]
    drops = [Drop(0, start, start + 1, broken=False) for start in (1, 2, 0)]
    assert ledger.handle(Died(0, 1)) == [*drops, Stop()]


def test_workers_that_are_stopped_never_break_the_executor():
    """However many die so before they start a call."""
    ledger = ledger_with(50, Rules(1))
    for ticket in range(50):
        ledger.handle(Cancelled(0, ticket))
        ledger.handle(Died(ticket, None))
    assert not ledger.broken
    assert ledger.idle


# ------------------------------------------------------------------ engines that are not ours
def test_where_nobody_knows_which_call_ran_all_that_were_out_are_to_blame():
    """Each may have been started, so none is started again; what is home stays home."""
    ledger = ledger_with(4, Rules(3))
    ledger.handle(Part(0, 1, 0.1))
    blamed = [Blame(0, 1, late=False), Blame(0, 2, late=False)]
    assert ledger.handle(Died(0, ANY)) == [*blamed, Send(1, 0, 3, 4)]


def test_where_nobody_knows_which_call_ran_each_may_be_tried_again_if_that_was_asked_for():
    """As after any other failure, each by its own."""
    ledger = ledger_with(2, Rules(2, retries=1))
    asked = [Retry(0, call, 1, None, late=False) for call in (0, 1)]
    assert ledger.handle(Died(0, ANY)) == asked
    assert ledger.handle(Again(0, 1, 0.0, fresh=True)) == [Send(1, 0, 1, 2, fresh=True)]


def test_slots_that_come_get_calls_at_once():
    """Whatever waits."""
    ledger = ledger_with(3, Rules(1))
    assert ledger.handle(Resized(3)) == [Send(1, 0, 1, 2), Send(2, 0, 2, 3)]


def test_slots_that_go_take_no_more_calls():
    """As long as more is out than there are slots, nothing is sent."""
    ledger = ledger_with(4, Rules(1), slots=2)
    assert ledger.handle(Resized(1)) == []
    assert ledger.handle(Done(0, 1, 0.1)) == [Settle(0, 0, 1)]
    assert ledger.handle(Done(1, 1, 0.1)) == [Settle(0, 1, 2), Send(2, 0, 2, 3)]


def test_an_engine_may_have_no_slots_for_a_while():
    """Calls wait until there are some."""
    ledger = ledger_with(1, Rules(), slots=0)
    assert ledger.full
    assert ledger.handle(Resized(1)) == [Send(0, 0, 0, 1)]
