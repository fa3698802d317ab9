"""The ledger under random schedules: a simulated world, clocks that jump, every call followed.

Hypothesis plays schedules that it can shrink; seeds give many more, fast, and each replays
(``python tests/unit/ledger_play.py SEED SEED+1``). Schedules that once went wrong stay at the end.
"""

import os
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from ledger_accounts import DROPPED, HOME
from ledger_moves import MOVES, Draw, Move, begin
from ledger_play import come_to_an_end, play
from ledger_world import World

from taskpar._engine.events import Rules

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
SHRINKABLE = 150 if PROFILE == "quick" else 1_000
SEEDS = 1_000 if PROFILE == "quick" else 100_000
SEEDS_A_TEST = 1_000


class Schedules(RuleBasedStateMachine):
    """Whatever may happen, in any order."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """A world begins."""
        self.world = begin(drawing_from(data))

    @rule(
        move=st.sampled_from([move for move, often in MOVES.items() for _ in range(often)]),
        data=st.data(),
    )
    def happen(self, move: Move, data: st.DataObject) -> None:
        """Something happens."""
        move(self.world, drawing_from(data))

    def teardown(self) -> None:
        """The world comes to its end, of which hypothesis draws nothing any more."""
        if hasattr(self, "world") and self.world.sound:
            come_to_an_end(self.world, Random(len(self.world.story)).randrange)


def drawing_from(data: st.DataObject) -> Draw:
    """Let hypothesis draw the details of a move."""
    return lambda n: data.draw(st.integers(0, n - 1))


Schedules.TestCase.settings = settings(
    max_examples=SHRINKABLE,
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,  # to make several small takes minutes each
    suppress_health_check=[HealthCheck.too_slow],
)
# A failing schedule is made smaller for five minutes at most.
TestSchedules = pytest.mark.timeout(600 if PROFILE == "quick" else 1800)(Schedules.TestCase)


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_whatever_happens_every_call_is_settled_once_and_by_the_rules(first):
    """A thousand seeds, a schedule each."""
    for seed in range(first, first + SEEDS_A_TEST):
        play(seed)


# ------------------------------------------------------------------- what once went wrong
def world_with(calls, rules, slots=1):
    """Return a world in which a job has just been submitted, number 0."""
    world = World(slots)
    world.submit(0, calls, rules)
    return world


def places(world):
    """Where the calls of job 0 are."""
    return world.jobs[0].where


def test_cancelling_a_call_killed_the_one_that_ran_before_it_in_the_batch():
    """Its worker was stopped whatever it did, and the innocent was dropped."""
    world = world_with(3, Rules(3))
    world.begin(0)
    world.cancel(0, 1)
    world.kill()
    assert not world.out[0].condemned
    world.finish(0)
    world.done(0)
    assert places(world) == [HOME, DROPPED, 1]


def test_a_cancelled_call_ran_again_when_its_worker_died_before_it_began():
    """It was put back to the queue, as if somebody wanted it."""
    world = world_with(1, Rules())
    world.cancel(0, 0)
    world.die(0)
    assert places(world) == [DROPPED]


def test_a_cancelled_call_was_tried_again():
    """It had failed, and the answer to the question came after the cancelling."""
    world = world_with(1, Rules(retries=1))
    world.run(0, True)
    world.done(0)
    world.cancel(0, 0)
    world.again(world.answered[0])
    assert places(world) == [DROPPED]


def test_a_call_for_a_fresh_worker_lost_that_when_its_worker_died_before_it_began():
    """It was sent again like any other; the world checks that `Send` is fresh."""
    world = world_with(1, Rules(retries=1))
    world.begin(0)
    world.die(0)
    world.again(world.answered[0], fresh=True)
    world.die(1)
    assert places(world) == [2]


def test_a_call_for_a_fresh_worker_was_never_run_by_an_offered_thread():
    """It counted as waiting, and nobody found it: a shutdown would have waited for ever."""
    world = world_with(1, Rules(retries=1), slots=0)
    world.want(0, 0)
    world.run(0, True)
    world.done(0)
    world.again(world.answered[0], fresh=True)
    world.shut_down()
    world.want(None, None)
    assert places(world) == [1]


def test_an_offered_thread_ran_calls_behind_an_unread_error():
    """The world checks that an offer is not taken then."""
    world = world_with(2, Rules(fail_fast=True), slots=0)
    world.want(0, 0)
    world.run(0, True)
    world.done(0)
    world.want(0, 1)
    world.want(None, None)
    world.read(0, 0)
    world.want(0, 1)
    assert places(world) == [HOME, 1]


def test_a_call_whose_time_had_come_was_not_found_by_who_wanted_it():
    """The alarm rang after the offer, so its reader would have waited for ever."""
    world = world_with(1, Rules(retries=1), slots=0)
    world.want(0, 0)
    world.run(0, True)
    world.done(0)
    world.again(world.answered[0], 0.5)
    world.wait_until(0.5)
    world.want(0, 0)
    assert places(world) == [1]


def test_a_second_answer_settled_a_call_twice():
    """The world checks that each outcome is settled once."""
    world = world_with(1, Rules(retries=1))
    world.run(0, True)
    world.done(0)
    world.final(world.answered[0])
    world.final(world.answered[0])
    assert places(world) == [HOME]
