"""Who hears the workers: the thread, unless somebody waits for one result after the other."""

import signal
import threading
import time
from contextlib import contextmanager
from queue import Empty, SimpleQueue

import pytest

from rig.waiting import eventually
from taskpar.backends import hearing
from taskpar.backends.hearing import Hearing

WITHIN = 20.0  # seconds: a bound, not a measure


class Workers:
    """What is heard: each piece of news names itself; some of it leaves something under way."""

    def __init__(self):
        self.news = SimpleQueue()
        self.heard = []
        self.under_way = 0
        self.stopped = False
        self.hearing = Hearing(self.hear, lambda: self.stopped, lambda: self.under_way == 0)
        self.thread = threading.Thread(target=self.hearing.run)

    def hear(self, seconds, _):
        """Take in one piece of news, and note who did."""
        try:
            name, under_way = self.news.get(timeout=seconds)
        except Empty:
            return
        self.under_way = under_way
        self.heard.append((name, threading.get_ident()))

    def tell(self, name, under_way=0):
        """There is news."""
        self.news.put((name, under_way))

    def wait_for(self, name, within=WITHIN):
        """Wait for some news as a guest, then as anybody would; tell who heard it."""
        self.hearing.as_guest(lambda: self.who(name) is not None, time.monotonic() + within)
        return eventually(lambda: self.who(name), WITHIN)

    def who(self, name):
        """Tell which thread has heard it."""
        return dict(self.heard).get(name)

    def stop(self):
        """There will be no more."""
        self.stopped = True
        self.tell("stop")
        self.hearing.call()
        self.thread.join(WITHIN)
        assert not self.thread.is_alive()


@contextmanager
def workers():
    """Begin to hear."""
    some = Workers()
    some.thread.start()
    try:
        yield some
    finally:
        some.stop()


def become_welcome(some):
    """Miss something as a guest, so that the thread steps back."""
    assert eventually(lambda: not some.hearing.rests, WITHIN)  # it hears, and there is no news
    some.hearing.as_guest(lambda: False, None)
    some.tell("missed")
    assert eventually(lambda: some.hearing.rests, WITHIN)


def aside(do):
    """Do something in a thread of its own: the tests' main thread has a handler for an alarm."""
    found = []
    thread = threading.Thread(target=lambda: found.append(do()))
    thread.start()
    thread.join(WITHIN)
    assert not thread.is_alive()
    return found[0], thread.ident


def test_the_thread_hears_where_nobody_waits():
    """Callbacks come without anybody's doing."""
    with workers() as some:
        for name in range(3):
            some.tell(name)
        assert eventually(lambda: some.who(2), WITHIN) == some.thread.ident


def ask(some, name, under_way=0):
    """Wait for some news; tell who heard it."""
    some.tell(name, under_way)
    return some.wait_for(name)


@pytest.fixture
def patient(monkeypatch):
    """The thread does not hear again for a long time, unless it is called."""
    monkeypatch.setattr(hearing, "GRACE", 2 * WITHIN)


def test_who_waits_for_one_result_after_the_other_hears_them_himself(patient):
    """The first one is heard by the thread: it has to see that somebody waits."""
    with workers() as some:

        def ask_often():
            become_welcome(some)
            return {ask(some, name) for name in range(100)}

        heard, guest = aside(ask_often)
        assert heard == {guest}


def test_the_thread_is_called_back_when_a_guest_leaves_something_under_way(patient):
    """Nobody has to wait until the grace is over."""
    with workers() as some:

        def leave():
            become_welcome(some)
            return ask(some, "begun", under_way=1)

        heard, guest = aside(leave)
        assert heard == guest
        some.tell("home")
        assert eventually(lambda: some.who("home"), WITHIN) == some.thread.ident


def test_the_thread_hears_again_when_no_guest_comes(monkeypatch):
    """A callback is not forgotten because somebody has waited before."""
    monkeypatch.setattr(hearing, "GRACE", 0.3)
    with workers() as some:
        aside(lambda: become_welcome(some))
        some.tell("alone")
        assert eventually(lambda: some.who("alone"), WITHIN) == some.thread.ident


def test_a_guest_leaves_when_his_time_is_up(patient):
    """There may be no news for ever."""
    with workers() as some:

        def wait_in_vain():
            become_welcome(some)
            began = time.monotonic()
            some.hearing.as_guest(lambda: False, began + 0.05)
            return time.monotonic() - began

        assert 0.05 <= aside(wait_in_vain)[0] < WITHIN


def stay_for_long(some):
    """Be a guest for so long that the thread wants to hear."""
    become_welcome(some)
    later = threading.Timer(1.0, lambda: some.tell("late"))
    later.start()
    some.hearing.as_guest(lambda: some.who("late") is not None, None)
    later.join()


def test_a_thread_that_wants_to_hear_while_a_guest_does_is_called_when_he_goes(monkeypatch):
    """It sleeps until then, whatever the grace."""
    monkeypatch.setattr(hearing, "GRACE", 0.3)
    with workers() as some:

        def stay():
            stay_for_long(some)
            return some.who("late")

        aside(stay)
        some.tell("home")
        assert eventually(lambda: some.who("home"), WITHIN) == some.thread.ident


def test_a_guest_who_comes_again_is_not_disturbed_by_a_thread_that_wanted_to_hear(monkeypatch):
    """It looks whether there is another guest, as long as nothing is under way."""
    monkeypatch.setattr(hearing, "GRACE", 0.5)
    with workers() as some:

        def stay():
            stay_for_long(some)
            heard = set()
            for name in range(50):
                heard.add(ask(some, name))
                time.sleep(0.001)  # the thread can do what it wants
            return heard

        heard, guest = aside(stay)
        assert heard == {guest}


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGALRM"])
def test_where_signals_run_code_the_main_thread_is_no_guest(name):
    """What a handler raises could come between reading a result and keeping it."""
    before = signal.signal(getattr(signal, name), lambda *_: None)
    try:
        with workers() as some:
            assert {ask(some, name) for name in range(50)} == {some.thread.ident}
    finally:
        signal.signal(getattr(signal, name), before)


def test_guests_from_many_threads_lose_nothing():
    """One hears at a time; whatever he hears, he takes in for all."""
    with workers() as some:

        def ask_some(first):
            for name in range(first, first + 100):
                assert ask(some, name, under_way=name % 3 == 0)

        threads = [threading.Thread(target=ask_some, args=(first,)) for first in range(0, 800, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN)
        some.under_way = 0
    assert sorted(name for name, _ in some.heard if name != "stop") == list(range(800))
