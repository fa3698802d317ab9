"""What workers would save: by arithmetic alone, so that every side of each bound can be seen."""

from math import ceil, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar._engine.costs import SEND_SECONDS, SHORT, Costs

SECONDS = st.floats(1e-9, 100.0)


def costs(seconds: float, *, slots: int = 2, crossing: float | None = None) -> Costs:
    """Costs of calls that have taken so long twice."""
    known = Costs(slots)
    many = max(1, ceil(SHORT / max(seconds, 1e-9)) + 1)
    for _ in range(2):
        known.measured(seconds * many, many)
    known.crossing = crossing
    return known


def test_one_measurement_is_not_enough() -> None:
    """It may be the machine that was busy."""
    known = Costs(2)
    assert known.gain(1000) == 0.0
    known.measured(1.0)
    assert (known.least, known.gain(1000)) == (0.0, 0.0)
    known.measured(0.5)
    assert known.least == 0.5
    assert known.gain(1000) == 250.0
    known.measured(2.0)
    assert known.least == 0.5


def test_a_call_that_took_no_time_took_some() -> None:
    """A clock may not tell it."""
    known = Costs(2)
    known.measured(0.0)
    assert known.seconds > 0.0


def test_what_takes_no_time_tells_nothing() -> None:
    """Until so many calls were run that it is known how long one takes, twice."""
    known = Costs(2)
    for seconds, calls in ((1e-5, 1), (1e-5, 2), (SHORT, 6)):
        known.measured(seconds, calls)
        assert known.least == 0.0
        assert known.gain(10**9) == 0.0
    known.measured(SHORT, 5)
    assert known.least == SHORT / 6
    known.measured(SHORT / 2, 6)
    assert known.least == 0.0


@given(seconds=SECONDS, slots=st.integers(2, 64), left=st.integers(0, 10**6))
def test_workers_never_save_more_than_there_is(seconds: float, slots: int, left: int) -> None:
    """So many workers take at least so many times less."""
    most = left * seconds * (1 - 1 / slots)
    assert 0.0 <= costs(seconds, slots=slots).gain(left) <= most * (1 + 1e-9)


@pytest.mark.parametrize("seconds", [SEND_SECONDS / 2, SEND_SECONDS, SEND_SECONDS * 1.2])
def test_what_costs_no_more_than_sending_it_is_not_sent(seconds: float) -> None:
    """However many there are, and however many workers."""
    assert costs(seconds, slots=64).gain(10**9) == 0.0


def test_what_crosses_slowly_is_not_sent() -> None:
    """This process packs and unpacks it alone."""
    assert costs(1.0, crossing=0.01).gain(10) > 4.0
    assert costs(1.0, crossing=0.3).gain(10) == 0.0
    assert costs(1.0, crossing=0.1, slots=64).gain(10) == pytest.approx(10 * 0.8, rel=0.01)


@pytest.mark.parametrize("known", [costs(1.0, slots=1), costs(1.0, crossing=inf)])
def test_where_nothing_can_be_gained_that_is_certain(known: Costs) -> None:
    """With one worker, and with what cannot cross."""
    assert known.certain
    assert known.gain(10**6) == 0.0
    assert not costs(1.0).certain
