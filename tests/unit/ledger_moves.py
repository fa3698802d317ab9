"""What may happen in the simulated world, in any order: each move draws its own details.

A move draws by ``draw(n)``, a number from 0 to ``n - 1``: hypothesis gives them, or a seed. So the
same moves make the schedules that hypothesis can shrink, and those that are fast (`ledger_play`).
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import TypeVar

from ledger_accounts import SimulatedJob
from ledger_world import World

from taskpar._engine.events import Again, Cancelled, Died, Done, Final, Looked, Part, Passed, Rules

Draw = Callable[[int], int]
Move = Callable[[World, Draw], None]
T = TypeVar("T")

# Powers of two, so that no sum of times is rounded.
PACES = (0.0, 0.0, 2**-20, 2**-10, 2**-3)
STEPS = (0.0, 2**-10, 0.25, 1.0, 128.0)
LIMITS = (None, None, 0.25, 1.0)
DELAYS = (0.0, 0.0, 0.5, 2.0)
GUESSES = (None, None, 2**-20, 2**-3)
MOST_JOBS = 4


def one_of(things: Iterable[T], draw: Draw) -> T | None:
    """One of them; None: there is none."""
    row = list(things)
    return row[draw(len(row))] if row else None


def begin(draw: Draw) -> World:
    """A backend says what it has (no slots: it is inline), and a user calls ``map``."""
    world = World(draw(5), (None, None, 1, 2, 5)[draw(5)], (1, 4)[draw(2)])
    a_new_job(world, draw)
    return world


def some_call(job: SimulatedJob, draw: Draw) -> int:
    """One of its calls; often one of the few that have failed and may be tried again."""
    failed = sorted(job.asked | job.delayed.keys())
    return one_of(failed * draw(2), draw) or draw(len(job.where))


# ---------------------------------------------------------------------------------- the caller
def a_new_job(world: World, draw: Draw) -> None:
    """A user calls ``map``."""
    if world.closing or len(world.jobs) == MOST_JOBS:
        return
    rules = Rules(
        chunksize=draw(6) or None,
        time_limit=LIMITS[draw(4)],
        retries=draw(4),
        fail_fast=draw(2) == 1,
        kill=draw(2) == 1,
        pace=GUESSES[draw(4)],
    )
    world.submit(len(world.jobs), 1 + draw(16), rules, more=draw(2) == 1)


def more_of_a_job(world: World, draw: Draw) -> None:
    """A reader reads on."""
    number = one_of((n for n, job in world.jobs.items() if not job.closed), draw)
    if number is not None and not world.closing:
        world.submit(number, draw(8), more=draw(2) == 1)


def somebody_wants(world: World, draw: Draw) -> None:
    """A reader of an inline executor runs a call himself."""
    number = one_of([None, *world.jobs], draw)
    if world.slots == 0:
        index = None if number is None else some_call(world.jobs[number], draw)
        if number is not None and index in world.jobs[number].delayed and draw(2):
            world.wait_until(world.jobs[number].delayed[index])
        world.want(number, index)


def an_error_is_read(world: World, draw: Draw) -> None:
    """The reader passes an error; or something that is none; or he goes, and the job stays."""
    number = one_of(world.jobs, draw)
    if number is not None:
        errors = [*sorted(world.jobs[number].fences) * 4, *world.jobs[number].where[:1], None]
        error = one_of(errors, draw)
        world.read(number, error if error is None or isinstance(error, int) else 0)


def a_call_is_cancelled(world: World, draw: Draw) -> None:
    """Wherever it is, maybe for the second time."""
    number = one_of((n for n, job in world.jobs.items() if job.where), draw)
    if number is not None:
        world.cancel(number, some_call(world.jobs[number], draw))


def a_job_is_closed(world: World, draw: Draw) -> None:
    """A reader goes away, maybe for the second time."""
    number = one_of(world.jobs, draw)
    if number is not None:
        world.close(number)


def shutdown(world: World, draw: Draw) -> None:
    """The executor is shut down, maybe for the second time."""
    if len(world.used) > 12:
        world.shut_down(cancel=draw(3) == 1, kill=draw(3) == 1)


def no_more_workers(world: World, draw: Draw) -> None:
    """The backend gives up."""
    if len(world.used) > 16:
        world.break_down()


# --------------------------------------------------------------------------------- the workers
def work(world: World, draw: Draw) -> None:
    """A worker runs some calls, hands over some, and maybe it starts another or is done."""
    ticket = one_of(world.out, draw)
    if ticket is None:
        return
    batch, pace, reckless = world.out[ticket], PACES[draw(5)], 2 + draw(6)
    for _ in range(1 + draw(5)):
        if batch.since is not None or batch.may_begin:
            if batch.since is None:
                world.begin(ticket)
            world.real += pace
            world.finish(ticket, fails=draw(reckless) == 0)
    match draw(4):
        case 0:
            world.done(ticket)
        case 1:
            world.hand_over(ticket, draw(1 + batch.ran - batch.home))
        case 2 if batch.may_begin:
            world.begin(ticket)


def a_worker_is_done(world: World, draw: Draw) -> None:
    """It runs its batch to the end, if it may, and hands it over."""
    ticket = one_of(world.out, draw)
    if ticket is not None:
        run_all(world, ticket)


def run_all(world: World, ticket: int) -> None:
    """A worker runs all that it may, and reports."""
    batch = world.out[ticket]
    while batch.since is not None or batch.may_begin:
        if batch.since is None:
            world.begin(ticket)
        world.finish(ticket)
    world.done(ticket)


def a_worker_begins(world: World, draw: Draw) -> None:
    """It starts a call, and will be in it for some time."""
    ticket = one_of((t for t, batch in world.out.items() if batch.may_begin), draw)
    if ticket is not None:
        world.begin(ticket)


def a_worker_hands_over(world: World, draw: Draw) -> None:
    """It hands over what it has, maybe while a call runs."""
    ticket = one_of(world.out, draw)
    if ticket is not None:
        world.hand_over(ticket)


def a_worker_gives_back(world: World, draw: Draw) -> None:
    """The call that it is in takes long: others may run what waits behind it."""
    ticket = one_of((t for t, batch in world.out.items() if batch.since is not None), draw)
    if ticket is not None:
        world.give_back(ticket)


def a_worker_dies(world: World, draw: Draw) -> None:
    """In a call, or before it starts one."""
    ticket = one_of((t for t, batch in world.out.items() if not batch.lent), draw)
    if ticket is not None:
        world.die(ticket, stale=draw(2) == 1)


def a_stopped_worker_dies(world: World, draw: Draw) -> None:
    """What the backend was told to stop has ended."""
    ticket = one_of((t for t, batch in world.out.items() if batch.condemned), draw)
    if ticket is not None:
        world.die(ticket)


def all_workers_die(world: World, draw: Draw) -> None:
    """The machine is short of memory, say, and those that come after them may not live either."""
    for _ in range(1 + draw(3)):
        for ticket in [ticket for ticket, batch in world.out.items() if not batch.lent]:
            world.die(ticket)


def a_batch_is_lost(world: World, draw: Draw) -> None:
    """An engine does not know what its worker was at."""
    ticket = one_of((t for t, b in world.out.items() if not b.lent and b.home < b.stop), draw)
    if ticket is not None:
        world.lose(ticket)


def workers_come_or_go(world: World, draw: Draw) -> None:
    """A cluster grows, or shrinks."""
    if world.slots:
        world.resize(1 + draw(5))


# ------------------------------------------------------------------------------------ the time
def time_passes(world: World, draw: Draw) -> None:
    """Nothing happens for a while."""
    world.real += STEPS[draw(5)]
    if draw(2):
        world.tick()


def the_clock_jumps(world: World, draw: Draw) -> None:
    """Forward, or back."""
    world.skew += STEPS[draw(5)] - STEPS[draw(5)]


def an_alarm_rings(world: World, draw: Draw) -> None:
    """The ledger has something to do."""
    if world.ledger.due < inf:
        world.until_due()


# ----------------------------------------------------------------------------- who is asked
def a_question_is_answered(world: World, draw: Draw) -> None:
    """Whoever was asked about another attempt decides."""
    retry = one_of(world.questions.values(), draw)
    if retry is None:
        return
    if draw(3):
        world.again(retry, DELAYS[draw(4)], fresh=draw(2) == 1)
    else:
        world.final(retry)


def somebody_looks(world: World, draw: Draw) -> None:
    """The backend tells what a worker does; or the ledger hears of it."""
    if world.views and (draw(2) or not world.looks):
        world.looked()
    elif world.looks:
        world.look()


def a_worker_is_stopped(world: World, draw: Draw) -> None:
    """The backend does what it was told."""
    if world.kills:
        world.kill()


def something_late(world: World, draw: Draw) -> None:
    """A report or an answer comes for the second time, or about what never was."""
    gone = one_of(sorted(world.used - world.out.keys()), draw)
    ticket = 10**6 if gone is None else gone
    events = [
        Part(ticket, draw(3), 0.1, (0,)),
        Done(ticket, draw(3), 0.1, (0,)),
        Died(ticket, draw(3)),
        Looked(ticket, draw(3), 1000.0),
        Passed(10**6, 0),
        Cancelled(10**6, 0),
    ]
    answered = [r for r in world.answered if (r.job, r.call) not in world.questions]
    retry = one_of(answered, draw)
    if retry is not None:
        events += [
            Again(retry.job, retry.call, 0.0, draw(2) == 1),
            Final(retry.job, retry.call, retry.offset, retry.late),
        ]
    world.tell(events[draw(len(events))])


MOVES: dict[Move, int] = {
    a_new_job: 4,
    more_of_a_job: 2,
    somebody_wants: 6,
    an_error_is_read: 4,
    a_call_is_cancelled: 3,
    a_job_is_closed: 1,
    shutdown: 1,
    no_more_workers: 1,
    work: 20,
    a_worker_is_done: 6,
    a_worker_begins: 6,
    a_worker_hands_over: 3,
    a_worker_gives_back: 3,
    a_worker_dies: 3,
    a_stopped_worker_dies: 4,
    all_workers_die: 1,
    a_batch_is_lost: 1,
    workers_come_or_go: 1,
    time_passes: 4,
    the_clock_jumps: 1,
    an_alarm_rings: 5,
    a_question_is_answered: 8,
    somebody_looks: 8,
    a_worker_is_stopped: 6,
    something_late: 2,
}
"""How often which move is drawn."""
