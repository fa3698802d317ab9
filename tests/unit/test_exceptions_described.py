"""An exception that cannot come back is described, and nothing of what it said is lost."""

import threading

import pytest
from thrown import REFUSED, crossed, held_by

from rig.errors import ElsewhereError, raised_by
from taskpar import DescribedError
from taskpar._engine.exceptions import dumps, loads


def fail_elsewhere():
    """Raise it."""
    raise ElsewhereError("what went wrong")


def test_what_does_not_come_back_here_is_described(process_executor):
    """What it said is not lost; why it did not come is the cause."""
    error = process_executor.submit(fail_elsewhere).exception()
    assert type(error) is DescribedError
    assert "ElsewhereError: what went wrong" in str(error)
    assert type(error.__cause__) is SystemExit


def test_an_interrupt_while_one_comes_back_is_the_users_in_the_main_thread_alone():
    """Elsewhere it is the exception that raises it, and it is described."""

    class InterruptingError(Exception):
        def __setstate__(self, state):
            if armed:
                raise KeyboardInterrupt

        def __reduce__(self):
            return type(self), ("text",), {"a": 1}

    armed, seen = [], []
    data = dumps(InterruptingError("text"))
    armed.append(True)
    with pytest.raises(KeyboardInterrupt):
        loads(data)
    thread = threading.Thread(target=lambda: seen.append(loads(data)))
    thread.start()
    thread.join()
    assert type(seen[0]) is DescribedError
    assert "InterruptingError: text" in str(seen[0])


def test_a_class_that_cannot_cross_is_described_and_its_neighbours_are_not():
    """Its text, frames included, stands for it; the causes around it stay what they are."""

    class UncrossableError(Exception):
        lock = REFUSED

    def fail():
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise UncrossableError("middle") from inner

    middle = raised_by(fail)
    outer = ValueError("outer")
    outer.__cause__ = middle
    back = crossed(outer)
    assert held_by(back.__cause__.__cause__) == held_by(middle.__cause__)
    assert (type(back), back.args) == (ValueError, ("outer",))
    described = back.__cause__
    assert type(described) is DescribedError
    assert "UncrossableError: middle" in str(described)
    assert "in fail" in str(described)
    assert described.index is None
    assert type(crossed(middle)) is DescribedError


def test_an_exception_that_cannot_even_be_shown_still_comes():
    """Its ``__str__`` raises, its class cannot cross."""

    class UncrossableError(Exception):
        lock = REFUSED

        def __str__(self):
            raise SystemExit(1)

    assert "UncrossableError" in str(crossed(UncrossableError()))


def test_what_comes_back_as_something_else_is_described():
    """A class may say that it is pickled as a string."""

    class OddError(Exception):
        def __reduce__(self):
            return (str, ("not an exception",))

    back = crossed(OddError("odd"))
    assert isinstance(back, OddError | DescribedError)
