"""Calls that the ledger has not heard of, as it could do nothing with them but let them wait."""

from collections import deque
from collections.abc import Iterator

from taskpar._engine.events import Submitted


class Unheard:
    """Calls that are put down by any thread, and taken up by one at a time."""

    def __init__(self) -> None:
        self._events: deque[Submitted] = deque()
        self.add = self._events.append
        """Put calls down; this is all that is done for most of them, so entirely in C."""

    def __bool__(self) -> bool:
        return bool(self._events)

    def withdraw(self, event: Submitted) -> bool:
        """Take calls back; False: they have been taken up."""
        try:
            self._events.remove(event)
        except ValueError:
            return False
        return True

    def taken(self) -> Iterator[Submitted]:
        """Take up all that is there, calls in a row as one."""
        while self._events:
            job, start, stop, rules, _ = self._events.popleft()
            while self._events:
                following = self._events[0]
                if (following.job, following.start) != (job, stop) or following.rules is not rules:
                    break
                stop = self._events.popleft().stop
            yield Submitted(job, start, stop, rules)
