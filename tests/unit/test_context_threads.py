"""What the caller has set is captured, and each call in a thread has a copy of it."""

import contextvars
import decimal
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
from journeys import fresh

from taskpar._engine import context, place
from taskpar._engine.context import captured, travelling

number: ContextVar[int] = ContextVar("number")
other: ContextVar[object] = ContextVar("other", default="default")


def test_nothing_is_captured_where_nothing_is_set():
    """Nor where only the library's own variables are, which say where code runs."""

    def within_worker():
        with place.worker():
            return captured()

    assert fresh(captured) is None
    assert fresh(within_worker) is None


def test_what_is_set_is_captured():
    """Whatever it is."""

    def run():
        number.set(3)
        other.set(None)
        return dict(captured().pairs)

    assert fresh(run) == {number: 3, other: None}


@pytest.mark.parametrize("work", [decimal.getcontext, lambda: decimal.Decimal(1) / 3])
def test_a_decimal_context_as_everybody_has_it_is_nothing(work):
    """Every calculation with decimals sets one; what happened so far does not count."""
    assert fresh(lambda: (work(), captured())[1]) is None


def test_a_decimal_context_counts_where_the_usual_one_is_another(monkeypatch):
    """A worker may have the usual one of all others."""
    monkeypatch.setattr(decimal.DefaultContext, "prec", 5)

    def run():
        decimal.setcontext(decimal.Context(prec=28))
        return captured()

    assert fresh(run) is not None


def test_a_thread_sees_what_its_caller_has_set_and_keeps_its_own():
    """The caller's count where both have set one."""

    def begin():
        number.set(1)
        other.set("worker")

    def leave():
        number.set(7)
        return captured()

    def run(told):
        make = told.contexts()
        return make().run(lambda: (number.get(), other.get(), place.inside_worker()))

    def worker(told):
        with place.worker():
            return run(told)

    with ThreadPoolExecutor(1, initializer=begin) as pool:
        assert pool.submit(worker, fresh(leave)).result() == (7, "worker", True)


def test_what_a_call_sets_shows_neither_in_the_next_call_nor_in_the_caller():
    """Each has a context of its own."""

    def run():
        number.set(1)
        make = captured().contexts()

        def call():
            before = number.get()
            number.set(before + 1)
            return before

        return [make().run(call) for _ in range(3)], number.get()

    assert fresh(run) == ([1, 1, 1], 1)


def test_calls_may_run_at_once():
    """A context can be entered once at a time; each call has another."""
    both = threading.Barrier(2, timeout=10)

    def leave():
        number.set(1)
        return captured()

    told = fresh(leave)

    def call():
        both.wait()
        return number.get()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(lambda: told.contexts()().run(call)) for _ in range(2)]
        assert [future.result() for future in futures] == [1, 1]


def test_a_decimal_context_is_no_two_calls():
    """It is written to by every operation; in a thread too each call has its own."""

    def run():
        decimal.getcontext().prec = 7
        make = captured().contexts()

        def call():
            before, decimal.getcontext().prec = decimal.getcontext().prec, 3
            return before

        return [make().run(call) for _ in range(2)], decimal.getcontext().prec

    assert fresh(run) == ([7, 7], 7)


def test_captured_values_live_no_longer_than_needed():
    """A context that is gone holds nothing."""

    class Value:
        pass

    value = Value()
    gone = weakref.ref(value)

    def run(value):
        other.set(value)
        make = captured().contexts()
        return make().run(lambda: other.get() is value), travelling(captured())

    assert fresh(run, value)[0] is True
    del value
    assert gone() is None


def test_the_names_that_decimal_and_numpy_use():
    """What context.py takes for theirs."""
    assert fresh(lambda: (decimal.getcontext(), _names())[1]) == {context._DECIMAL}
    np = pytest.importorskip("numpy", minversion="2")  # an older one has no variable
    assert fresh(lambda: (np.seterr(all="warn"), _names())[1]) == {context._NUMPY}


def _names():
    return {variable.name for variable in contextvars.copy_context()}
