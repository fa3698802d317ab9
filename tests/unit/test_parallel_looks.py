"""What `@parallel` is put on looks like what it was."""

import abc
import copy
import inspect
import pydoc
import typing

import pytest
from decorated import Fine, Scale, above_cache, above_wraps, below_cache, power, square

from taskpar import Parallel, parallel


def test_a_decorated_function_looks_like_the_function():
    """Name, docstring, module, signature and annotations are those of the function."""
    raw = power.__wrapped__
    assert inspect.isfunction(raw)
    assert (power.__name__, power.__qualname__, power.__doc__) == ("power", "power", raw.__doc__)
    assert power.__module__ == "decorated"
    assert inspect.signature(power) == inspect.signature(raw)
    assert typing.get_type_hints(power) == typing.get_type_hints(raw)
    assert pydoc.render_doc(power, renderer=pydoc.plaintext).splitlines()[2:] == [
        "power(x: int, n: int = 2, /, *, plus: int = 0) -> int",
        "    Multiply by itself, n times.",
    ]
    assert repr(power) == "<parallel power>"


def test_a_decorated_method_looks_like_the_method():
    """Bound, it has one parameter less; it is the same each time it is taken from its object."""
    method = Scale(3).times
    assert str(inspect.signature(method)) == "(x: int) -> int"
    assert str(inspect.signature(Scale.times)) == "(self, x: int) -> int"
    assert str(inspect.signature(Scale.above_class)) == "(x: int) -> int"
    assert (method.__qualname__, method.__doc__) == ("Scale.times", "Multiply.")
    one = Scale(3)
    assert one.times == one.times
    assert hash(one.times) == hash(one.times)
    assert one.times != Fine(3).times
    assert one.times != one.cached
    assert Scale.times is Scale.times


def test_what_else_the_function_has_is_still_there():
    """Say, what a cache offers, or an attribute that another decorator made."""
    above_cache.cache_clear()
    assert [above_cache(1), above_cache(1)] == [4, 4]
    assert above_cache.cache_info().hits == 1
    assert above_wraps.calls >= 0
    with pytest.raises(AttributeError, match="mpa"):
        _ = square.mpa
    with pytest.raises(AttributeError, match="_private"):
        _ = square._private


def test_attributes_can_be_given_to_it():
    """As to any function."""
    function = parallel(lambda x: x)
    function.note = "mine"
    assert function.note == "mine"
    assert copy.deepcopy(function).note == "mine"


def test_keywords_that_it_has_itself_go_to_the_function(serial):
    """No name is taken from the function's own keywords."""

    @parallel
    def seen(*args, **kwargs):
        return args, kwargs

    words = {"self": 1, "fn": 2, "name": 3, "chunksize": 4, "timeout": 5}
    assert seen(0, **words) == ((0,), words)
    assert seen.submit(0, **words).result() == ((0,), words)
    assert seen.task(0, **words)() == ((0,), words)


def test_an_abstract_method_stays_abstract():
    """A class is not complete before its parallel methods are."""

    class Base(abc.ABC):
        @parallel
        @abc.abstractmethod
        def work(self, x):
            """Work."""

    class Real(Base):
        @parallel
        def work(self, x):
            return x

    with pytest.raises(TypeError, match="work"):
        Base()
    assert Real().work(3) == 3


def test_parallel_is_a_type_to_ask_for():
    """What is decorated can be told from what is not."""
    assert isinstance(square, Parallel)
    assert isinstance(Scale(3).times, Parallel)
    assert not isinstance(below_cache, Parallel)
