"""Counting where time goes, message by message: what `Stats` are made of."""

import threading
from collections import OrderedDict
from heapq import heappush, heappushpop
from math import inf
from time import monotonic

from taskpar._engine.backend import Backend
from taskpar._engine.beside import BIG
from taskpar._engine.reply import Reply
from taskpar._model.stats import Stats

REMEMBERED = 64
"""Functions of which is remembered how long their calls took."""

SLOWEST = 5
"""How many of the slowest calls are remembered."""

HEAVY = 1 << 24
"""Bytes that one message may carry of several calls: as much memory is used again and again, while
what is touched for the first time costs several times as much."""


class Tally:
    """What is known so far: plain sums, as this is done for every message.

    Args:
        whole: That of the executor, which counts the same; None: this is it.
        before: That of the last job like this one; None: there was none.
    """

    def __init__(self, whole: "Tally | None" = None, before: "Tally | None" = None) -> None:
        self._whole = whole
        self.pace_before = None if before is None else before.pace
        """Seconds that a call of that job took; None: nobody knows."""
        self._size_before = 0.0 if before is None else before.size
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._calls = self._messages = self._sent = self._received = self._calls_sent = 0
        self._packing = self._sending = self._running = 0.0
        self._unpacking = self._waiting = 0.0
        self._jobs: OrderedDict[str, Tally] = OrderedDict()
        self._slowest: list[tuple[float, int]] = []
        self._began: float | None = None
        self._ended = 0.0

    def of_job(self, name: str) -> "Tally":
        """Begin to count a job that calls what has this name, as its last one may have done."""
        with self._lock:
            tally = self._jobs[name] = Tally(self, self._jobs.pop(name, None))
            if len(self._jobs) > REMEMBERED:
                self._jobs.popitem(last=False)
        return tally

    @property
    def size(self) -> float:
        """Bytes that a call took on its way to a worker, or may take; 0: nobody knows."""
        return self._sent / self._calls_sent if self._calls_sent else self._size_before

    @property
    def most_calls(self) -> float:
        """How many calls a message may be of, as far as they are known to take much memory."""
        return max(1, HEAVY // int(self.size)) if self.size >= BIG else inf

    @property
    def pace(self) -> float | None:
        """Seconds that a call took; None: no call is home."""
        return self._running / self._calls if self._calls else None

    def sent(self, packing: float, sending: float, size: int, calls: int) -> None:
        """Count a message to a worker."""
        with self._lock:
            if self._began is None:
                self._began = monotonic()
            self._calls_sent += calls
            self._packing += packing
            self._sending += sending
            self._sent += size
        if self._whole is not None:
            self._whole.sent(packing, sending, size, calls)

    def home(self, start: int, stop: int, reply: Reply) -> None:
        """Count calls that have come home, those of one reply or a part of them."""
        part = (stop - start) / (reply.count or 1)
        slowest = reply.last if reply.count > 1 else max(reply.last, reply.seconds)
        with self._lock:
            self._ended = monotonic()
            self._calls += stop - start
            self._messages += 1
            self._running += reply.seconds * part
            self._received += int(reply.size * part)
            if slowest:
                remember = heappush if len(self._slowest) < SLOWEST else heappushpop
                remember(self._slowest, (slowest, stop - 1))
        if self._whole is not None:
            self._whole.home(start, stop, reply)

    def unpacked(self, seconds: float) -> None:
        """Count seconds in which results were unpacked."""
        with self._lock:
            self._unpacking += seconds
        if self._whole is not None:
            self._whole.unpacked(seconds)

    def waited(self, seconds: float) -> None:
        """Count seconds in which a reader waited."""
        with self._lock:
            self._waiting += seconds
        if self._whole is not None:
            self._whole.waited(seconds)

    def stats(self, backend: Backend) -> Stats:
        """Return what is known, of calls on this backend."""
        starting = getattr(backend, "starting", 0.0)
        with self._lock:
            busy = self._running + starting
            idle = backend.slots * (self._ended - self._began) - busy if self._began else 0.0
            return Stats(
                calls=self._calls,
                messages=self._messages,
                starting=starting,
                packing=self._packing,
                sending=self._sending,
                running=self._running,
                unpacking=self._unpacking,
                waiting=self._waiting,
                idle=max(0.0, idle),
                sent=self._sent,
                received=self._received,
                slowest=tuple((index, seconds) for seconds, index in sorted(self._slowest)[::-1]),
            )
