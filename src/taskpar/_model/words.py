"""The words for executors: what ``TASKPAR_EXECUTOR`` and `open_executor` understand.

Only their form is known here; `taskpar.opening` knows what they stand for.
"""

from typing import NamedTuple

from taskpar._model.checks import text_or_none

COUNTED = ("serial", "thread", "process", "pool", "queue", "auto", "interpreter")
"""Those that a number of workers may follow: ``thread:8``."""

JOINED = ("dask", "ray")
"""Those that an address may follow: ``dask://host:port``."""


class Word(NamedTuple):
    """A word, taken apart.

    Args:
        kind: Which kind of executor it names.
        workers: How many workers; None: as many as usual.
        address: Where the cluster is that is joined; None: a new one, on this machine.
    """

    kind: str
    workers: int | None = None
    address: str | None = None


def word_of(name: str, text: str) -> Word:
    """Take a word apart.

    Args:
        name: The name of the argument, for the message.
        text: What was given.

    Raises:
        ValueError: There is no such executor, or what follows is not what may follow.
    """
    kind, colon, rest = text.partition(":")
    if not colon and kind in COUNTED + JOINED:
        return Word(kind)
    if kind in COUNTED and rest.isascii() and rest.isdigit() and int(rest):
        return Word(kind, workers=int(rest))
    address = rest.removeprefix("//")
    if kind in JOINED and address != rest and address and not any(map(str.isspace, address)):
        return Word(kind, address=address)
    raise ValueError(
        f"{name} must be one of {', '.join(COUNTED)}, alone or followed by :N for N workers "
        f"(a positive integer), or one of {', '.join(JOINED)}, alone or followed by ://host:port, "
        f"not {text!r}{_suggestion(kind)}"
    )


def _suggestion(kind: str) -> str:
    from difflib import get_close_matches  # here, as it is for a message only

    known = COUNTED + JOINED
    near = [] if kind in known else get_close_matches(kind.lower(), known, 1)
    return f": did you mean {near[0]!r}?" if near else ""


def executor_or_none(name: str, value: object) -> str | None:
    """Return ``value``, a word for an executor, or None.

    Raises:
        TypeError: It is neither text nor None.
        ValueError: There is no such executor, or what follows is not what may follow.
    """
    text = text_or_none(name, value)
    if text is not None:
        word_of(name, text)
    return text
