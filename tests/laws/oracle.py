"""What an iterator does, written down as data: the way in which parallel and serial are compared.

The serial side is always the builtin itself; nothing here knows what the answer should be.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from taskpar._model.outcome import NOTE

Outcome: TypeAlias = tuple[Any, ...]

END: Outcome = ("end", ())

# A user's error is told by these; what a library adds for itself begins with an underscore.
_DEEPEST = 10


def outcomes(iterator: Iterator[Any], times: int) -> list[Outcome]:
    """Call ``next()`` so many times and note each outcome, also the end, also after the end.

    No outcome stops it: a builtin ``map`` goes on after an exception, and after a StopIteration
    that its function raised.
    """
    return [outcome_of(iterator.__next__) for _ in range(times)]


def outcomes_to_the_end(iterator: Iterator[Any], times: int) -> list[Outcome]:
    """Note the outcomes up to the first end.

    Asked again after that, a builtin ``map`` asks its inputs again, those that have not ended too.
    """
    noted = outcomes(iterator, times)
    return noted[: 1 + [outcome[0] for outcome in noted].index("end")]


def outcome_of(call: Callable[[], Any]) -> Outcome:
    """The outcome of one call: a value, the end, or an error with all that belongs to it."""
    try:
        value = call()
    except StopIteration as stop:
        return ("end", stop.args)
    except BaseException as error:
        return ("error", error_as_data(error))
    # The text tells 1 from True and from 1.0, however deep they lie.
    return ("value", type(value).__name__, value, repr(value) if _is_short(value) else None)


def error_as_data(error: BaseException | None, depth: int = 0) -> tuple[Any, ...] | None:
    """Class, arguments, attributes, notes, cause and context of an error, and of those in turn.

    The notes are the task's own: not those that begin as the library's do, to tell of the call.
    """
    if error is None or depth > _DEEPEST:
        return None
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return (
        type(error),
        _arguments(error),
        {name: value for name, value in vars(error).items() if not name.startswith("_")},
        tuple(note for note in getattr(error, "__notes__", ()) if not note.startswith(NOTE)),
        error_as_data(error.__cause__, depth + 1),
        error_as_data(error.__context__, depth + 1),
        error.__suppress_context__,
        tuple(error_as_data(member, depth + 1) for member in members),
    )


def _arguments(error: BaseException) -> tuple[Any, ...]:
    # A group holds its members among its arguments, and no two errors are equal.
    return error.args[:1] if isinstance(error, BaseExceptionGroup) else error.args


def _is_short(value: object) -> bool:
    return not isinstance(value, bytes | bytearray) or len(value) < 1000
