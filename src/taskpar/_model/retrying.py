"""When a call that failed is tried again, and after how long."""

from collections.abc import Callable

from taskpar._model.checks import short
from taskpar._model.options import Options
from taskpar.errors import WorkerDiedError

_ALWAYS: tuple[type[BaseException], ...] = (Exception,)
_TOO_WIDE = frozenset((Exception, BaseException, object))


def is_retried(error: BaseException, options: Options) -> bool:
    """Tell whether options ask for another attempt after this error.

    A call that killed its worker is tried again only where that is asked for by a name nearer than
    `Exception`: it may do so again, and all that it holds of the machine with it.
    """
    classes = _ALWAYS if options.retry_on is None else options.retry_on
    kind = type(error)  # not by isinstance: what a class says of itself may raise
    if issubclass(kind, WorkerDiedError):
        classes = tuple(cls for cls in classes if cls not in _TOO_WIDE)
    return issubclass(kind, classes)


def delay_after(attempt: int, options: Options) -> float:
    """Return the seconds between the ``attempt``-th failure of a call and its next attempt.

    Raises:
        Exception: What the user's function raises.
        TypeError: It returns no number.
        ValueError: It returns less than 0, or no finite number.
    """
    delay = options.retry_delay
    if not callable(delay):
        return delay or 0.0
    seconds = delay(attempt)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"retry_delay must return seconds, not {short(seconds)}")
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"retry_delay must return seconds of at least 0, not {short(seconds)}")
    return float(seconds)


def backoff(
    first: float = 0.1, *, factor: float = 2.0, longest: float = 60.0, jitter: float = 0.5
) -> Callable[[int], float]:
    """Make a ``retry_delay`` that grows with each attempt, with some chance in it.

    **Law:** after attempt n the delay is ``min(longest, first * factor ** (n - 1))``, less a random
    part of at most ``jitter`` times that, so that not all that failed together come back together.

    Args:
        first: Seconds after the first attempt.
        factor: By how much each delay is longer than the one before.
        longest: Seconds that no delay exceeds.
        jitter: From 0 (no chance) to 1 (anything down to no delay at all).

    Returns:
        A function of the number of the attempt that failed, from 1.

    Raises:
        ValueError: A number is not in its range.
    """
    if first < 0 or factor < 1 or longest < 0 or not 0 <= jitter <= 1:
        raise ValueError(
            "backoff takes first >= 0, factor >= 1, longest >= 0 and jitter from 0 to 1, not "
            f"{first=}, {factor=}, {longest=}, {jitter=}"
        )

    from random import Random  # only here: its import takes longer than all of this module's

    chance = Random()  # its own: the caller's random numbers stay what they are

    def delay(attempt: int) -> float:
        try:
            seconds = min(longest, first * factor ** (attempt - 1))
        except OverflowError:
            seconds = longest
        return seconds * (1 - jitter * chance.random())

    return delay
