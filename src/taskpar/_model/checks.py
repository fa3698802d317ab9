"""Is an argument what it may be? What is wrong is told at the call, with the argument's name."""

import reprlib
from collections.abc import Callable
from math import isfinite
from operator import index
from typing import Any, cast

SHORT = 200
"""How long a repr in a message may be."""


def short(value: object) -> str:
    """Return the repr of a value for a message: cut off where it is long, and never raising."""
    try:
        text = reprlib.repr(value)
    except KeyboardInterrupt:
        raise  # the user's own
    except BaseException:  # noqa: BLE001  # a __repr__ may raise anything, SystemExit too
        text = f"<{type(value).__qualname__} that cannot be shown>"
    return text if len(text) <= SHORT else f"{text[: SHORT - 3]}..."


def positive_int(name: str, value: object) -> int:
    """Return ``value`` as an integer that is at least 1.

    Args:
        name: The name of the argument, for the message.
        value: What was given; anything that is an integer will do, numpy's too, but no bool.

    Raises:
        TypeError: It is not an integer.
        ValueError: It is less than 1.
    """
    return _at_least(1, name, value, "a positive integer")


def positive_or_none(name: str, value: object) -> int | None:
    """Return ``value`` as an integer that is at least 1, or None.

    Raises:
        TypeError: It is neither an integer nor None.
        ValueError: It is less than 1.
    """
    return None if value is None else _at_least(1, name, value, "a positive integer or None")


def _at_least(least: int, name: str, value: object, allowed: str) -> int:
    wrong = f"{name} must be {allowed}, not {short(value)}"
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise TypeError(wrong)
    number = index(value)  # type: ignore[arg-type]  # the line above has looked
    if number < least:
        raise ValueError(wrong)
    return number


def count_or_none(name: str, value: object) -> int | None:
    """Return ``value`` as an integer that is at least 0, or None.

    Raises:
        TypeError: It is neither an integer nor None.
        ValueError: It is less than 0.
    """
    return None if value is None else _at_least(0, name, value, "an integer of at least 0 or None")


def text_or_none(name: str, value: object) -> str | None:
    """Return ``value``, a string or None.

    Raises:
        TypeError: It is something else.
    """
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a string or None, not {short(value)}")
    return value


def flag_or_none(name: str, value: object) -> bool | None:
    """Return ``value``, a bool or None.

    Raises:
        TypeError: It is something else.
    """
    if value is not None and not isinstance(value, bool):
        raise TypeError(f"{name} must be True, False or None, not {short(value)}")
    return value


def choice_or_none(name: str, value: object, choices: tuple[str, ...]) -> str | None:
    """Return ``value``, one of the choices or None.

    Raises:
        ValueError: It is something else.
    """
    if value is None or (isinstance(value, str) and value in choices):
        return value
    every = ", ".join(map(repr, choices))
    raise ValueError(f"{name} must be one of {every}, or None, not {short(value)}")


def exceptions_or_none(name: str, value: object) -> tuple[type[BaseException], ...] | None:
    """Return ``value``, an exception class or several, as a tuple, or None.

    Raises:
        TypeError: It is something else.
    """
    if value is None:
        return None
    classes = cast("tuple[object, ...]", value if isinstance(value, tuple) else (value,))
    if not all(isinstance(cls, type) and issubclass(cls, BaseException) for cls in classes):
        raise TypeError(
            f"{name} must be an exception class, a tuple of them, or None, not {short(value)}"
        )
    return cast("tuple[type[BaseException], ...]", classes)


def delay_or_none(name: str, value: object) -> float | Callable[[int], float] | None:
    """Return ``value``, seconds, a function that returns seconds, or None.

    Raises:
        TypeError: It is something else.
        ValueError: It is less than 0.
    """
    if value is None or callable(value):
        return cast("Callable[[int], float] | None", value)
    return _seconds(name, value, "seconds of at least 0, a function of the attempt, or None")


def _seconds(name: str, value: object, allowed: str, *, above: float | None = None) -> float:
    wrong = f"{name} must be {allowed}, not {short(value)}"
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise TypeError(wrong)
    seconds = float(cast("Any", value))
    if not isfinite(seconds) or seconds < 0 or (above is not None and seconds <= above):
        raise ValueError(wrong)
    return seconds


def positive_seconds_or_none(name: str, value: object) -> float | None:
    """Return ``value`` as seconds, more than 0, or None.

    Raises:
        TypeError: It is neither a number nor None.
        ValueError: It is not more than 0, or infinite.
    """
    return (
        None if value is None else _seconds(name, value, "seconds, more than 0, or None", above=0)
    )


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


def check_any_iterable(name: str, value: object) -> None:
    """Check that ``value`` can be iterated over, by ``for`` or by ``async for``.

    Raises:
        TypeError: It cannot.
    """
    if not hasattr(type(value), "__aiter__"):
        check_iterable(name, value)


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
