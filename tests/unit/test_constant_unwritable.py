"""Whether something in a function could be written to: then each call makes its own."""

import operator
from functools import lru_cache, partial

import pytest

from taskpar import Task, parallel
from taskpar import partial as our_partial
from taskpar._engine.constant import is_unwritable


def plain(x, y=1, *, z="z"):
    """An ordinary function."""
    return x, y, z


def growing(x, seen=[]):  # noqa: B006
    """A function with the famous mistake."""
    seen.append(x)
    return seen


def closing_over(thing):
    """A closure."""
    return lambda: thing


class Stable:
    """Something that promises that nobody writes to it."""

    __taskpar_stable__ = True


class Callable:
    """An object with a state."""

    def __init__(self):
        self.state = []

    def __call__(self):
        """Return the state."""
        return self.state

    def method(self):
        """Return the state."""
        return self.state

    @classmethod
    def of_the_class(cls):
        """Return the class."""
        return cls


@lru_cache
def cached(x):
    """A cached function."""
    return x


@parallel
def decorated(x):
    """A parallel function."""
    return x


UNWRITABLE = [
    len,
    abs,
    int,
    operator.itemgetter,
    plain,
    cached,
    decorated,
    Callable,
    Callable.of_the_class,
    closing_over(1),
    closing_over(("a", (None, 2.5))),
    closing_over(plain),
    partial(plain, 1, z="b"),
    partial(partial(plain, (1, frozenset("a"))), 2),
    our_partial(plain, 1, z=b"b"),
    "text".upper,
    Stable(),
]
WRITABLE = [
    growing,
    closing_over([]),
    closing_over(({},)),
    closing_over(bytearray()),
    partial(plain, []),
    partial(plain, y={}),
    our_partial(plain, []),
    Callable(),
    Callable().method,
    [].append,
    partial(closing_over([])),
    Task(plain, []),
    partial(plain, Stable(), [1]),
]


@pytest.mark.parametrize("function", UNWRITABLE)
def test_functions_in_which_nothing_can_be_written_to(function):
    """Code, plain values, and tuples of such; a module's globals are the worker's own."""
    assert is_unwritable(function)


@pytest.mark.parametrize("function", WRITABLE)
def test_functions_that_could_carry_something_from_call_to_call(function):
    """Anything else that is bound, closed over, or a default."""
    assert not is_unwritable(function)


def test_what_is_nested_too_deep_is_taken_for_writable():
    """Looking must come to an end."""
    nested = 1
    for _ in range(50):
        nested = (nested,)
    assert not is_unwritable(partial(plain, nested))


def test_a_recursive_closure_is_unwritable():
    """It closes over itself."""

    def factorial(n):
        return 1 if n == 0 else n * factorial(n - 1)

    assert is_unwritable(factorial)


def test_an_empty_cell_is_no_obstacle():
    """A variable that has no value yet."""

    def function():
        return later

    assert is_unwritable(function)
    later = 1
