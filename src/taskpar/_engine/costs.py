"""What calls cost here, and what they would cost with workers: pure arithmetic for `choosing`."""

from math import inf

SEND_SECONDS = 0.3e-6
"""What it costs this process to have one call of many run elsewhere, besides its data."""

WORTH = 0.8
"""What a call must cost with workers, at the most, as a part of what it costs here."""

SHORT = 100e-6
"""Seconds that calls must take together to tell how long one takes: what the first ones of a
function need is not yet in the processor's caches."""


class Costs:
    """What is known of the calls of one ``map``.

    Args:
        slots: How many workers there may be.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._before = self._last = 0.0
        self.seconds = 0.0
        """How long a call took, when last measured; 0: never yet."""
        self.crossing: float | None = None
        """How long the data of a call takes to cross, one way; None: not looked at; inf: it
        cannot."""

    def measured(self, seconds: float, calls: int = 1) -> None:
        """Learn how long so many calls took together."""
        self.seconds = max(seconds / calls, 1e-9)
        self._before, self._last = self._last, self.seconds if seconds >= SHORT else 0.0

    @property
    def least(self) -> float:
        """The less of the last two measurements, as the machine may be busy; 0: nobody knows."""
        return min(self._before, self._last)

    @property
    def certain(self) -> bool:
        """Whether workers cannot gain anything."""
        return self._slots == 1 or self.crossing == inf

    def gain(self, left: int) -> float:
        """Return how many seconds workers would save on so many calls."""
        if self.certain:
            return 0.0
        crossing = self.crossing or 0.0
        elsewhere = max((self.least + 2 * crossing) / self._slots, 2 * crossing + SEND_SECONDS)
        return left * (self.least - elsewhere) if elsewhere < WORTH * self.least else 0.0
