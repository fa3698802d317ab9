"""What a thread was pushed aside for is not its own time; what it waits for is."""

import os
import subprocess
import sys
import time

import pytest

from taskpar._system import aside

BUSY = "while True: pass"
WITHIN = 20.0  # seconds: a bound, not a measure


@pytest.fixture
def happens(monkeypatch):
    """Let a thread wait, or be pushed aside, and run for a while."""
    now = {"waited": 3, "pushed": 5, "ran": 10.0}
    monkeypatch.setattr(aside, "_switches", lambda: (now["waited"], now["pushed"]))
    monkeypatch.setattr(aside, "thread_time", lambda: now["ran"])

    def happen(**more):
        for what, much in more.items():
            now[what] += much

    return happen


@pytest.mark.parametrize(
    ("what", "own"),
    [
        ({"ran": 1.0}, 4.0),  # nobody knows where the rest has gone
        ({"ran": 1.0, "pushed": 1}, 1.0),
        ({"ran": 1.0, "waited": 1}, 4.0),
        ({"ran": 1.0, "waited": 1, "pushed": 1}, 4.0),
        ({"ran": 5.0, "pushed": 2}, 4.0),  # two clocks
    ],
)
def test_time_in_which_others_ran_is_not_its_own(what, own, happens):
    """Unless it waited: then nobody can tell one from the other."""
    stretch = aside.Own()
    happens(**what)
    assert stretch.of(4.0) == own


def test_who_sleeps_has_all_of_his_time():
    """As a call does that waits for an answer."""
    stretch = aside.Own()
    began = time.perf_counter()
    time.sleep(0.05)
    seconds = time.perf_counter() - began
    assert stretch.of(seconds) == seconds


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_who_shares_a_processor_is_pushed_aside():
    """The system says so, and half of the time was another's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})  # for this thread, and what it starts
    try:
        with subprocess.Popen([sys.executable, "-c", BUSY]) as other:
            began = time.perf_counter()
            while time.perf_counter() < began + WITHIN:
                stretch, start = aside.Own(), time.perf_counter()
                while time.perf_counter() < start + 0.2:
                    pass
                seconds = time.perf_counter() - start
                own = stretch.of(seconds)
                if own < seconds:
                    break
            other.kill()
        assert own < seconds
    finally:
        os.sched_setaffinity(0, before)
