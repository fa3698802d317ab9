"""Where the time of calls went, as a value."""

from typing import NamedTuple

_ENOUGH = 100
"""Fewer calls than this tell nothing about what one costs."""


class Stats(NamedTuple):
    """Where the time of calls went: of those that are home, so far.

    Seconds of the caller (packing, sending, unpacking, waiting) and of workers (running) pass side
    by side, so they do not add up to anything.

    Args:
        calls: How many calls are home.
        messages: In how many messages they came.
        starting: Seconds that the workers of `QueueExecutor` and `ProcessExecutor` took to start,
            all together.
        packing: Seconds in which calls were packed for workers.
        sending: Seconds in which they were written to workers, which may have to be started first.
        running: Seconds in which workers, or this process, ran calls.
        unpacking: Seconds in which results were unpacked.
        waiting: Seconds in which the reader of results waited for the next one.
        idle: Seconds in which workers had nothing to do, between the first call and the last.
        sent: Bytes to workers.
        received: Bytes from workers.
        slowest: The calls that took longest: index and seconds of each. Calls that take less than
            10 ms are told only if they came alone; so are all that `AutoExecutor` runs here.
    """

    calls: int = 0
    messages: int = 0
    starting: float = 0.0
    packing: float = 0.0
    sending: float = 0.0
    running: float = 0.0
    unpacking: float = 0.0
    waiting: float = 0.0
    idle: float = 0.0
    sent: int = 0
    received: int = 0
    slowest: tuple[tuple[int, float], ...] = ()

    @property
    def overhead(self) -> float:
        """Seconds that this process spent on having calls run elsewhere."""
        return self.packing + self.sending + self.unpacking

    @property
    def hint(self) -> str | None:
        """What would help, in a sentence, where overhead is larger than work; else None."""
        if self.calls < _ENOUGH or self.overhead <= self.running:
            return None
        one, more = (in_units(seconds / self.calls) for seconds in (self.running, self.overhead))
        return (
            f"a call takes {one}, and having it run elsewhere {more}: let a call do more, or use "
            "AutoExecutor"
        )

    def __str__(self) -> str:
        """Return a short table."""
        rows = [
            ("calls", f"{self.calls:,} in {self.messages:,} messages"),
            *((name, in_units(getattr(self, name))) for name in _SECONDS),
            ("sent", f"{self.sent:,} bytes"),
            ("received", f"{self.received:,} bytes"),
            *((f"call {index}", in_units(seconds)) for index, seconds in self.slowest),
        ]
        table = "\n".join(f"{name:<10} {value}" for name, value in rows)
        return table if self.hint is None else f"{table}\n{self.hint}"


_SECONDS = ("starting", "packing", "sending", "running", "unpacking", "waiting", "idle")


def in_units(seconds: float) -> str:
    """Return seconds in a unit in which they can be read."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
