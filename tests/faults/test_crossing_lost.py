"""Of an exception that cannot cross, all comes home that can, and a text for the rest."""

from functools import partial

import pytest
from beside import REFUSED, ManyError, keywords
from places import WITHIN

from rig.errors import ElsewhereError, KeywordError, frames, raised_by
from rig.executors import Bench
from taskpar import DescribedError


@pytest.fixture
def executor():
    """Two workers fed by queues, of this test alone: what is broken here is broken here only."""
    with Bench("queue", 2).make() as executor:
        yield executor


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
