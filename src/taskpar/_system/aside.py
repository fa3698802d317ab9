"""Whether a thread was pushed aside: what was measured meanwhile is longer than it takes."""

from time import thread_time

try:
    from resource import RUSAGE_THREAD, getrusage
except ImportError:  # Linux only

    def _switches() -> tuple[int, int]:
        """Tell of none, where that is not known."""
        return 0, 0

else:

    def _switches() -> tuple[int, int]:
        """Tell how often this thread gave its processor away: to wait, and as others got it."""
        usage = getrusage(RUSAGE_THREAD)
        return usage.ru_nvcsw, usage.ru_nivcsw


class Own:
    """A stretch of time in a thread, from the moment in which this is made."""

    def __init__(self) -> None:
        self._waited, self._pushed = _switches()
        self._began = thread_time()

    def of(self, seconds: float) -> float:
        """Return how many of these seconds, which have passed since then, were the thread's own.

        Where it never waited, and others had its processor, those in which it ran. What it waits
        for takes as long as it does.
        """
        waited, pushed = _switches()
        if waited > self._waited or pushed == self._pushed:
            return seconds
        return min(seconds, thread_time() - self._began)
