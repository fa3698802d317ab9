"""Waiting for what is likely to come in a moment: who looks before sleeping, and how often."""

import time

import pytest

from taskpar._system import eager
from taskpar._system.eager import LONGEST_PAUSE, Eager


class Thing:
    """Something that is waited for.

    Args:
        looks: What is found by looks, one after the other; later ones find nothing.
        nap: For how many seconds who sleeps is not woken.
    """

    def __init__(self, looks=(), nap=0.0):
        self.looks = list(looks)
        self.nap = nap
        self.done = []

    def look(self):
        """Return what is there, if anything is."""
        self.done.append("look")
        return self.looks.pop(0) if self.looks else None

    def sleep(self):
        """Return what is there then."""
        self.done.append("sleep")
        time.sleep(self.nap)
        return "woken"


@pytest.fixture
def slow_clock(monkeypatch):
    """Any machine does in a moment what it does here, however busy it is."""
    monkeypatch.setattr(eager, "NEAR", 20.0)


def wait(waiter, thing):
    """Wait, and tell what was found and how."""
    thing.done.clear()
    return waiter.wait(thing.look, thing.sleep), list(dict.fromkeys(thing.done))


def test_the_first_wait_is_asleep():
    """Nothing is known yet."""
    assert wait(Eager(), Thing(["here"])) == ("woken", ["sleep"])


@pytest.mark.usefixtures("slow_clock")
def test_who_waited_for_a_moment_looks_before_he_sleeps():
    """And what he finds is likely to be followed by more that soon."""
    waiter, thing = Eager(), Thing()
    wait(waiter, thing)
    thing.looks = ["here", "again"]
    assert wait(waiter, thing) == ("here", ["look"])
    assert wait(waiter, thing) == ("again", ["look"])
    assert wait(waiter, thing) == ("woken", ["look", "sleep"])


def test_who_waited_for_long_sleeps_at_once(monkeypatch):
    """What takes long may take long again."""
    monkeypatch.setattr(eager, "NEAR", 0.01)
    waiter, thing = Eager(), Thing(nap=0.02)
    for _ in range(3):
        assert wait(waiter, thing) == ("woken", ["sleep"])


@pytest.mark.usefixtures("slow_clock")
def test_who_looks_in_vain_again_and_again_looks_ever_less_often():
    """Else a processor that others want would be kept from them."""
    waiter, thing = Eager(), Thing()
    looked = [wait(waiter, thing)[1] == ["look", "sleep"] for _ in range(8 * LONGEST_PAUSE)]
    pauses = [len(run) for run in "".join("x" if each else "." for each in looked).split("x")]
    assert pauses[:6] == [1, 1, 2, 4, 8, 16]
    assert max(pauses) == LONGEST_PAUSE


@pytest.mark.usefixtures("slow_clock")
def test_one_that_was_found_makes_up_for_all_looks_in_vain():
    """So a row of quick messages is found quickly, whatever was before it."""
    waiter, thing = Eager(), Thing()
    for _ in range(60):
        wait(waiter, thing)
    while wait(waiter, thing)[1] == ["sleep"]:
        thing.looks = ["here"]
    thing.looks = []
    assert wait(waiter, thing) == ("woken", ["look", "sleep"])
    assert wait(waiter, thing) == ("woken", ["sleep"])
    assert wait(waiter, thing) == ("woken", ["look", "sleep"])
