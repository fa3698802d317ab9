"""Whatever a task raises comes home as the serial run raises it, and ends nothing but its call."""

import pytest
from beside import ManyError, alone, keywords
from places import WITHIN

from laws.oracle import error_as_data, outcomes
from rig.errors import ChildError, KeywordError, frames, raised_by
from rig.executors import Bench
from taskpar import Task


@pytest.fixture
def executor():
    """Two workers fed by queues, of this test alone: what is broken here is broken here only."""
    with Bench("queue", 2).make() as executor:
        yield executor


class SlottedError(ManyError):
    """Has a slot besides."""

    __slots__ = ("slot",)


class EndError(BaseException):
    """No `Exception`."""


def slots():
    """Raise one with a slot, an attribute and notes."""
    error = SlottedError(1, 2, 3)
    error.slot, error.more = "in a slot", [1]
    error.add_note("first")
    error.add_note("second")
    raise error


def chain():
    """Raise one with a cause and a context, in a chain."""
    try:
        try:
            keywords()
        except KeywordError as error:
            raise ManyError(1, 2, 3) from error
    except ManyError:
        raise ValueError("while handling that")  # noqa: B904


def suppressed():
    """Hide a context."""
    try:
        chain()
    except ValueError:
        raise KeyError("shown") from None


def group():
    """Raise several at once."""
    inner = ExceptionGroup("inner", [ManyError(1, 2, 3), raised_by(keywords)])
    raise BaseExceptionGroup("outer", [inner, KeyboardInterrupt(1), raised_by(chain)])


def child():
    """Raise what would come back as its parent."""
    raise ChildError("text")


def cycle():
    """Raise one that leads back to itself."""
    error = ManyError(1, 2, 3)
    error.__cause__ = raised_by(keywords)
    error.__cause__.__context__ = error
    raise error


def endless(number=0):
    """Call itself until the stack is full."""
    return endless(number + 1)


def long_chain():
    """Raise one with a long history."""
    error = ValueError(0)
    for number in range(1, 3000):
        error, context = ValueError(number), error
        error.__context__ = context
    raise error


def raise_this(error):
    """Raise it."""
    raise error


RAISERS = [keywords, slots, chain, suppressed, group, child, endless]


@pytest.mark.parametrize("raiser", RAISERS, ids=lambda raiser: raiser.__name__)
def test_every_exception_comes_home_as_the_serial_run_raises_it(executor, raiser):
    """Class, arguments, attributes, notes, causes, members, and the frames of the worker."""
    serial = raised_by(raiser)
    error = executor.submit(raiser).exception(WITHIN)
    assert without_ours(error_as_data(error)) == error_as_data(serial)
    assert getattr(error, "slot", None) == getattr(serial, "slot", None)
    if raiser is not endless:  # which is as deep as there is stack
        assert frames(error) == frames(serial)[1:]
    assert {"endless" if raiser is endless else raiser.__name__} <= {f[1] for f in frames(error)}
    assert executor.submit(abs, -1).result(WITHIN) == 1


def without_ours(told):
    """An error as data, without the note that says which call it comes from."""
    notes = tuple(note for note in told[3] if not note.startswith("taskpar: "))
    return (*told[:3], notes, *told[4:])


def test_an_exception_that_leads_back_to_itself_comes_home(executor):
    """As the same cycle."""
    error = executor.submit(cycle).exception(WITHIN)
    assert (type(error), error.all) == (ManyError, (1, 2, 3))
    assert type(error.__cause__) is KeywordError
    assert error.__cause__.__context__ is error


def test_a_long_history_comes_home_whole(executor):
    """It is longer than pickle can follow."""
    error, length = executor.submit(long_chain).exception(WITHIN), 0
    while error is not None:
        assert type(error) is ValueError
        error, length = error.__context__, length + 1
    assert length == 3000


ENDS = [
    SystemExit(3),
    SystemExit(),
    KeyboardInterrupt("x"),
    GeneratorExit(),
    StopAsyncIteration(1),
    EndError(2),
    MemoryError(),
]


@pytest.mark.parametrize("error", ENDS, ids=repr)
def test_what_ends_programs_is_the_error_of_its_call(executor, error):
    """By ``submit``, ``map`` and ``run``; nobody exits but the call."""
    found = alone(executor, raise_if, None, error)
    assert (type(found), found.args) == (type(error), error.args)
    assert type(raised_by(executor.run, [Task(raise_this, error)])) is type(error)
    assert executor.submit(abs, -1).result(WITHIN) == 1


def raise_if(error):
    """Raise it, if there is one."""
    if error is not None:
        raise error


def test_a_task_that_says_that_it_has_stopped_ends_the_results_as_it_ends_a_builtin_map(executor):
    """And goes on behind it, as that does; by submit it is the call's error."""
    errors = [None, StopIteration(7), None]
    assert outcomes(executor.map(raise_if, errors), 4) == outcomes(map(raise_if, errors), 4)
    error = executor.submit(raise_this, StopIteration(7)).exception(WITHIN)
    assert (type(error), error.value) == (StopIteration, 7)
