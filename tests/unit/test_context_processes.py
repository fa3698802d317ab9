"""The values of context variables travel to other processes, but for those that cannot."""

import decimal
import sys
import threading
import types
from contextvars import ContextVar

import pytest
from journeys import fresh, travelled

from taskpar._engine.context import applied, captured, travelling

number: ContextVar[int] = ContextVar("number")
words: ContextVar[list[str]] = ContextVar("words")
other: ContextVar[object] = ContextVar("other", default="default")


def test_a_value_travels_and_is_what_it_was():
    """Plain values and others; by the names of their variables."""

    def look():
        return number.get(), words.get(), other.get()

    changes = [(number.set, 3), (words.set, ["a"]), (other.set, (1, {"x": None}))]
    assert travelled(look, *changes) == (3, ["a"], (1, {"x": None}))


@pytest.mark.parametrize("change", [(lambda: None,), (decimal.getcontext,)])
def test_nothing_travels_where_nothing_is_set(change):
    """A batch then carries nothing."""
    assert fresh(lambda: (change[0](), travelling(captured()))[1]) is None


def test_what_cannot_travel_is_left_out():
    """The others travel; the variable has its default there."""

    class Awkward:
        def __reduce__(self):
            raise SystemExit

    class Bomb:
        def __reduce__(self):
            return int, ("x",)

    def look():
        return number.get(), other.get(), words.get([])

    for awkward in (threading.Lock(), Awkward(), Bomb()):
        changes = [(other.set, awkward), (number.set, 3)]
        assert travelled(look, *changes) == (3, "default", [])


def test_a_value_that_was_refused_is_not_tried_again():
    """Trying may take long, and each submission would."""
    tries = []

    class Awkward:
        def __reduce__(self):
            tries.append(1)
            raise TypeError

    def run():
        other.set(Awkward())
        told = captured()
        first, count = travelling(told), len(tries)
        return first, travelling(told), len(tries) - count

    assert fresh(run) == (None, None, 0)
    assert tries


def test_each_call_has_its_own_copy_of_a_value_that_can_be_written_to():
    """As it has of its arguments; so it does not matter which calls share a worker."""

    def leave():
        words.set(["a"])
        return travelling(captured())

    data = fresh(leave)

    def call():
        words.get().append("b")
        return words.get()

    def run():
        make = applied(data)
        again = applied(data)
        return [each().run(call) for each in (make, make, again)]

    assert fresh(run) == [["a", "b"]] * 3


def test_what_was_applied_last_does_not_count_for_the_next():
    """A variable that the next caller has not set is not set."""

    def leave(variable):
        variable.set(3)
        return travelling(captured())

    one, two = fresh(leave, number), fresh(leave, other)

    def look():
        return number.get(None), other.get()

    found = [fresh(lambda data=data: applied(data)().run(look)) for data in (one, two, one)]
    assert found == [(3, "default"), (None, 3), (3, "default")]


def test_decimal_and_numpy_travel_as_settings():
    """They keep them in variables that nobody else can name."""
    np = pytest.importorskip("numpy", minversion="2")

    def look():
        with pytest.raises(FloatingPointError):
            np.array([1.0]) / 0
        return str(decimal.Decimal(1) / 3), decimal.getcontext().flags[decimal.Inexact]

    def calculate():
        decimal.setcontext(decimal.Context(prec=5))
        assert decimal.Decimal(2) / 3
        np.seterr(divide="raise")

    assert travelled(look, (calculate,)) == ("0.33333", True)
    assert travelled(lambda: decimal.getcontext().flags[decimal.Inexact], (calculate,)) is False
    assert fresh(np.geterr)["divide"] == "warn"


def test_bytes_are_the_same_while_nothing_changes():
    """So a worker looks into them once, whatever was calculated meanwhile."""

    def run():
        decimal.getcontext().prec = 5
        number.set(3)
        first = travelling(captured())
        assert decimal.Decimal(1) / 3
        return first == travelling(captured())

    assert fresh(run)


def test_a_worker_that_lacks_a_module_leaves_its_variables_out(monkeypatch):
    """The others are set."""
    module = types.ModuleType("gone_there")
    module.variable = ContextVar("variable")
    monkeypatch.setitem(sys.modules, "gone_there", module)

    def leave():
        module.variable.set(3)
        number.set(4)
        return travelling(captured())

    data = fresh(leave)
    monkeypatch.delitem(sys.modules, "gone_there")
    assert fresh(lambda: applied(data)().run(number.get)) == 4
