"""What the ledger is told, and what it says must be done: plain values, its whole language."""

from typing import NamedTuple

ANY = -1
"""In place of a position: that of any call which is out, nobody knows which."""


class Rules(NamedTuple):
    """How the calls of a job are to be treated.

    Args:
        chunksize: How many calls the user wants to be sent together; None: as many as pays.
        time_limit: Seconds that a call may run; None: any.
        retries: How often a call that fails may be tried again.
        fail_fast: Whether nothing behind an error is started before the reader has passed it.
        kill: Whether calls that nobody wants any more are stopped, even if they run.
        pace: Seconds that a call will take, as far as can be guessed; None: nobody knows.
    """

    chunksize: int | None = None
    time_limit: float | None = None
    retries: int = 0
    fail_fast: bool = False
    kill: bool = False
    pace: float | None = None


# ---------------------------------------------------------------------------------------- events
class Submitted(NamedTuple):
    """Calls ``start`` to ``stop`` of a job are there; the rules come with the first of them.

    There is no end in sight yet, if there may be ``more``.
    """

    job: int
    start: int
    stop: int
    rules: Rules = Rules()
    more: bool = False


class Wanted(NamedTuple):
    """Somebody offers his own thread to run call ``call`` of ``job`` (any call, when None)."""

    job: int | None = None
    call: int | None = None


class Part(NamedTuple):
    """The next ``calls`` calls of a ticket are home, those at ``failed`` raised; more will come.

    The last ``returned`` calls will not: they have not been started, and are not going to be.
    """

    ticket: int
    calls: int
    seconds: float
    failed: tuple[int, ...] = ()
    returned: int = 0


class Done(NamedTuple):
    """As `Part`, but the rest of the ticket was not started."""

    ticket: int
    calls: int
    seconds: float
    failed: tuple[int, ...] = ()


class Died(NamedTuple):
    """The worker of a ticket died while it ran call ``position`` of the batch (None: no call).

    With `ANY`, each of the calls that are out may have been started: so none is, again.

    Positions count from the batch as it was sent, so that each names one call, whatever is home.
    """

    ticket: int
    position: int | None


class Looked(NamedTuple):
    """Call ``position`` of a ticket has been running for ``seconds`` (None: none runs)."""

    ticket: int
    position: int | None
    seconds: float = 0.0


class Again(NamedTuple):
    """A call that failed shall be tried again after so many seconds (see `Retry`)."""

    job: int
    call: int
    seconds: float = 0.0
    fresh: bool = False


class Final(NamedTuple):
    """A call that failed shall not be tried again (see `Retry`)."""

    job: int
    call: int
    offset: int | None = None
    late: bool = False


class Passed(NamedTuple):
    """The reader has seen the error of a call (None: nobody reads, nobody waits for errors)."""

    job: int
    call: int | None = None


class Cancelled(NamedTuple):
    """Nobody wants the outcome of a call any more."""

    job: int
    call: int


class Tick(NamedTuple):
    """Time has passed: what was `Ledger.due` may be due."""


class Broken(NamedTuple):
    """No worker can be made any more."""


class Resized(NamedTuple):
    """There are so many slots from now on."""

    slots: int


class Closed(NamedTuple):
    """Nobody wants the job's results any more: forget what waits."""

    job: int


class Shutdown(NamedTuple):
    """Take no more calls; with ``cancel``, forget what waits; with ``kill``, stop what runs."""

    cancel: bool = False
    kill: bool = False


Event = (
    Submitted
    | Wanted
    | Part
    | Done
    | Died
    | Looked
    | Again
    | Final
    | Passed
    | Cancelled
    | Tick
    | Broken
    | Resized
    | Closed
    | Shutdown
)


# --------------------------------------------------------------------------------------- actions
class Send(NamedTuple):
    """Give calls ``start`` to ``stop`` of ``job`` to a worker, under the number ``ticket``.

    A ``fresh`` one is to be made for it, as these calls have killed a worker before.
    """

    ticket: int
    job: int
    start: int
    stop: int
    fresh: bool = False


class Settle(NamedTuple):
    """The outcomes of calls ``start`` to ``stop`` are in the report that is being handled.

    The first of them stands at ``offset``.
    """

    job: int
    start: int
    stop: int
    offset: int = 0


class Blame(NamedTuple):
    """Call ``call`` killed its worker, or was stopped, being ``late``: that is its outcome."""

    job: int
    call: int
    late: bool = False


class Retry(NamedTuple):
    """A call has failed for the ``attempt``-th time and may be tried again: answer that.

    Its outcome stands at ``offset`` of the report that is being handled; None: its worker died, or
    was stopped as the call was ``late``. To be answered by `Again` or `Final`.
    """

    job: int
    call: int
    attempt: int
    offset: int | None = None
    late: bool = False


class Look(NamedTuple):
    """Find out which call of a ticket runs, and for how long it has: to be answered by `Looked`."""

    ticket: int


class Kill(NamedTuple):
    """Stop the worker of a ticket if it is still at ``position`` (None: whatever it does)."""

    ticket: int
    position: int | None


class Drop(NamedTuple):
    """Calls ``start`` to ``stop`` will never run: cancelled, or (``broken``) no worker is left."""

    job: int
    start: int
    stop: int
    broken: bool


class Stop(NamedTuple):
    """All is home and no more will come: let the workers go."""


Action = Send | Settle | Blame | Retry | Look | Kill | Drop | Stop
