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
4. ``died`` tells how the worker ended, and the position, in the batch as it was sent, of the call
   that was running; None says that *no call was running*, so that what is still out may be sent
   again. ``events.ANY`` says that nobody knows which one was: all that are out are to blame, as
   none may be started twice.
5. ``running(ticket)`` and ``kill(ticket, position)`` are called, from any thread, where the backend
   ``can_kill``. ``kill`` stops the worker if it is still at this position, and does not wait:
   ``died`` or, if the batch was done in that very moment, ``done`` is the answer.
6. ``hear(enough, deadline)``, where a backend has it, is called by who waits for a result: it may
   take in there, in his thread, what workers report, until it is enough. It may return at once.
7. ``loan()``, where a backend has it, is called before a payload is packed: what is big in it may
   be laid down there, and the parcel carries it.
8. Where a backend is ``distant`` (has that attribute, and it is true), its workers see nothing of
   our memory. What is bound to a function, if that is big, is then not in the payload: the parcel
   carries it apart, and the backend brings it to each worker, by its own means, once
   (`taskpar._engine.afar` is the other side).
9. ``broken`` tells that no worker can be made any more, and why. ``resized`` tells that there are
   more or fewer slots from now on; as long as too many tickets are out, none is sent. ``serve``
   tells that the calling thread is the backend's own, in which nobody may wait for the end.
10. ``stop()`` is called once, when nothing is out: let the workers go, without waiting for them.
   ``join()`` waits until they are gone and nothing of theirs is left.

What a backend declares: how many ``slots`` it has, whether it is ``inline``, whether its workers
share the caller's memory (``direct``: payloads are passed as they are) or get bytes, whether it
``can_kill`` a worker, and the ``largest_batch`` that it takes (None: no bound). Where messages take
long, it may have ``batch_seconds``: how long a batch should take instead of the usual 10 ms, and
how much finished work a death may therefore cost. Where it ``can_kill``, a batch may take longer,
as parts of it come home meanwhile.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, NamedTuple, Protocol

from taskpar._engine.lengths import ALONE
from taskpar._engine.waiting import LEAST_PART_AFAR, SHARE_AFAR, Bounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from taskpar._engine.constant import Apart
    from taskpar._system.arena import Loan


class Parcel(NamedTuple):
    """A payload for a worker: what `taskpar._engine.wire` packed.

    Args:
        content: The payload itself.
        label: A name for who runs it.
        fresh: Whether that must be a worker that has run nothing else.
        loan: What the content says lies elsewhere: kept until nobody can look at it any more.
        apart: What is bound to the function, where the backend has to bring that.
    """

    content: object
    label: str | None = None
    fresh: bool = False
    loan: "Loan | None" = None
    apart: "Apart | None" = None


class Death(NamedTuple):
    """How a worker ended, and what it was doing.

    Args:
        why: What is known in words: its name and its end.
        position: The position, in the batch as it was sent, of the call that was running; None:
            no call; ``events.ANY``: one of those that are out, or none.
        pid: Its process; None where there was none.
        exitcode: Negative: the signal that ended it; None: unknown.
        seconds: How long the call had been running; None: unknown.
        peak_memory: The most resident memory that it had, in bytes, as far as known; None: unknown.
    """

    why: str
    position: int | None = None
    pid: int | None = None
    exitcode: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None


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
    def serve(self) -> None:
        """Say that the calling thread works for the backend: it never waits for its end."""

    @abstractmethod
    def part(self, ticket: int, reply: object) -> None:
        """Report that some of the ticket's outcomes are ready, and more will come."""

    @abstractmethod
    def done(self, ticket: int, reply: object) -> None:
        """Report that the worker is through with the ticket (None: nothing more of it is home)."""

    @abstractmethod
    def died(self, ticket: int, death: Death) -> None:
        """Report that the ticket's worker has died."""

    @abstractmethod
    def broken(self, cause: BaseException | None) -> None:
        """Report that no worker can be made."""

    @abstractmethod
    def resized(self, slots: int) -> None:
        """Report how many slots there are from now on."""


class Backend(Protocol):
    """One kind of worker; where it ``can_kill``, a `KillingBackend`."""

    slots: int
    inline: bool
    direct: bool
    can_kill: bool
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


def is_distant(backend: Backend) -> bool:
    """Tell whether its workers see nothing of our memory; unless it says so, they do."""
    return bool(getattr(backend, "distant", False))


def batch_seconds(backend: Backend) -> float | None:
    """Return how long a batch should take there; None: as long as usual."""
    seconds: float | None = getattr(backend, "batch_seconds", None)
    return seconds


def bounds_of(backend: Backend) -> Bounds:
    """Return how big batches may be there.

    Where each call may have a time limit, what is done comes home while its batch goes on.
    """
    bounds = Bounds(backend.largest_batch, alone=ALONE if backend.can_kill else 1)
    seconds = batch_seconds(backend)
    if seconds is None:
        return bounds
    return bounds._replace(seconds=seconds, least=LEAST_PART_AFAR, share=SHARE_AFAR)


class KillingBackend(Backend, Protocol):
    """A backend that ``can_kill``: it has two methods more."""

    @abstractmethod
    def running(self, ticket: int) -> tuple[int, float] | None:
        """Tell which call of a ticket runs, and for how many seconds; None: none, or no ticket."""

    @abstractmethod
    def kill(self, ticket: int, position: int | None) -> None:
        """Stop a ticket's worker if it is still at ``position`` (None: whatever it does)."""


class LendingBackend(Backend, Protocol):
    """A backend whose workers see memory of this process: it has one method more."""

    @abstractmethod
    def loan(self) -> "Loan | None":
        """Return what takes the big pieces of one payload; None: nothing does."""


class HearingBackend(Backend, Protocol):
    """A backend whose reports can be heard by whoever waits for one: it has one method more."""

    @abstractmethod
    def hear(self, enough: "Callable[[], bool]", deadline: float | None) -> None:
        """Take in reports in the calling thread, or return at once; see above."""
