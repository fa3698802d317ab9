"""The lifetime of a backend: started once, stopped once, whoever comes first."""

import threading

import pytest

from taskpar._engine.lifetime import Lifetime

WITHIN = 30.0


class Fake:
    """A backend that notes what becomes of it."""

    def __init__(self):
        self.notes = []
        self.meanwhile = list

    def start(self, report):
        """Start; something else happens in the middle of that."""
        self.notes.append(report)
        self.meanwhile()

    def stop(self):
        """Stop; the same happens again."""
        self.notes.append("stopped")
        self.meanwhile()


def test_a_backend_is_started_once_and_stopped_once():
    """However often that is asked."""
    lifetime = Lifetime(backend := Fake())
    assert not lifetime.started
    assert [lifetime.start("report") for _ in range(3)] == [True, False, False]
    assert lifetime.started
    assert not lifetime.ended.is_set()
    for _ in range(3):
        lifetime.end()
    assert lifetime.ended.is_set()
    assert backend.notes == ["report", "stopped"]


def test_what_has_ended_before_it_was_started_never_starts():
    """Then there is nothing to stop."""
    lifetime = Lifetime(backend := Fake())
    lifetime.end()
    assert not lifetime.start("report")
    assert not lifetime.started
    assert backend.notes == []


def test_the_end_may_come_in_the_middle_of_the_start_or_of_the_end():
    """From a finalizer, in the same thread."""
    lifetime = Lifetime(backend := Fake())
    backend.meanwhile = lifetime.end
    lifetime.start("report")
    assert lifetime.ended.is_set()
    assert backend.notes == ["report", "stopped"]


@pytest.mark.timeout(WITHIN)
def test_the_end_waits_for_a_start_in_another_thread():
    """And stops what was started there."""
    lifetime = Lifetime(backend := Fake())
    ending = threading.Thread(target=lifetime.end)

    def meanwhile():
        if not ending.ident:
            ending.start()
            ending.join(0.1)
            assert not lifetime.ended.is_set()

    backend.meanwhile = meanwhile
    assert lifetime.start("report")
    ending.join()
    assert lifetime.ended.is_set()
    assert backend.notes == ["report", "stopped"]
