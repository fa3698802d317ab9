"""After how long a call that failed is tried again, and what leaving makes of that.

**Truth:** between two attempts lies what was asked for, or hardly more; who waits for that keeps no
worker and holds up nobody, and who leaves does not wait for what nobody wants.
"""

import time
from collections import Counter
from concurrent.futures import CancelledError
from functools import partial
from itertools import pairwise

import pytest
from deeds import LONG, FailedError, fail_at, fail_first, noted, notes
from places import LOADED, WITHIN, everywhere, in_processes, outcomes, told

from rig.executors import Bench
from rig.waiting import eventually
from taskpar import backoff


@everywhere
@pytest.mark.parametrize(
    ("delay", "at_least"),
    [(0.3, [0.3, 0.3]), (lambda attempt: 0.2 * attempt, [0.2, 0.4]), (None, [0.0, 0.0])],
    ids=["seconds", "function", "none"],
)
def test_the_delay_between_two_attempts_is_the_one_that_was_asked_for(
    bench, delay, at_least, tmp_path
):
    """No less, and hardly more."""
    log = tmp_path / "log"
    with bench.make() as executor:
        assert sorted(executor.map(abs, [-1, -2])) == [1, 2]
        trying = executor.options(retries=2, retry_delay=delay)
        assert trying.submit(fail_first, 2, log, 1).result(WITHIN) == 10
    times = [float(at) for _, _, at in notes(log)]
    for (before, after), least in zip(pairwise(times), at_least, strict=True):
        assert least <= after - before < least + LOADED


@everywhere
def test_delays_may_grow_with_some_chance_in_them(bench, tmp_path):
    """Each is at least what is left of it when the chance is greatest."""
    log = tmp_path / "log"
    with bench.make() as executor:
        delay = backoff(0.2, factor=2.0, longest=0.3, jitter=0.5)
        trying = executor.options(retries=3, retry_delay=delay)
        assert list(trying.map(partial(fail_first, 3, log), [7])) == [70]
    times = [float(at) for _, _, at in notes(log)]
    gaps = [after - before for before, after in pairwise(times)]
    assert [gap >= least for gap, least in zip(gaps, [0.1, 0.15, 0.15], strict=True)] == [True] * 3
    assert sum(gaps) < 0.8 + LOADED


@in_processes
def test_a_call_that_waits_for_its_next_attempt_keeps_no_worker(bench, tmp_path):
    """The others run meanwhile."""
    log = tmp_path / "log"
    with Bench(bench.kind, 1, bench.start).make() as executor:
        trying = executor.options(retries=1, retry_delay=3.0)
        seen = list(trying.map(partial(fail_first_at_0, log), range(4)))
        assert seen == [0, 10, 20, 30]
    assert noted(log) == [0, 1, 2, 3, 0]


def fail_first_at_0(log, number):
    """Fail in the first attempt of 0."""
    return fail_first(1 if number == 0 else 0, log, number)


def no_delay(attempt):
    """Be a delay that does not come."""
    raise ZeroDivisionError(f"no delay for {attempt}")


@everywhere
@pytest.mark.parametrize(
    ("delay", "why"),
    [(no_delay, "no delay for 1"), (lambda attempt: "soon", "soon"), (lambda attempt: -1, "-1")],
    ids=["raises", "no number", "negative"],
)
def test_a_delay_that_goes_wrong_ends_the_attempts(bench, delay, why, tmp_path):
    """The error of the call stands, and tells of it."""
    log = tmp_path / "log"
    with bench.make() as executor:
        trying = executor.options(retries=3, retry_delay=delay)
        (error,) = outcomes(trying.map(partial(fail_at, {1}, log), [1]))
        assert told(error) == (FailedError, ("at 1", 1))
        assert why in "\n".join(error.__notes__)
    assert len(noted(log)) == 1


# ------------------------------------------------------------------------------ and leaving
@in_processes
@pytest.mark.parametrize("how", ["shutdown", "exception", "cancel"])
def test_leaving_waits_for_no_attempt_that_nobody_wants(bench, how, tmp_path):
    """Its delay is two minutes, and nobody waits so long."""
    log = tmp_path / "log"
    with bench.make() as executor:
        trying = executor.options(retries=1, retry_delay=LONG, cancel_running=how == "cancel")
        results = trying.map(partial(fail_first, 1, log), [1])
        future = trying.submit(fail_first, 1, log, 2)
        assert eventually(lambda: sorted(noted(log)) == [1, 2], WITHIN)
        began = time.monotonic()
        if how == "exception":
            executor.__exit__(ValueError, ValueError("x"), None)
        elif how == "shutdown":
            executor.shutdown(cancel_futures=True)
        else:
            results.close()
            assert future.cancel()
            executor.shutdown()
        assert time.monotonic() - began < 2.0 + LOADED
        with pytest.raises((CancelledError, FailedError)):  # it may not have been home yet
            future.result(0)
    assert sorted(noted(log)) == [1, 2]


@everywhere
def test_leaving_in_good_order_waits_for_attempts(bench, tmp_path):
    """All that was asked for is done by the end of the ``with``."""
    log = tmp_path / "log"
    with bench.make() as executor:
        trying = executor.options(retries=1, retry_delay=0.2)
        unread = trying.map(partial(fail_first, 1, log), range(3))
        future = trying.submit(fail_first, 1, log, 5)
    assert future.result(0) == 50
    assert Counter(noted(log)) == {0: 2, 1: 2, 2: 2, 5: 2}
    del unread
