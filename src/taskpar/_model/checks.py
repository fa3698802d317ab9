"""Is an argument what it may be? What is wrong is told at the call, with the argument's name."""

import reprlib
from operator import index


def short(value: object) -> str:
    """Return the repr of a value for a message: cut off where it is long, and never raising."""
    return reprlib.repr(value)


def positive_int(name: str, value: object) -> int:
    """Return ``value`` as an integer that is at least 1.

    Args:
        name: The name of the argument, for the message.
        value: What was given; anything that is an integer will do, numpy's too, but no bool.

    Raises:
        TypeError: It is not an integer.
        ValueError: It is less than 1.
    """
    return _positive(name, value, "a positive integer")


def positive_or_none(name: str, value: object) -> int | None:
    """Return ``value`` as an integer that is at least 1, or None.

    Raises:
        TypeError: It is neither an integer nor None.
        ValueError: It is less than 1.
    """
    return None if value is None else _positive(name, value, "a positive integer or None")


def _positive(name: str, value: object, allowed: str) -> int:
    wrong = f"{name} must be {allowed}, not {short(value)}"
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(wrong)
    number = index(value)  # type: ignore[arg-type]  # the line above has looked
    if number < 1:
        raise ValueError(wrong)
    return number


def text_or_none(name: str, value: object) -> str | None:
    """Return ``value``, a string or None.

    Raises:
        TypeError: It is something else.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a string or None, not {short(value)}")
    return value


def check_callable(name: str, value: object) -> None:
    """Check that ``value`` can be called.

    Raises:
        TypeError: It cannot.
    """
    if not callable(value):
        raise TypeError(f"{name} must be callable, not {short(value)}")


def check_iterable(name: str, value: object) -> None:
    """Check that ``value`` can be iterated over.

    Raises:
        TypeError: It cannot.
    """
    if not (hasattr(type(value), "__iter__") or hasattr(type(value), "__getitem__")):
        raise TypeError(f"{name} must be iterable, not {short(value)}")


def seconds_or_none(name: str, value: object) -> float | None:
    """Return ``value`` as seconds, or None.

    Raises:
        TypeError: It is neither a number nor None.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise TypeError(f"{name} must be seconds or None, not {short(value)}")
    return float(value)  # type: ignore[arg-type]  # the line above has looked
