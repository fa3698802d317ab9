"""Exceptions that are hard to send home, and what is seen of those that have come home."""

import os
import traceback
from collections.abc import Callable
from typing import Any


def raised_by(function: Callable[..., object], *args: object) -> BaseException:
    """The exception that a call raises."""
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError(f"{function} raised nothing")


def frames(error: BaseException) -> list[tuple[str, str, int | None, str | None]]:
    """File, function, line and its text, from the outermost to the innermost."""
    return [
        (frame.filename, frame.name, frame.lineno, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
    ]


class KeywordError(Exception):
    """Takes keywords only, and passes nothing on."""

    def __init__(self, *, code: int, reason: str | None = None) -> None:
        self.code, self.reason = code, reason


class ParentError(Exception):
    """Says that it is pickled as this very class, and so do those that inherit it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return ParentError, self.args


class ChildError(ParentError):
    """Would come back as its parent."""


class ElsewhereError(Exception):
    """Comes back in the process that it went from, and in no other."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _only_in, (os.getpid(),)


def _only_in(pid: int) -> ElsewhereError:
    """Make one, in this process."""
    if pid != os.getpid():
        raise SystemExit(9)
    return ElsewhereError("in its process")
