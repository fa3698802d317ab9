"""What became of a call.

A list of outcomes holds the values themselves, and an `Error` where a call raised: most calls
return, and a value that travels bare costs nothing.
"""

from taskpar._model.value import Value


class Record(Value):
    """What is known of how a call ran; a value.

    Args:
        index: The position of the call in its ``map``, ``starmap`` or ``run``; for ``submit``,
            how many calls were submitted to the executor before it.
        name: The name of the task.
        attempt: Which try it was: 1, as long as nothing asks for a second one.
        pid: The process that it ran in; None where it never ran.
    """

    __slots__ = ("index", "name", "attempt", "pid")  # noqa: RUF023  # in the order of __init__

    index: int
    name: str
    attempt: int
    pid: int | None

    def __init__(self, index: int, name: str, attempt: int, pid: int | None) -> None:
        self._set(index=index, name=name, attempt=attempt, pid=pid)


class Error:
    """The outcome of a call that raised ``exception``."""

    __slots__ = ("exception",)

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception


_RECORD = "__taskpar_record__"


def attach(subject: object, record: Record) -> None:
    """Note on an exception, or on a future, which call it comes from."""
    try:
        setattr(subject, _RECORD, record)
    except (AttributeError, TypeError):
        return  # a class that refuses attributes: the exception matters more than the note


def record_of(subject: object) -> Record | None:
    """Tell which call an exception, or a future, comes from.

    Args:
        subject: An exception that a task raised, or a future of `Executor.submit`.

    Returns:
        The `Record` of the call (for a future: once it is done); None if it comes from no call.
    """
    record = getattr(subject, _RECORD, None)
    return record if isinstance(record, Record) else None
