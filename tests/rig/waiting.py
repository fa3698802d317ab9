"""Waiting for a condition, for a bounded time: the only way in which a test waits."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SETTLED_WITHIN = 2.0  # seconds: the bound of law L14
_STEP = 0.01  # seconds between two looks


def eventually(look: Callable[[], T], within: float = SETTLED_WITHIN) -> T:
    """Return the first true value of ``look()``, or its last value after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(_STEP)
    return seen
