"""Law L5, the other half: a map over a long generator holds the memory of its reader flat."""

import pytest

from rig.executors import Bench, SharedExecutors
from rig.leaks import can_see_processes, resident_bytes

WARM = 100_000  # calls, after which memory has to stay as it is
GROWTH = 5 * 2**20  # bytes

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")


def growth_over(shared: SharedExecutors, kind: str, calls: int) -> int:
    """How much memory is taken between the first hundred thousand results and the last."""
    results = shared.of(Bench(kind)).map(abs, (-number for number in range(calls)))
    calls_home = wrong = warm = 0
    for result in results:
        wrong += result != calls_home
        calls_home += 1
        if calls_home == WARM:
            warm = resident_bytes()
    assert (calls_home, wrong) == (calls, 0)
    return resident_bytes() - warm


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", ["serial", "thread", "pool", "queue"])
def test_three_hundred_thousand_calls_hold_memory_flat(shared: SharedExecutors, kind: str) -> None:
    """Inputs are forgotten when their calls are home, results when they were read."""
    assert growth_over(shared, kind, 300_000) < GROWTH


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["serial", "thread", "pool", "queue"])
def test_ten_million_calls_hold_memory_flat(shared: SharedExecutors, kind: str) -> None:
    """Thirty times as many take no more."""
    assert growth_over(shared, kind, 10_000_000) < GROWTH
