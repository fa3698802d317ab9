"""Arguments, functions and results that cannot cross fail their own call, and are told in words."""

from functools import partial

import pytest
from beside import REFUSED, alone
from places import WITHIN

from laws.oracle import outcomes
from rig.errors import raised_by
from rig.executors import Bench
from taskpar import CrossingError, Task

SAYS = "cannot pickle '_thread.lock' object"


@pytest.fixture
def executor():
    """Two workers fed by queues, of this test alone: what is broken here is broken here only."""
    with Bench("queue", 2).make() as executor:
        yield executor


def same(value):
    """The argument."""
    return value


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
