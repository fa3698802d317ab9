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
        following = self._next()
        while following is not None:
            job, start, stop, rules, _ = following
            while (following := self._next()) is not None:
                if (following.job, following.start) != (job, stop) or following.rules is not rules:
                    break
                stop = following.stop
            yield Submitted(job, start, stop, rules)

    def _next(self) -> Submitted | None:
        """Take up one; others may do so at the same time, as the garbage collector likes."""
        return self._events.popleft() if self._events else None
