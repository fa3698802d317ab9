"""`Options` and the checks of arguments that executors share with them."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar import Options, WorkerDiedError
from taskpar._model import checks
from taskpar._model.options import OptionWords

sizes = st.none() | st.integers(min_value=1)
flags = st.sampled_from([None, True, False])
seconds = st.floats(0, 1e9, exclude_min=True) | st.integers(1, 100)
errors = st.sampled_from([ValueError, WorkerDiedError, KeyboardInterrupt, BaseException])
shown_as_written = {
    "name": st.none() | st.text(),
    "chunksize": sizes,
    "buffersize": sizes,
    "time_limit": st.none() | seconds,
    "retries": st.none() | st.integers(0, 9),
    "on_error": st.sampled_from([None, "raise", "return", "skip", "group"]),
    "cancel_running": flags,
    "relay": st.sampled_from([None, "log", "all"]),
    "context": flags,
}
other = {
    "retry_on": st.none() | errors | st.lists(errors, max_size=3).map(tuple),
    "retry_delay": st.none() | st.just(0) | seconds | st.sampled_from([float, len]),
}
changes = st.fixed_dictionaries({}, optional={**shown_as_written, **other})


# ------------------------------------------------------------------------------ options
def test_nothing_is_asked_for_by_default():
    """Options without arguments ask for nothing."""
    options = Options()
    assert {getattr(options, name) for name in Options.__slots__} == {None}
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


@given(st.fixed_dictionaries({}, optional=shown_as_written))
def test_options_are_shown_as_they_are_written(a):
    """The repr is what one would type, with every option there is."""
    options = Options(**a)
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


@pytest.mark.parametrize("make", [Options, Options().updated])
def test_an_unknown_option_is_refused_with_the_list_of_those_that_there_are(make):
    """A misspelt option is an error at once, and the message helps."""
    with pytest.raises(TypeError, match="no option 'chunk': there are name, chunksize, ") as caught:
        make(chunk=1)
    assert all(name in str(caught.value) for name in Options.__slots__)


def test_every_option_can_be_told_to_type_checkers():
    """`OptionWords` has the keywords of `Options`, no more and no less."""
    assert list(OptionWords.__annotations__) == list(Options.__slots__)


REFUSED = [
    ("time_limit", 0, ValueError, "must be seconds, more than 0, or None, not 0"),
    ("time_limit", -1.5, ValueError, "must be seconds, more than 0, or None, not -1.5"),
    ("time_limit", float("inf"), ValueError, "must be seconds, more than 0, or None, not inf"),
    ("time_limit", float("nan"), ValueError, "must be seconds, more than 0, or None, not nan"),
    ("time_limit", "1", TypeError, "must be seconds, more than 0, or None, not '1'"),
    ("time_limit", True, TypeError, "must be seconds, more than 0, or None, not True"),
    ("retries", -1, ValueError, "must be an integer of at least 0 or None, not -1"),
    ("retries", 1.0, TypeError, "must be an integer of at least 0 or None, not 1.0"),
    ("retries", True, TypeError, "must be an integer of at least 0 or None, not True"),
    ("retry_on", 3, TypeError, "must be an exception class, a tuple of them, or None, not 3"),
    ("retry_on", (OSError, int), TypeError, "must be an exception class, a tuple of them, or"),
    ("retry_on", OSError(), TypeError, "must be an exception class, a tuple of them, or None"),
    ("retry_on", [OSError], TypeError, "must be an exception class, a tuple of them, or None"),
    ("retry_delay", -0.1, ValueError, "must be seconds of at least 0, a function of the attempt"),
    ("retry_delay", float("inf"), ValueError, "must be seconds of at least 0, a function of the"),
    ("retry_delay", "1", TypeError, "must be seconds of at least 0, a function of the attempt"),
    ("on_error", "ignore", ValueError, "must be one of 'raise', 'return', 'skip', 'group', or"),
    ("on_error", 1, ValueError, "must be one of 'raise', 'return', 'skip', 'group', or None"),
    ("on_error", ["raise"], ValueError, "must be one of 'raise', 'return', 'skip', 'group', or"),
    ("cancel_running", 1, TypeError, "must be True, False or None, not 1"),
    ("relay", "everything", ValueError, "must be one of 'log', 'all', or None, not 'everything'"),
    ("relay", True, ValueError, "must be one of 'log', 'all', or None, not True"),
    ("context", "yes", TypeError, "must be True, False or None, not 'yes'"),
]


@pytest.mark.parametrize(("name", "wrong", "error", "message"), REFUSED, ids=repr)
def test_a_wrong_option_is_refused_in_words(name, wrong, error, message):
    """The message names the option, says what is allowed, and shows what was given."""
    with pytest.raises(error, match=f"^{name} {message}"):
        Options(**{name: wrong})


def test_options_that_are_given_in_several_forms_have_one():
    """Equal wishes are equal options: integers of seconds, one exception class or a tuple of it."""
    assert Options(time_limit=2) == Options(time_limit=2.0) == Options(time_limit=np.float64(2))
    assert type(Options(time_limit=2).time_limit) is float
    assert Options(retry_on=OSError) == Options(retry_on=(OSError,))
    assert Options(retry_on=()).retry_on == ()


def test_the_delay_of_a_retry_may_be_a_function():
    """It is kept as it is; any number is seconds."""
    assert Options(retry_delay=len).retry_delay is len
    assert Options(retry_delay=0).retry_delay == 0.0


def test_options_are_given_by_name_only():
    """Nobody has to know their order."""
    with pytest.raises(TypeError):
        Options("name")


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


@given(st.integers(min_value=0))
def test_a_count_may_be_zero(number):
    """It is returned; so is None, and nothing less than zero."""
    assert checks.count_or_none("n", number) == number
    assert checks.count_or_none("n", None) is None
    with pytest.raises(ValueError, match=r"^n must be an integer of at least 0 or None, not -"):
        checks.count_or_none("n", -1 - number)


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


class Leaving:
    """Its repr ends the program, if it may."""

    def __repr__(self):
        raise SystemExit


class Interrupted:
    """Its repr is interrupted by the user."""

    def __repr__(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "value", [Unspeakable(), Leaving(), [Leaving()], "x" * 999, "\ud800" * 999]
)
def test_anything_can_be_shown_in_short(value):
    """In some words, few enough."""
    assert 0 < len(checks.short(value)) <= checks.SHORT


def test_what_is_short_is_shown_as_it_is():
    """As the repr does."""
    for value in (1, "a b", [1, (2,)], {"a": None}, 1.5):
        assert checks.short(value) == repr(value)


def test_ctrl_c_while_something_is_shown_is_the_users_own():
    """It is not swallowed."""
    with pytest.raises(KeyboardInterrupt):
        checks.short(Interrupted())
