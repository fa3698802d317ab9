"""Counting where time goes, message by message: what `Stats` are made of."""

import threading
from heapq import heappush, heappushpop
from time import monotonic

from taskpar._engine.backend import Backend
from taskpar._engine.reply import Reply
from taskpar._model.stats import Stats

SLOWEST = 5
"""How many of the slowest calls are remembered."""


class Tally:
    """What is known so far.

    Args:
        whole: That of the executor, which counts the same; None: this is it.
    """

    def __init__(self, whole: "Tally | None" = None) -> None:
        self._whole = whole
        self._lock = threading.Lock()
        self._stats = Stats()
        self._slowest: list[tuple[float, int]] = []
        self._began: float | None = None
        self._ended = 0.0

    def sent(self, packing: float, sending: float, size: int) -> None:
        """Count a message to a worker."""
        now = monotonic()
        with self._lock:
            self._began = self._began or now
            self._add(packing=packing, sending=sending, sent=size)
        if self._whole is not None:
            self._whole.sent(packing, sending, size)

    def home(self, start: int, stop: int, reply: Reply) -> None:
        """Count calls that have come home, those of one reply or a part of them."""
        part = (stop - start) / (reply.count or 1)
        slowest = reply.last if reply.count > 1 else max(reply.last, reply.seconds)
        now = monotonic()
        with self._lock:
            self._ended = now
            self._add(
                calls=stop - start,
                messages=1,
                running=reply.seconds * part,
                received=int(reply.size * part),
            )
            if slowest:
                remember = heappush if len(self._slowest) < SLOWEST else heappushpop
                remember(self._slowest, (slowest, stop - 1))
        if self._whole is not None:
            self._whole.home(start, stop, reply)

    def add(self, **seconds: float) -> None:
        """Count seconds of this process."""
        with self._lock:
            self._add(**seconds)
        if self._whole is not None:
            self._whole.add(**seconds)

    def _add(self, **what: float) -> None:
        old = self._stats
        new = {name: getattr(old, name) + value for name, value in what.items()}
        self._stats = old._replace(**new)

    def stats(self, backend: Backend) -> Stats:
        """Return what is known, of calls on this backend."""
        starting = getattr(backend, "starting", 0.0)
        with self._lock:
            known = self._stats
            slowest = tuple((index, seconds) for seconds, index in sorted(self._slowest)[::-1])
            busy = known.running + starting
            idle = backend.slots * (self._ended - self._began) - busy if self._began else 0.0
        return known._replace(idle=max(0.0, idle), starting=starting, slowest=slowest)
