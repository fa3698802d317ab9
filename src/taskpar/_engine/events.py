"""What the ledger is told, and what it says must be done: plain values, its whole language."""

from typing import NamedTuple


# ---------------------------------------------------------------------------------------- events
class Submitted(NamedTuple):
    """Calls ``start`` to ``stop`` of a job are there; ``chunksize`` is what the user asked for.

    There is no end in sight yet, if there may be ``more``.
    """

    job: int
    start: int
    stop: int
    chunksize: int | None = None
    more: bool = False


class Wanted(NamedTuple):
    """Somebody offers his own thread to run call ``call`` of ``job`` (any call, when None)."""

    job: int | None = None
    call: int | None = None


class Part(NamedTuple):
    """The next ``calls`` calls of a ticket are home; more will come."""

    ticket: int
    calls: int
    seconds: float


class Done(NamedTuple):
    """The next ``calls`` calls of a ticket are home; the rest of it was not started."""

    ticket: int
    calls: int
    seconds: float


class Died(NamedTuple):
    """The worker of a ticket died while it ran call ``position`` of the batch (None: no call)."""

    ticket: int
    position: int | None


class Broken(NamedTuple):
    """No worker can be made any more."""


class Closed(NamedTuple):
    """Nobody wants the job's results any more: forget what waits."""

    job: int


class Shutdown(NamedTuple):
    """Take no more calls; with ``cancel``, forget what waits."""

    cancel: bool = False


Event = Submitted | Wanted | Part | Done | Died | Broken | Closed | Shutdown


# --------------------------------------------------------------------------------------- actions
class Send(NamedTuple):
    """Give calls ``start`` to ``stop`` of ``job`` to a worker, under the number ``ticket``."""

    ticket: int
    job: int
    start: int
    stop: int
    chunksize: int | None


class Settle(NamedTuple):
    """The outcomes of calls ``start`` to ``stop`` are in the report that is being handled."""

    job: int
    start: int
    stop: int


class Blame(NamedTuple):
    """Call ``call`` killed its worker: that is its outcome."""

    job: int
    call: int


class Drop(NamedTuple):
    """Calls ``start`` to ``stop`` will never run: cancelled, or (``broken``) no worker is left."""

    job: int
    start: int
    stop: int
    broken: bool


class Stop(NamedTuple):
    """All is home and no more will come: let the workers go."""


Action = Send | Settle | Blame | Drop | Stop
