"""A thread that rings when something is due: it starts with the first such time, and stays.

It would be easy to let it go whenever nothing will be due. But Python 3.12 starts no thread once
the main thread has ended, and then calls may still be under way.
"""

import threading
from collections.abc import Callable
from math import inf
from time import monotonic

_LONGEST = 1e6  # seconds: what every system can wait


class Alarm:
    """Calls ``ring`` at a time that may change at any moment.

    Args:
        ring: What to call, in the alarm's own thread.
        due: Tells when (of `time.monotonic`); inf: never. It is asked under the alarm's own lock,
            so of two threads that change the time, whoever looks last sees the last change.
    """

    def __init__(self, ring: Callable[[], object], due: Callable[[], float]) -> None:
        self._ring = ring
        self._ask = due
        self._due = inf
        self._changed = threading.Condition()  # reentrant, as the garbage collector may come here
        self._runs = False
        self._closed = False

    def look(self) -> None:
        """See whether the time has changed."""
        if self._ask() == self._due:  # mostly nothing has, and no lock is needed to see that
            return
        with self._changed:
            self._due = inf if self._closed else self._ask()
            if self._runs:
                self._changed.notify()
            elif self._due < inf:
                threading.Thread(target=self._wait, name="taskpar-alarm", daemon=True).start()
                self._runs = True

    def close(self) -> None:
        """Never ring again."""
        with self._changed:
            self._closed = True
            self._due = inf
            self._changed.notify()

    def _wait(self) -> None:
        while self._is_due():
            self._ring()

    def _is_due(self) -> bool:
        """Wait for the time; False when it was closed."""
        with self._changed:
            while (left := self._due - monotonic()) > 0:
                if self._closed:
                    return False
                self._changed.wait(min(left, _LONGEST))
            self._due = inf
            return True
