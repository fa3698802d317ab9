"""The contract of a backend: the one narrow interface between the engine and the workers.

A backend never sees a function, an argument, an exception, an order, a retry, a deadline or a
future. It starts workers, takes a payload under a number (a *ticket*), and reports what became
of it. In the order in which things happen:

1. ``start(report)`` is called once, before anything else. Workers may be made now, or when needed.
2. ``send(ticket, payload)`` hands over a batch: at most ``slots`` tickets are out at once. It must
   not wait for the batch to be run, unless the backend is ``inline``: then it runs the payload
   (`taskpar._engine.wire`) to its end, in the caller's thread, before it returns.
3. The backend answers every ticket by exactly one ``done`` or ``died``, from any thread it likes,
   also from within ``send``. Before that it may report any number of ``part``.
   A ``done`` may carry outcomes for a *prefix* of the batch; what is missing goes back to the
   queue. This one rule gives time-slicing, fair tails and recovery on every backend.
4. ``died`` tells the position, in what is still out of the batch, of the call that was running;
   None says that *no call had been started*, so that the whole batch may be sent again.
5. ``broken`` tells that no worker can be made any more, and why.
6. ``stop()`` is called once, when nothing is out: let the workers go, without waiting for them.
   ``join()`` waits until they are gone and nothing of theirs is left.

What a backend declares: how many ``slots`` it has, whether it is ``inline``, whether its workers
share the caller's memory (``direct``: payloads are passed as they are) or get bytes, and the
``largest_batch`` that it takes (None: no bound).
"""

from abc import abstractmethod
from typing import NamedTuple, Protocol


class Parcel(NamedTuple):
    """A payload for a worker: what `taskpar._engine.wire` packed, and a name for who runs it."""

    content: object
    label: str | None = None


class WorkerInfo(NamedTuple):
    """A worker that is alive, or was a moment ago.

    Args:
        name: Its name.
        pid: Its process; None before it has one.
        alive: Whether it runs.
        exitcode: None while it runs; negative: the signal that ended it.
    """

    name: str
    pid: int | None
    alive: bool
    exitcode: int | None


class Report(Protocol):
    """What a backend calls to report; every method may be called from any thread."""

    @abstractmethod
    def part(self, ticket: int, reply: object) -> None:
        """Report that some of the ticket's outcomes are ready, and more will come."""

    @abstractmethod
    def done(self, ticket: int, reply: object) -> None:
        """Report that the worker is through with the ticket (None: nothing more of it is home)."""

    @abstractmethod
    def died(self, ticket: int, why: str, position: int | None) -> None:
        """Report that the ticket's worker has died."""

    @abstractmethod
    def broken(self, cause: BaseException | None) -> None:
        """Report that no worker can be made."""


class Backend(Protocol):
    """One kind of worker."""

    slots: int
    inline: bool
    direct: bool
    largest_batch: int | None

    @abstractmethod
    def start(self, report: Report) -> None:
        """Get ready; called once."""

    @abstractmethod
    def send(self, ticket: int, parcel: Parcel) -> None:
        """Give a batch to a free worker."""

    @abstractmethod
    def stop(self) -> None:
        """Let the workers go; does not wait."""

    @abstractmethod
    def join(self) -> None:
        """Wait until nothing of the backend is left."""

    @abstractmethod
    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell who is there."""
