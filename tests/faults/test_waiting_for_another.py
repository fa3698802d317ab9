"""A call may wait for one that stands behind it in the same batch: another worker runs that.

Whoever submits calls one by one expects that a free worker takes the next one, whatever the others
do. So it must not matter which calls share a message.
"""

from functools import partial

import pytest

from rig.executors import CLASSES, START_METHODS
from rig.waiting import eventually

WITHIN = 30.0  # seconds: a bound, not a measure
CALLS = 1000
WAITS, COMES = 500, 501
STARTS = [("pool", None), *(("queue", start) for start in START_METHODS)]


def meet(place, number):
    """Wait for another call, in one of them; the others take no time."""
    if number == COMES:
        place.touch()
    return number, number != WAITS or eventually(place.exists, WITHIN)


@pytest.fixture(params=STARTS, ids=str)
def two(request):
    """Two workers, which both have run something."""
    kind, start = request.param
    with CLASSES[kind](2, start) as executor:
        list(executor.map(abs, range(100)))
        yield executor


EXPECTED = [(number, True) for number in range(CALLS)]


def test_of_a_map(two, tmp_path):
    """Its batches are large, as its calls are quick."""
    assert list(two.map(partial(meet, tmp_path / "place"), range(CALLS))) == EXPECTED


def test_of_many_that_were_submitted(two, tmp_path):
    """Those that wait share a message."""
    fn = partial(meet, tmp_path / "place")
    futures = [two.submit(fn, number) for number in range(CALLS)]
    assert [future.result(WITHIN) for future in futures] == EXPECTED
