"""`Options` and the checks of arguments that executors share with them."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar import Options
from taskpar._model import checks

sizes = st.none() | st.integers(min_value=1)
changes = st.fixed_dictionaries(
    {}, optional={"name": st.none() | st.text(), "chunksize": sizes, "buffersize": sizes}
)


# ------------------------------------------------------------------------------ options
def test_nothing_is_asked_for_by_default():
    """Options without arguments ask for nothing."""
    options = Options()
    assert (options.name, options.chunksize, options.buffersize) == (None, None, None)
    assert options.given() == {}


@given(changes, changes)
def test_updated_options_are_those_that_would_have_been_made_at_once(a, b):
    """The law of `updated`."""
    assert Options(**a).updated(**b) == Options(**{**a, **b})


@given(changes)
def test_the_given_options_are_all_of_them(a):
    """The law of `given`."""
    options = Options(**a)
    assert Options(**options.given()) == options


@given(changes)
def test_options_are_values(a):
    """Equal options are equal in every use, also when they come back from elsewhere."""
    options = Options(**a)
    assert pickle.loads(pickle.dumps(options)) == options == Options(**a)
    assert hash(options) == hash(Options(**a))
    assert eval(repr(options)) == options


def test_updating_leaves_the_original_as_it_was():
    """A view with other options does not change those of the executor."""
    options = Options(chunksize=2)
    assert options.updated(chunksize=None).chunksize is None
    assert options.chunksize == 2


@pytest.mark.parametrize("name", ["name", "chunksize", "other"])
def test_options_are_frozen(name):
    """Nobody changes options that others hold; slots refuse new attributes."""
    with pytest.raises(AttributeError):
        setattr(Options(), name, 1)
    assert not hasattr(Options(), "__dict__")


@pytest.mark.parametrize("size", ["chunksize", "buffersize"])
@pytest.mark.parametrize("wrong", [0, -1])
def test_a_size_is_at_least_one(size, wrong):
    """The message names the argument, what is allowed and what was given."""
    with pytest.raises(
        ValueError, match=f"^{size} must be a positive integer or None, not {wrong}$"
    ):
        Options(**{size: wrong})


@pytest.mark.parametrize("size", ["chunksize", "buffersize"])
@pytest.mark.parametrize("wrong", [1.0, "1", True, False, [1]])
def test_a_size_is_an_integer(size, wrong):
    """What only looks like an integer is refused; a bool is a yes or no, not a size."""
    with pytest.raises(TypeError, match=f"^{size} must be a positive integer or None, not "):
        Options().updated(**{size: wrong})


def test_the_integers_of_numpy_are_sizes():
    """Whatever is an integer will do, and is one afterwards."""
    options = Options(chunksize=np.int32(3))
    assert (options.chunksize, type(options.chunksize)) == (3, int)


@pytest.mark.parametrize("wrong", [1, b"name", ["name"]])
def test_a_name_is_a_string(wrong):
    """The message names the argument."""
    with pytest.raises(TypeError, match=r"^name must be a string or None, not "):
        Options(name=wrong)


def test_an_unknown_option_is_refused_with_the_list_of_those_that_there_are():
    """A misspelt option is an error at once, and the message helps."""
    with pytest.raises(TypeError, match="no option 'chunk': there are name, chunksize, buffersize"):
        Options().updated(chunk=1)


# ------------------------------------------------------------------------------- checks
@given(st.integers(min_value=1))
def test_a_positive_integer_is_one(number):
    """What is allowed is returned."""
    assert checks.positive_int("n", number) == number == checks.positive_or_none("n", number)


def test_none_is_allowed_where_it_is_said_to_be():
    """`positive_int` wants a number."""
    assert checks.positive_or_none("n", None) is None
    with pytest.raises(TypeError, match=r"^max_workers must be a positive integer, not None$"):
        checks.positive_int("max_workers", None)


@given(st.integers(max_value=0))
def test_any_other_integer_is_refused(number):
    """The error is a ValueError: the type was right."""
    with pytest.raises(ValueError, match=r"^n must be a positive integer, not "):
        checks.positive_int("n", number)


def test_what_is_not_callable_or_not_iterable_is_named():
    """Executors ask these before they do anything."""
    checks.check_callable("fn", len)
    checks.check_iterable("xs", ())
    checks.check_iterable("xs", "text")
    with pytest.raises(TypeError, match=r"^fn must be callable, not 3$"):
        checks.check_callable("fn", 3)
    with pytest.raises(TypeError, match=r"^xs must be iterable, not 3$"):
        checks.check_iterable("xs", 3)


@pytest.mark.parametrize("seconds", [None, 0, 1, 2.5, float("inf"), np.float64(1)])
def test_seconds_are_numbers(seconds):
    """Any number of seconds, or None, is returned as it is."""
    assert checks.seconds_or_none("timeout", seconds) == seconds


@pytest.mark.parametrize("wrong", ["1", True, [1.0]])
def test_what_is_no_number_of_seconds_is_refused(wrong):
    """The message names the argument."""
    with pytest.raises(TypeError, match=r"^timeout must be seconds or None, not "):
        checks.seconds_or_none("timeout", wrong)


class Unspeakable:
    """Its repr raises."""

    def __repr__(self):
        raise ZeroDivisionError


def test_a_message_can_be_written_of_anything():
    """A long value is cut off, and one whose repr raises does not hide what was wrong with it."""
    with pytest.raises(TypeError, match=r"^fn must be callable, not <Unspeakable instance"):
        checks.check_callable("fn", Unspeakable())
    with pytest.raises(TypeError) as caught:
        checks.check_callable("fn", "x" * 10_000)
    assert len(str(caught.value)) < 200
