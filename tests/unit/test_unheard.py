"""Calls that were put down for the ledger: each is taken up once, in order, as few events."""

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from taskpar._engine.events import Rules, Submitted
from taskpar._engine.unheard import Unheard

ONE, OTHER = Rules(), Rules(retries=3)
calls = st.tuples(st.integers(1, 2), st.integers(0, 5), st.sampled_from([ONE, OTHER]))


@given(st.lists(calls, max_size=30) | st.just([(1, call, ONE) for call in range(9)]))
def test_what_is_taken_up_is_what_was_put_down(put_down):
    """Calls of two jobs have their numbers from one row: those of one job may have gaps."""
    unheard = Unheard()
    for call in put_down:
        unheard.add(call)
    assert bool(unheard) == bool(put_down)
    taken = list(unheard.taken())
    assert not unheard
    each = [
        (job, call, rules) for job, start, stop, rules, _ in taken for call in range(start, stop)
    ]
    assert each == put_down
    breaks = [
        (job, call - place, id(rules)) for place, (job, call, rules) in enumerate(put_down)
    ]  # the same as long as calls follow each other
    assert len(taken) == len(list(groupby(breaks)))


def test_a_call_can_be_taken_back_until_it_is_taken_up():
    """Who comes too late is told."""
    unheard = Unheard()
    unheard.add((1, 0, ONE))
    unheard.add((1, 1, ONE))
    assert unheard.withdraw((1, 0, ONE))
    assert list(unheard.taken()) == [Submitted(1, 1, 2, ONE)]
    assert not unheard.withdraw((1, 1, ONE))
