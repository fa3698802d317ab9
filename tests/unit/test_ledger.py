"""The ledger's rules one by one: what it says to each event, written down action by action."""

import pytest

from taskpar._engine.events import (
    Blame,
    Broken,
    Closed,
    Died,
    Done,
    Drop,
    Part,
    Rules,
    Send,
    Settle,
    Shutdown,
    Stop,
    Submitted,
    Wanted,
)
from taskpar._engine.ledger import MAX_BARREN_DEATHS, Ledger
from taskpar._engine.lengths import TARGET_SECONDS
from taskpar._engine.waiting import (
    EVEN_PART,
    FIRST_BATCH,
    LEAST_PART,
    LEAST_PART_AFAR,
    SHARE_AFAR,
    USUAL,
    Bounds,
)


def sizes(actions):
    """How long the batches are that are sent."""
    return [action.stop - action.start for action in actions if isinstance(action, Send)]


def test_a_batch_goes_to_each_free_slot_and_the_rest_waits():
    """Two slots, chunks of two: two batches leave, one call waits."""
    ledger = Ledger(slots=2)
    assert ledger.handle(Submitted(7, 0, 5, Rules(2))) == [Send(0, 7, 0, 2), Send(1, 7, 2, 4)]
    assert ledger.waiting(7) == 1
    assert not ledger.idle


def test_a_done_settles_its_calls_and_frees_its_slot():
    """The outcome first, then the next batch."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 3, Rules(2)))
    assert ledger.handle(Done(0, 2, 0.1)) == [Settle(0, 0, 2), Send(1, 0, 2, 3)]
    assert ledger.handle(Done(1, 1, 0.1)) == [Settle(0, 2, 3)]
    assert ledger.idle


def test_parts_settle_a_prefix_and_keep_the_slot():
    """A ticket stays out until its done, whatever has come of it."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 6, Rules(5)))
    assert ledger.handle(Part(0, 2, 0.1)) == [Settle(0, 0, 2)]
    assert ledger.handle(Part(0, 0, 0.1)) == []
    assert ledger.handle(Part(0, 3, 0.1)) == [Settle(0, 2, 5)]
    assert ledger.handle(Done(0, 0, 0.0)) == [Send(1, 0, 5, 6)]


def test_what_a_done_leaves_over_is_sent_before_what_was_never_sent():
    """A prefix is home; the rest goes first, in a batch of its own."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 9, Rules(4)))
    assert ledger.handle(Done(0, 1, 0.1)) == [Settle(0, 0, 1), Send(1, 0, 1, 4)]
    assert ledger.handle(Done(1, 0, 0.1)) == [Send(2, 0, 1, 4)]


def test_a_death_blames_the_call_that_ran_and_sends_the_others_again():
    """The calls before it may have run, but their outcomes died with the worker."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 5, Rules(5)))
    assert ledger.handle(Died(0, 2)) == [Blame(0, 2), Send(1, 0, 0, 2)]
    assert ledger.handle(Done(1, 2, 0.1)) == [Settle(0, 0, 2), Send(2, 0, 3, 5)]


def test_a_position_counts_from_the_batch_as_it_was_sent():
    """Two are home, and position 3 still is call 3."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 5, Rules(5)))
    ledger.handle(Part(0, 2, 0.1))
    assert ledger.handle(Died(0, 3)) == [Blame(0, 3), Send(1, 0, 2, 3)]


def test_a_death_before_the_first_call_blames_nobody():
    """The whole batch is sent again."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 2, Rules(2)))
    assert ledger.handle(Died(0, None)) == [Send(1, 0, 0, 2)]


@pytest.mark.parametrize("slots", [1, 4])
def test_workers_that_die_before_they_start_anything_break_the_executor(slots):
    """All idle ones may have been killed at once, one a slot; some more in a row are too many."""
    ledger = Ledger(slots)
    ledger.handle(Submitted(0, 0, slots, Rules(1)))
    for ticket in range(MAX_BARREN_DEATHS + slots):
        assert [type(action) for action in ledger.handle(Died(ticket, None))] == [Send]
    assert not ledger.broken
    actions = ledger.handle(Died(MAX_BARREN_DEATHS + slots, None))
    assert ledger.broken
    assert [type(action) for action in actions] == [Drop]
    assert actions[0].broken


def test_workers_that_die_after_they_did_something_never_break_it():
    """Each run of calls that comes home is a proof that workers can be made."""
    ledger = Ledger(slots=2)
    ledger.handle(Submitted(0, 0, 100, Rules(3)))
    for ticket in range(40):
        ledger.handle(Part(ticket, 1, 0.1))
        ledger.handle(Died(ticket, None))
    assert not ledger.broken


def test_jobs_take_turns():
    """A long job does not keep a later one waiting, nor does the rest of a short one."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 2, Rules(2)))
    ledger.handle(Submitted(1, 0, 8, Rules(2)))
    assert ledger.handle(Done(0, 1, 0.1)) == [Settle(0, 0, 1), Send(1, 1, 0, 2)]
    assert ledger.handle(Done(1, 1, 0.1)) == [Settle(1, 0, 1), Send(2, 0, 1, 2)]
    assert ledger.handle(Done(2, 0, 0.1)) == [Send(3, 1, 1, 2)]
    assert ledger.handle(Done(3, 1, 0.1)) == [Settle(1, 1, 2), Send(4, 0, 1, 2)]


def test_no_batch_is_bigger_than_the_backend_takes():
    """Whatever the user asked for."""
    assert sizes(Ledger(3, Bounds(largest=1)).handle(Submitted(0, 0, 9, Rules(4)))) == [1, 1, 1]
    ledger = Ledger(3, Bounds(largest=2))
    ledger.handle(Submitted(0, 0, 90))
    assert sizes(ledger.handle(Done(0, 1, 0.0))) == [2]


def test_first_batches_are_short_and_later_ones_last_as_long_as_is_good():
    """Nothing is known of a job at first; then its speed is."""
    ledger = Ledger(slots=1)
    assert sizes(ledger.handle(Submitted(0, 0, 10**6))) == [FIRST_BATCH]
    each = TARGET_SECONDS / 1000
    (quick,) = sizes(ledger.handle(Done(0, FIRST_BATCH, FIRST_BATCH * each)))
    assert quick == pytest.approx(1000, abs=1)
    assert sizes(ledger.handle(Done(1, 1, 60.0))) == [1]


def test_where_no_other_job_waits_batches_may_last_longer():
    """So many times as long; as soon as another waits, as long as ever."""
    ledger, rules = Ledger(1, Bounds(alone=4)), Rules(pace=TARGET_SECONDS / 1000)
    (alone,) = sizes(ledger.handle(Submitted(0, 0, 10**6, rules)))
    assert alone == pytest.approx(4000, abs=1)
    ledger.handle(Submitted(1, 0, 10**6, rules))
    (first,) = sizes(ledger.handle(Done(0, alone, 4 * TARGET_SECONDS)))
    (second,) = sizes(ledger.handle(Done(1, first, TARGET_SECONDS)))
    assert (first, second) == pytest.approx((1000, 1000), abs=1)
    ledger.handle(Closed(1))
    (again,) = sizes(ledger.handle(Done(2, second, TARGET_SECONDS)))
    assert again == pytest.approx(4000, abs=10)


def test_batches_shrink_towards_the_end():
    """The last calls are spread over all workers, as far as that pays."""
    sent = sizes_of_all(1000, EVEN_PART * TARGET_SECONDS / 1.5)
    assert sent[4:] == sorted(sent[4:], reverse=True)
    assert sent[-2:] == [1, 1]


def test_batches_do_not_shrink_to_less_than_a_message_costs():
    """The last ones take as long as is worth a message, but for what is left in the end."""
    sent = sizes_of_all(100_000, LEAST_PART * TARGET_SECONDS / 1000)
    assert sent[:2] == [1, 1]
    assert min(sent[4:-1]) >= 999
    assert len(sent) < 40


def test_what_takes_little_is_spread_evenly():
    """Each worker gets its share at once, and the first to be ready what is left."""
    sent = sizes_of_all(10_000, EVEN_PART * TARGET_SECONDS / 10_000)
    assert sent == [1, 1, 4999, 2500, 2499]
    assert sizes_of_all(100, EVEN_PART * TARGET_SECONDS / 10_000) == [1, 1, 98]


def test_where_messages_take_long_the_tail_is_cut_into_few():
    """A tenth of a batch is worth a message there, and half of a worker's two slots a batch."""
    bounds = Bounds(seconds=0.5, least=LEAST_PART_AFAR, share=SHARE_AFAR)
    sent = sizes_of_all(2_000, 0.001, bounds, slots=4)
    assert max(sent) in (498, 499, 500)
    assert min(sent[8:-1]) in (49, 50)
    assert len(sent) < 20 < len(sizes_of_all(2_000, 0.001, Bounds(seconds=0.5), slots=4))


def sizes_of_all(calls, seconds, bounds=USUAL, slots=2):
    """How calls are cut into batches that take so many seconds each."""
    ledger = Ledger(slots, bounds)
    waits = sizes(ledger.handle(Submitted(0, 0, calls)))
    sent = []
    while not ledger.idle:
        sent.append(waits.pop(0))
        waits += sizes(ledger.handle(Done(len(sent) - 1, sent[-1], sent[-1] * seconds)))
    assert sum(sent) == calls
    return sent


def test_where_other_jobs_wait_batches_need_not_shrink():
    """They keep the workers busy: a job that is one of many goes as a whole."""
    ledger, rules = Ledger(slots=1), Rules(pace=TARGET_SECONDS / 1000)
    for number in range(4):
        ledger.handle(Submitted(number, 0, 400, rules))
    sent = [Send(0, 0, 0, 200)]
    while len(sent) < 7:
        send = sent[-1]
        calls = send.stop - send.start
        actions = ledger.handle(Done(send.ticket, calls, calls * TARGET_SECONDS / 1000))
        sent += [action for action in actions if type(action) is Send]
    assert [send.job for send in sent[:5]] == [0, 0, 1, 2, 3]
    assert [send.stop - send.start for send in sent[:5]] == [200, 200, 400, 400, 200]


def test_a_guess_stands_in_for_what_is_not_known_yet():
    """The first batches are as long as is good, if it is right; what comes home counts, not it."""
    each = TARGET_SECONDS / 1000
    ledger = Ledger(slots=1)
    assert sizes(ledger.handle(Submitted(0, 0, 10**6, Rules(pace=each))))[0] >= 999
    (size,) = sizes(ledger.handle(Done(0, 10, 100 * each)))
    assert size == pytest.approx(100, abs=1)


def test_without_slots_calls_run_only_when_they_are_wanted():
    """Inline: the call that is asked for, or the first that waits, and nothing by itself."""
    ledger = Ledger(slots=0)
    assert ledger.handle(Submitted(0, 0, 5)) == []
    assert ledger.handle(Wanted(0, 2)) == [Send(0, 0, 2, 3)]
    assert ledger.handle(Wanted(0, 2)) == []
    assert ledger.handle(Wanted()) == [Send(1, 0, 0, 1)]
    assert ledger.handle(Wanted(1, 0)) == []
    assert ledger.handle(Done(0, 1, 0.1)) == [Settle(0, 2, 3)]
    assert ledger.waiting(0) == 3


def test_a_closed_job_is_forgotten():
    """What waits is not sent, what is out is not sent again, and late outcomes change nothing."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 9, Rules(3)))
    ledger.handle(Submitted(1, 0, 1, Rules(3)))
    assert ledger.handle(Closed(0)) == []
    assert ledger.handle(Closed(0)) == []
    assert ledger.handle(Done(0, 1, 0.1)) == [Settle(0, 0, 1), Send(1, 1, 0, 1)]


def test_shutdown_lets_all_calls_run_first():
    """The stop comes when the last call is home."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 2, Rules(1)))
    assert ledger.handle(Shutdown()) == []
    assert ledger.handle(Done(0, 1, 0.1)) == [Settle(0, 0, 1), Send(1, 0, 1, 2)]
    assert ledger.handle(Done(1, 1, 0.1)) == [Settle(0, 1, 2), Stop()]
    assert ledger.handle(Shutdown()) == []


def test_shutdown_with_cancel_drops_all_that_was_not_started():
    """Also what a worker hands back afterwards."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 9, Rules(4)))
    assert ledger.handle(Shutdown(cancel=True)) == [Drop(0, 4, 9, broken=False)]
    assert ledger.handle(Done(0, 1, 0.1)) == [Settle(0, 0, 1), Drop(0, 1, 4, broken=False), Stop()]


def test_a_shutdown_may_change_its_mind_to_cancel():
    """The second one cancels what the first one let wait."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 3, Rules(1)))
    assert ledger.handle(Shutdown()) == []
    assert ledger.handle(Shutdown(cancel=True)) == [Drop(0, 1, 3, broken=False)]


def test_an_idle_ledger_stops_at_once():
    """There is nothing to wait for."""
    assert Ledger(slots=1).handle(Shutdown()) == [Stop()]


def test_a_broken_ledger_drops_all_and_still_stops():
    """What waits, what comes back, and what is submitted then."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 3, Rules(2)))
    assert ledger.handle(Broken()) == [Drop(0, 2, 3, broken=True)]
    assert ledger.handle(Died(0, None)) == [Drop(0, 0, 2, broken=True)]
    assert ledger.handle(Submitted(1, 0, 1)) == [Drop(1, 0, 1, broken=True)]
    assert ledger.handle(Shutdown()) == [Stop()]


@pytest.mark.parametrize("report", [Part(0, 1, 0.1), Done(0, 1, 0.1), Died(0, 0), Done(99, 1, 0.1)])
def test_late_and_repeated_reports_change_nothing(report):
    """Each ticket is answered once."""
    ledger = Ledger(slots=1)
    ledger.handle(Submitted(0, 0, 3, Rules(1)))
    ledger.handle(Done(0, 1, 0.1))
    assert ledger.handle(report) == []
    assert ledger.waiting(0) == 1
