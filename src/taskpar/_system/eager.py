"""Waiting for what is likely to come in a moment.

To fall asleep and be woken takes longer than all the rest of a short message there and back; most
of all on a virtual machine, whose processors fall asleep as well. So who had to wait for a moment
only looks again and again the next time, for one moment, before he sleeps.

Where he looks in vain, on a processor that others want, say, he sleeps at once the next times, the
more of them the more often that happens: nobody keeps a processor busy for nothing.
"""

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

MOMENT = 0.0002
"""For how many seconds to look: a round trip takes fewer, where nobody sleeps."""

NEAR = 0.0005
"""Within how many seconds something has come, sleep included, if the next is to be looked for."""

LONGEST_PAUSE = 64
"""How many times in a row to sleep at once, at the most: in vain, a look is a percent of that."""

T = TypeVar("T")


class Eager:
    """Waits for one thing, again and again; a thread at a time."""

    def __init__(self) -> None:
        self._likely = False
        self._pause = 0
        """How many times not to look."""
        self._next_pause = 1

    def wait(self, look: Callable[[], T], sleep: Callable[[], T]) -> T:
        """Wait, and return what was found.

        Args:
            look: Returns what is there; nothing is false.
            sleep: Returns what is there, when there is something, or when it was long enough.
        """
        began = perf_counter()
        if self._pause:
            self._pause -= 1
        elif self._likely:
            while perf_counter() < began + MOMENT:
                found = look()
                if found:
                    self._next_pause = 1
                    return found
            self._pause = self._next_pause
            self._next_pause = min(2 * self._pause, LONGEST_PAUSE)
        found = sleep()
        self._likely = perf_counter() < began + NEAR
        return found
