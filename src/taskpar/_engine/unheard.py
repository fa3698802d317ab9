"""Calls that the ledger has not heard of, as it could do nothing with them but let them wait."""

from collections import deque
from collections.abc import Iterator

from taskpar._engine.events import Rules, Submitted

PutDown = tuple[int, int, Rules]
"""A call: its job, its number, and the rules; a plain tuple, as there is one for each `submit`."""


class Unheard:
    """Calls that are put down by any thread, and taken up by one at a time."""

    def __init__(self) -> None:
        self._calls: deque[PutDown] = deque()
        self.add = self._calls.append
        """Put a call down; this is all that is done for most of them, so entirely in C."""

    def __bool__(self) -> bool:
        return bool(self._calls)

    def withdraw(self, call: PutDown) -> bool:
        """Take a call back; False: it has been taken up."""
        try:
            self._calls.remove(call)
        except ValueError:
            return False
        return True

    def taken(self) -> Iterator[Submitted]:
        """Take up all that is there, calls in a row as one."""
        following = self._next()
        while following is not None:
            job, start, rules = following
            stop = start + 1
            while (following := self._next()) is not None:
                if following[:2] != (job, stop) or following[2] is not rules:
                    break
                stop += 1
            yield Submitted(job, start, stop, rules)

    def _next(self) -> PutDown | None:
        """Take up one; others may do so at the same time, as the garbage collector likes."""
        return self._calls.popleft() if self._calls else None
