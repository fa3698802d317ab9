"""The alarm: rings in time, not before, and has a thread from the first time until it is closed.

Real time and real threads; what is waited for is bounded.
"""

import gc
import threading
import time
import weakref
from math import inf
from queue import Empty, SimpleQueue

import pytest

from rig.waiting import eventually
from taskpar._engine.alarm import Alarm

WITHIN = 10.0  # seconds: a bound, not a measure
SOON = 0.05  # seconds until an alarm that is to be seen ringing
LATER = 3600.0  # seconds until one that must not ring


class Bell:
    """An alarm, and the times at which it rang."""

    def __init__(self):
        self.rang = SimpleQueue()
        self.due = inf
        self.alarm = Alarm(self.ring, lambda: self.due)

    def ring(self):
        """Note the time; nothing more is due, unless it is set again."""
        self.due = inf
        self.rang.put(time.monotonic())

    def set(self, seconds):
        """Set it, and return the time for which it is set."""
        return self.set_to(time.monotonic() + seconds)

    def set_to(self, due):
        """Set it to a time."""
        self.due = due
        self.alarm.look()
        return due

    def ringing(self):
        """The time at which it rings next."""
        return self.rang.get(timeout=WITHIN)


OTHERS = set()
"""The threads of alarms that were there before the test: those of executors that tests share."""


@pytest.fixture(autouse=True)
def others():
    """Note them."""
    OTHERS.clear()
    OTHERS.update(alarms())


@pytest.fixture
def bell():
    """One that is closed in the end."""
    bell = Bell()
    yield bell
    bell.alarm.close()
    assert eventually(lambda: not alarms(), WITHIN)


def alarms():
    """The threads of the alarms of this test."""
    named = [thread for thread in threading.enumerate() if thread.name == "taskpar-alarm"]
    return [thread for thread in named if thread not in OTHERS]


def test_it_rings_in_time(bell):
    """Once, and not before; then it can be set again."""
    for _ in range(3):
        due = bell.set(SOON)
        assert due <= bell.ringing() < due + WITHIN
    with pytest.raises(Empty):
        bell.rang.get(timeout=2 * SOON)


def test_a_time_that_has_passed_is_now(bell):
    """Nobody has to look at the clock before."""
    due = bell.set(-LATER)
    assert bell.ringing() > due


def test_it_may_be_set_earlier_while_it_waits(bell):
    """The later time is forgotten."""
    bell.set(LATER)
    due = bell.set(SOON)
    assert due <= bell.ringing() < due + WITHIN


def test_it_may_be_set_later_while_it_waits(bell):
    """The earlier time is forgotten."""
    bell.set(10 * SOON)
    due = bell.set(12 * SOON)
    assert bell.ringing() >= due
    assert bell.rang.empty()


def test_it_has_a_thread_from_the_first_time_on(bell):
    """None before it is set, and one that stays: there may be no other, as the interpreter ends."""
    assert alarms() == []
    bell.set_to(inf)
    assert alarms() == []
    bell.set(LATER)
    (thread,) = alarms()
    bell.set_to(inf)
    bell.set(SOON)
    bell.ringing()
    bell.set(SOON)
    bell.ringing()
    assert alarms() == [thread]
    assert bell.rang.empty()


def test_setting_it_to_never_is_heard_in_time(bell):
    """It does not ring at the old time."""
    bell.set(2 * SOON)
    bell.set_to(inf)
    with pytest.raises(Empty):
        bell.rang.get(timeout=4 * SOON)


def test_who_rings_may_set_it_again():
    """As an engine does: from within, in the alarm's own thread."""
    rang, due = [], [0.0]
    done = threading.Event()

    def ring():
        rang.append(threading.current_thread())
        if len(rang) < 3:
            due[0] = time.monotonic()
        else:
            due[0] = inf
            done.set()
        alarm.look()

    alarm = Alarm(ring, lambda: due[0])
    alarm.look()
    assert done.wait(WITHIN)
    assert len(set(rang)) == 1
    alarm.close()
    assert eventually(lambda: not alarms(), WITHIN)


def test_a_closed_one_never_rings(bell):
    """Whether it was closed while it waited, or is set afterwards; closing twice is closing."""
    bell.set(2 * SOON)
    bell.alarm.close()
    bell.alarm.close()
    bell.set(SOON)
    assert eventually(lambda: not alarms(), WITHIN)
    with pytest.raises(Empty):
        bell.rang.get(timeout=4 * SOON)


def test_it_may_be_closed_by_who_rings():
    """The last thing that an engine hears may be the alarm."""
    closed = threading.Event()

    def ring():
        alarm.close()
        closed.set()

    alarm = Alarm(ring, time.monotonic)
    alarm.look()
    assert closed.wait(WITHIN)
    assert eventually(lambda: not alarms(), WITHIN)


def test_many_threads_may_set_it_at_once(bell):
    """There is one thread, and it rings for what was set last."""
    barrier = threading.Barrier(8)

    def set_often():
        barrier.wait(WITHIN)
        for number in range(200):
            bell.set_to(time.monotonic() + LATER + number)

    threads = [threading.Thread(target=set_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(alarms()) == 1
    assert bell.rang.empty()
    due = bell.set(SOON)
    assert bell.ringing() >= due


def test_a_very_late_time_is_waited_for(bell):
    """No system can wait for ever: the thread looks again, and nothing rings."""
    bell.set_to(1e300)
    assert len(alarms()) == 1
    due = bell.set(SOON)
    assert bell.ringing() >= due


def test_nothing_holds_an_alarm_that_was_never_set():
    """Its owner is let go at once."""
    bell = Bell()
    alive = weakref.ref(bell)
    del bell
    gc.collect()
    assert alive() is None
