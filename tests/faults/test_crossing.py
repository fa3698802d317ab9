"""What cannot cross the border, and what tasks raise, through a real worker.

Whatever a user's object does on its way there or back, it is the outcome of its own call: the
calls beside it return, the executor stays usable, nobody waits for ever, and nobody exits.
"""

import os
import threading
import traceback
from functools import partial
from pathlib import Path

import pytest

from laws.oracle import error_as_data, outcomes
from rig.executors import Bench
from taskpar import CrossingError, DescribedError, Task

REFUSED = threading.Lock()  # what nobody can pickle
SAYS = "cannot pickle '_thread.lock' object"
WITHIN = 30.0  # seconds: a bound, not a measure


@pytest.fixture
def executor():
    """Two workers fed by queues, of this test alone: what is broken here is broken here only."""
    with Bench("queue", 2).make() as executor:
        yield executor


def same(value):
    """The argument."""
    return value


def alone(executor, function, good, bad):
    """The error of one call between two good ones; by ``map``, and by ``submit`` as well."""
    first, (kind, told), last, _ = outcomes(executor.map(function, [good, bad, good]), 4)
    assert (first[0], last[0], kind) == ("value", "value", "error")
    error = executor.submit(function, bad).exception(WITHIN)
    assert told[0] is type(error)
    assert list(executor.map(abs, range(-2, 2), timeout=WITHIN)) == [2, 1, 0, 1]
    return error


# --------------------------------------------------------------------------- what cannot be pickled
class Holder:
    """Holds something."""

    def __init__(self, held):
        self.held = held


class Unwilling:
    """Does not go: ``__reduce__`` raises."""

    def __init__(self, worst):
        self.worst = worst

    def __reduce__(self):
        raise self.worst


class Stubborn:
    """Goes, but does not arrive: ``__setstate__`` raises."""

    def __init__(self, worst):
        self.worst = worst

    def __setstate__(self, state):
        raise state["worst"]


class Unspeakable(Unwilling):
    """Does not even compare, nor show itself."""

    def __eq__(self, other):
        raise self.worst

    def __hash__(self):
        raise self.worst

    def __bool__(self):
        raise self.worst

    def __repr__(self):
        raise self.worst

    def __getattr__(self, name):
        raise SystemExit(name)


WORST = [ValueError("no"), SystemExit(3), GeneratorExit(), StopIteration(1), MemoryError()]


def test_an_argument_that_cannot_be_pickled_is_named_with_the_path_to_its_culprit(executor):
    """And the ways out are told."""
    error = alone(executor, same, 1, Holder([REFUSED]))
    assert type(error) is CrossingError
    line, ways = str(error).split("\n")
    assert line == (
        f"argument 'value' of call {error.index} cannot be pickled: "
        f".held[0] is a _thread.lock ({SAYS})"
    )
    assert "ThreadExecutor" in ways
    assert type(error.__cause__) is TypeError


def test_an_argument_of_several_is_named(executor):
    """By ``starmap``, ``submit`` with keywords, and ``run``."""
    errors = [
        raised_by(executor.starmap(pow_of, [(2, REFUSED)]).__next__),
        executor.submit(pow_of, 2, n=REFUSED).exception(WITHIN),
        raised_by(executor.run, [Task(pow_of, 2, REFUSED)]),
    ]
    for error in errors:
        assert f"argument 'n' of call {error.index} cannot be pickled: it is a" in str(error)


def pow_of(x, n):
    """A power."""
    return x**n


def raised_by(function, *args):
    """The exception that a call raises."""
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError(f"{function} raised nothing")


def test_a_constant_that_cannot_be_pickled_fails_each_call_by_its_name(executor):
    """It belongs to all calls."""
    seen = outcomes(executor.map(partial(pow_of, n=REFUSED), range(3)), 3)
    assert [told[2]["index"] for _, told in seen] == [0, 1, 2]
    error = executor.submit(partial(pow_of, n=REFUSED), 3).exception(WITHIN)
    assert f"the function of call {error.index} (pow_of) cannot be pickled: argument 'n' is" in str(
        error
    )


def test_a_function_that_cannot_be_pickled_fails_each_call_by_what_it_has_captured(executor):
    """Wherever it is defined."""
    lock = REFUSED
    error = executor.submit(lambda: lock).exception(WITHIN)
    assert type(error) is CrossingError
    assert f"cannot be pickled: captured variable 'lock' is a _thread.lock ({SAYS})" in str(error)
    seen = outcomes(executor.map(lambda _: lock, range(3)), 3)
    assert [told[2]["index"] for _, told in seen] == [0, 1, 2]


def make(kind):
    """What this kind of thing gives."""
    return MAKERS[kind]()


def nested():
    """A list in a list in a list, and so on."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    return deep


MAKERS = {
    "good": dict,
    "held": lambda: {"a": Holder([1, REFUSED])},
    "nested": nested,
    "generator": lambda: (number for number in "ab"),
}
TOLD = {
    "held": f"cannot be pickled: ['a'].held[1] is a _thread.lock ({SAYS})",
    "nested": "nested too deeply",
    "generator": "cannot be pickled: it is a generator",
}


@pytest.mark.parametrize("kind", TOLD)
def test_a_result_that_cannot_be_pickled_is_told_by_the_path_within_it(executor, kind):
    """It was computed, but cannot come home."""
    error = alone(executor, make, "good", kind)
    assert type(error) is CrossingError
    assert f"the result of call {error.index} " in str(error)
    assert TOLD[kind] in str(error)


def made(how):
    """One of a class, with what it raises."""
    return how[0](how[1]) if how else None


@pytest.mark.parametrize("cls", [Unwilling, Stubborn, Unspeakable])
@pytest.mark.parametrize("worst", WORST, ids=repr)
def test_an_object_that_raises_anything_on_its_way_fails_its_own_call(executor, cls, worst):
    """There and back."""
    for error in (
        alone(executor, same_type, 1, cls(worst)),
        alone(executor, made, None, (cls, worst)),
    ):
        assert type(error) is CrossingError
        assert (type(error.__cause__), error.__cause__.args) == (type(worst), worst.args)


def same_type(value):
    """Its type."""
    return type(value)


@pytest.mark.parametrize("cls", [Unwilling, Stubborn])
def test_an_object_that_raises_what_ctrl_c_raises_fails_its_own_call(executor, cls):
    """Where it is not in the caller's main thread, where nobody could tell it from Ctrl-C."""
    error = executor.submit(made, (cls, KeyboardInterrupt())).exception(WITHIN)
    assert type(error) is CrossingError
    assert type(error.__cause__) is KeyboardInterrupt
    assert executor.submit(abs, -1).result(WITHIN) == 1


def test_a_function_that_does_not_arrive_fails_each_call(executor):
    """With its own number."""
    stubborn = Calling(ValueError("no"))
    seen = outcomes(executor.map(stubborn, range(3)), 3)
    assert [told[2]["index"] for _, told in seen] == [0, 1, 2]
    error = executor.submit(stubborn, 1).exception(WITHIN)
    assert f"the function of call {error.index} cannot be unpickled: ValueError: no" in str(error)
    assert executor.submit(abs, -1).result(WITHIN) == 1


class Calling(Stubborn):
    """A function that does not arrive."""

    def __call__(self, argument):
        """Return the argument."""
        return argument


# ------------------------------------------------------------------------------- what a task raises
class KeywordError(Exception):
    """Takes keywords only, and passes nothing on."""

    def __init__(self, *, code, reason=None):
        self.code, self.reason = code, reason


class ManyError(Exception):
    """Takes more than it passes on."""

    def __init__(self, first, second, third):
        super().__init__(first + second + third)
        self.all = (first, second, third)


class SlottedError(ManyError):
    """Has a slot besides."""

    __slots__ = ("slot",)


class ParentError(Exception):
    """Is pickled as this very class, whatever inherits it."""

    def __reduce__(self):
        return ParentError, self.args


class ChildError(ParentError):
    """Would come back as its parent."""


class EndError(BaseException):
    """No `Exception`."""


def keywords():
    """Raise one that takes keywords."""
    raise KeywordError(code=3, reason="because")


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


def frames(error):
    """File, function, line and its text, from the outermost to the innermost."""
    return [
        (Path(frame.filename).name, frame.name, frame.lineno, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
    ]


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


# --------------------------------------------------------------------- exceptions that cannot cross
class LockedError(ManyError):
    """Holds what cannot be pickled."""

    def __init__(self, *numbers):
        super().__init__(*numbers)
        self.lock = REFUSED


def locked():
    """Raise it."""
    raise LockedError(1, 2, 3) from raised_by(keywords)


def test_of_an_exception_that_cannot_be_pickled_only_that_part_is_lost(executor):
    """It becomes a text; class, all other attributes, the cause and the frames stay."""
    error = executor.submit(locked).exception(WITHIN)
    assert (type(error), error.all, error.args) == (LockedError, (1, 2, 3), (6,))
    assert "lock" in error.lock
    assert type(error.__cause__) is KeywordError
    assert frames(error) == frames(raised_by(locked))[1:]


def local():
    """Raise one of a class that cannot cross."""

    class LocalError(Exception):
        lock = REFUSED

    raise LocalError("what went wrong")


class ElsewhereError(Exception):
    """Comes back in the process that it went from, and in no other."""

    def __reduce__(self):
        return only_in, (os.getpid(),)


def only_in(pid):
    """Make one, in this process."""
    if pid != os.getpid():
        raise SystemExit(9)
    return ElsewhereError("in its process")


def elsewhere():
    """Raise one that does not come back."""
    raise ElsewhereError("what went wrong")


@pytest.mark.parametrize("raiser", [local, elsewhere])
def test_an_exception_whose_class_cannot_come_is_described(executor, raiser):
    """What it said is not lost."""
    error = executor.submit(raiser).exception(WITHIN)
    assert type(error) is DescribedError
    assert "Error: what went wrong" in str(error)
    assert executor.submit(abs, -1).result(WITHIN) == 1


HOOKS = [
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
    "__repr__",
    "__str__",
    "__eq__",
    "__hash__",
    "__bool__",
    "__getattr__",
    "__setattr__",
    "__getattribute__",
    "__traceback__",
    "__class__",
    "with_traceback",
    "add_note",
]


def evil_class(hook, worst):
    """An exception class that raises as soon as it is asked."""

    def fail(*_):
        raise worst

    fails = property(fail) if hook in {"__traceback__", "__class__"} else fail
    return type("EvilError", (ValueError,), {hook: fails})


WORST_OF_ALL = [ValueError("no"), SystemExit(9), KeyboardInterrupt()]
EVIL = {hook: [evil_class(hook, worst) for worst in WORST_OF_ALL] for hook in HOOKS}
for hook, classes in EVIL.items():
    for number, cls in enumerate(classes):  # so that workers find them
        cls.__qualname__ = cls.__name__ = f"Evil{hook.strip('_')}{number}Error"
        cls.__module__ = __name__
        globals()[cls.__name__] = cls


def raise_evil(hook, number):
    """Raise one of them, or nothing."""
    if number is not None:
        raise EVIL[hook][number]("text")


@pytest.mark.parametrize("hook", HOOKS)
def test_an_exception_that_raises_whenever_it_is_asked_is_the_error_of_its_call(executor, hook):
    """Of its own class; by ``submit`` and by ``map``."""
    for number, cls in enumerate(EVIL[hook]):
        error = executor.submit(raise_evil, hook, number).exception(WITHIN)
        assert type(error) is cls
        results = executor.map(partial(raise_evil, hook), [None, number, None], timeout=WITHIN)
        assert next(results) is None
        assert type(raised_by(results.__next__)) is cls
        assert next(results) is None
        assert executor.submit(abs, -1).result(WITHIN) == 1
