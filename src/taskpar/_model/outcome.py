"""What became of a call.

A list of outcomes holds the values themselves, and an `Error` where a call raised: most calls
return, and a value that travels bare costs nothing.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from taskpar._model.value import Value

if TYPE_CHECKING:
    from concurrent.futures import Future


class Record(Value):
    """What is known of how a call ran; a value.

    Args:
        index: The position of the call in its ``map``, ``starmap`` or ``run``; for ``submit``,
            how many calls were submitted to the executor before it.
        name: The name of the task.
        attempt: Which try it was, from 1.
        pid: The process that it ran in; None where it never ran.
        input: The call as text, long arguments cut off; None where nobody would read it.
    """

    # In the order of __init__.
    __slots__ = ("index", "name", "attempt", "pid", "input")  # noqa: RUF023

    index: int
    name: str
    attempt: int
    pid: int | None
    input: str | None

    def __init__(
        self,
        index: int,
        name: str,
        attempt: int,
        pid: int | None,
        input: str | None = None,  # noqa: A002
    ) -> None:
        self._set(index=index, name=name, attempt=attempt, pid=pid, input=input)

    def with_input(self, text: str) -> "Record":
        """Return the same record with the call as text."""
        return Record(self.index, self.name, self.attempt, self.pid, text)

    def __str__(self) -> str:
        where = "" if self.pid is None else f" in process {self.pid}"
        tries = "" if self.attempt == 1 else f", attempt {self.attempt}"
        return f"{NOTE}call {self.index}{tries}{where}: {self.input or self.name}"


T = TypeVar("T")

NOTE = "taskpar: "
"""How the notes begin that are ours, and not those that a task has made."""


class Error:
    """The outcome of a call that raised ``exception``.

    Args:
        exception: What it raised.
        index: The position of the call; None where it does not matter.
    """

    __slots__ = ("exception", "index")

    def __init__(self, exception: BaseException, index: int | None = None) -> None:
        self.exception = exception
        self.index = index


_RECORD = "__taskpar_record__"


def _is_a(thing: object, cls: type[T]) -> TypeGuard[T]:
    """Tell what `isinstance` does, past what a class may make of ``__class__``."""
    return issubclass(type(thing), cls)


def _holds(error: BaseException) -> dict[str, Any]:
    """Return the ``__dict__`` of an exception, past what its class may make of attributes."""
    held: dict[str, Any] = vars(BaseException)["__dict__"].__get__(error)
    return held


def attach_to_future(future: "Future[Any]", known: tuple[int, str, int, int | None]) -> None:
    """Note on a future which call it comes from: what a `Record` is made of, as few are read."""
    setattr(future, _RECORD, known)


def attach(subject: BaseException, record: Record) -> None:
    """Note on an exception which call it comes from.

    It gets that as one more note too, so that an ordinary traceback shows it.
    """
    from taskpar.errors import TaskparError  # here, as workers do not need it

    held = _holds(subject)
    held[_RECORD] = record
    if _is_a(subject, TaskparError):
        held.update({name: getattr(record, name) for name in Record.__slots__})
    # In place of an older one: the same exception may be raised again.
    others = [note for note in _notes(subject) if not _is_ours(note)]
    held["__notes__"] = [*others, str(record)]


def add_notes(error: BaseException, notes: Iterable[str]) -> None:
    """Add notes of ours, behind all that are there."""
    _holds(error)["__notes__"] = [*_notes(error), *(f"{NOTE}{note}" for note in notes)]


def _notes(error: BaseException) -> list[Any]:
    notes = _holds(error).get("__notes__")
    return notes if isinstance(notes, list) else []


def _is_ours(note: object) -> bool:
    return isinstance(note, str) and str.startswith(note, NOTE)


def record_of(subject: object) -> Record | None:
    """Tell which call an exception, or a future, comes from.

    Args:
        subject: An exception that a task raised, or a future of `Executor.submit`.

    Returns:
        The `Record` of the call (for a future: once it is done); None if it comes from no call.
    """
    if _is_a(subject, BaseException):
        record = _holds(subject).get(_RECORD)
    else:
        known = getattr(subject, _RECORD, None)
        record = Record(*known) if isinstance(known, tuple) else None
    return record if isinstance(record, Record) else None
