"""A backend under watch: it is used as it is, and the contract is looked after meanwhile."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from taskpar._engine.backend import (
    Backend,
    Death,
    KillingBackend,
    Parcel,
    Report,
    WorkerInfo,
)
from taskpar.executor import Executor

WITHIN = 30.0  # seconds: a bound, not a measure


class Watched:
    """A backend as it is, with an eye on the contract: `broken_rules` says what went wrong."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.slots = backend.slots
        self.inline = backend.inline
        self.direct = backend.direct
        self.can_kill = backend.can_kill
        self.largest_batch = backend.largest_batch
        self.broken_rules: list[str] = []
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._out: set[int] = set()

    def _rule(self, kept: bool, text: str) -> None:
        if not kept:
            self.broken_rules.append(text)

    # ------------------------------------------------------------------ what the engine calls
    def start(self, report: Report) -> None:
        """Start it once, with ourselves between it and the engine."""
        self._calls["start"] += 1
        self._rule(self._calls["start"] == 1, "started twice")
        self._report = report
        self._backend.start(self)

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Count what is out."""
        with self._lock:
            self._rule(self._calls["start"] == 1, "sent before the start")
            self._rule(not self._calls["stop"], "sent after the stop")
            self._rule(ticket not in self._out, f"ticket {ticket} was sent twice")
            self._out.add(ticket)
            free = self.inline or len(self._out) <= self.slots
            self._rule(free, "more is out than there are slots")
        self._backend.send(ticket, parcel)
        if self.inline:
            self._rule(ticket not in self._out, "an inline backend answers within send")

    def stop(self) -> None:
        """Stop it once, when nothing is out."""
        with self._lock:
            self._calls["stop"] += 1
            self._rule(self._calls["stop"] == 1, "stopped twice")
            self._rule(not self._out, "stopped while something is out")
        self._backend.stop()

    def join(self) -> None:
        """Wait for it after the stop."""
        self._rule(self._calls["stop"] == 1, "waited for before it was stopped")
        self._backend.join()

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell who is there."""
        return self._backend.workers()

    def running(self, ticket: int) -> tuple[int, float] | None:
        """Ask for what runs, which any ticket may be asked for."""
        self._rule(self.can_kill, "asked for what runs, though it cannot be stopped")
        found = cast("KillingBackend", self._backend).running(ticket)
        self._rule(found is None or (found[0] >= 0 and found[1] >= 0), f"{found} is running")
        return found

    def kill(self, ticket: int, position: int | None) -> None:
        """Stop a worker: the answer may have come in this very moment."""
        self._rule(self.can_kill, "asked to stop a worker that cannot be stopped")
        cast("KillingBackend", self._backend).kill(ticket, position)

    # ----------------------------------------------------------------- what the backend calls
    def serve(self) -> None:
        """Pass it on."""
        self._report.serve()

    def part(self, ticket: int, reply: object) -> None:
        """Pass a part on."""
        self._rule(ticket in self._out, f"a part of ticket {ticket}, which is not out")
        self._report.part(ticket, reply)

    def done(self, ticket: int, reply: object) -> None:
        """Pass an answer on."""
        self._answered(ticket)
        self._report.done(ticket, reply)

    def died(self, ticket: int, death: Death) -> None:
        """Pass a death on."""
        self._answered(ticket)
        self._report.died(ticket, death)

    def broken(self, cause: BaseException | None) -> None:
        """Pass it on."""
        self._report.broken(cause)

    def resized(self, slots: int) -> None:
        """Pass it on."""
        self.slots = slots
        self._report.resized(slots)

    def _answered(self, ticket: int) -> None:
        with self._lock:
            self._rule(ticket in self._out, f"ticket {ticket} was answered, but is not out")
            self._out.discard(ticket)


@dataclass(frozen=True)
class Subject:
    """A backend to be checked.

    Args:
        name: What it is called.
        make_backend: Makes a new one.
        calls: How many calls a check may make, as some backends start a process for each.
    """

    name: str
    make_backend: Callable[[], Backend]
    calls: int = 300

    def executor(self) -> "Checked":
        """A new executor on a new backend."""
        return Checked(Watched(self.make_backend()))

    def __str__(self) -> str:
        return self.name


class Checked(Executor):
    """An executor whose backend is watched; when it is left, nothing may have gone wrong."""

    def __init__(self, backend: Watched) -> None:
        super().__init__(backend)
        self.backend = backend

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)  # type: ignore[arg-type]
        assert self.backend.broken_rules == []


def raised(call: Callable[[], object]) -> BaseException:
    """Return what a call raises."""
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")
