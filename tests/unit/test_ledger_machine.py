"""The ledger under random schedules: a simulated backend, a manual clock, every call followed.

`World` plays all that is around the ledger. It keeps its own account of where each call is and
what a worker has started, and checks each action against it, so it knows the rules but not how
the ledger keeps them.
"""

import os
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from taskpar._engine.events import (
    Action,
    Blame,
    Broken,
    Closed,
    Died,
    Done,
    Drop,
    Event,
    Part,
    Send,
    Settle,
    Shutdown,
    Stop,
    Submitted,
    Wanted,
)
from taskpar._engine.ledger import FIRST_BATCH, MAX_BARREN_DEATHS, TARGET_SECONDS, Ledger

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SCHEDULES = 10_000 if THOROUGH else 150

WAITS, ARRIVES, GUILTY, HOME, DROPPED, FORGOTTEN = (
    "waits",
    "arrives: the report that is handled now holds its outcome",
    "guilty: the report that is handled now says that it killed its worker",
    "home",
    "dropped",
    "forgotten: its job was closed",
)
Call = tuple[int, int]


@dataclass
class SimulatedJob:
    """What the world knows of a job."""

    chunksize: int | None
    stop: int = 0
    sent: int = 0  # calls below have been sent at least once
    borders: set[int] = field(default_factory=set)  # where a batch may be shorter than wished
    quickest: float | None = None  # seconds a call, as reported
    waits_since: int | None = None
    last_turn: int = -1
    closed: bool = False


@dataclass
class SimulatedTicket:
    """A batch at a simulated worker."""

    job: int
    start: int
    stop: int
    since: float
    wanted: bool
    fruitful: bool = False


class World:
    """All around the ledger: jobs, workers, a clock that moves when it is told to."""

    def __init__(self, slots: int, largest: int | None) -> None:
        self.ledger = Ledger(slots, largest)
        self.slots = slots
        self.largest = largest
        self.now = 0.0
        self.moment = 0
        self.jobs: dict[int, SimulatedJob] = {}
        self.places: dict[Call, str | int] = {}
        self.starts: Counter[Call] = Counter()
        self.excused: Counter[Call] = Counter()
        self.out: dict[int, SimulatedTicket] = {}
        self.used: set[int] = set()
        self.barren = 0
        self.broken = self.closing = self.cancelling = self.stopped = False
        self.sound = True  # until a check fails

    # --------------------------------------------------------------------------- what happens
    def submit(self, number: int, count: int, chunksize: int | None, *, more: bool) -> None:
        """Calls of a job are there, and there may be more."""
        job = self.jobs.setdefault(number, SimulatedJob(chunksize))
        start, job.stop = job.stop, job.stop + count
        job.borders.add(job.stop)
        self.move(number, start, job.stop, WAITS)
        self.tell(Submitted(number, start, job.stop, job.chunksize, more))

    def report(self, ticket: int, count: int, *, last: bool) -> None:
        """A worker hands over a prefix, and maybe the rest unstarted."""
        batch = self.out[ticket]
        count = min(count, batch.stop - batch.start)
        seconds, batch.since = self.now - batch.since, self.now
        middle = batch.start + count
        self.start_calls(batch.job, batch.start, middle)
        self.move(batch.job, batch.start, middle, ARRIVES)
        if count:
            self.barren, batch.fruitful = 0, True
            job, each = self.jobs[batch.job], seconds / count
            job.quickest = each if job.quickest is None else min(job.quickest, each)
        batch.start = middle
        if last:
            self.leave(ticket)
        self.tell((Done if last else Part)(ticket, count, seconds))

    def die(self, ticket: int, position: int | None) -> None:
        """A worker dies: at a call, after it finished those before, or before it started any."""
        batch = self.out[ticket]
        if position is not None and batch.start + position < batch.stop:
            guilty = batch.start + position
            self.start_calls(batch.job, batch.start, guilty + 1)
            self.excused.update((batch.job, index) for index in range(batch.start, guilty))
            self.jobs[batch.job].borders |= {guilty, guilty + 1}
            self.leave(ticket)
            self.move(batch.job, guilty, guilty + 1, GUILTY)
            self.barren = 0
        else:
            self.leave(ticket)
            self.barren += not batch.fruitful
        self.broken |= self.barren > MAX_BARREN_DEATHS + max(self.slots, 1)
        self.tell(Died(ticket, position))

    def want(self, number: int | None, index: int | None) -> None:
        """Somebody offers his own thread."""
        if number is not None and index is not None:
            self.jobs[number].borders |= {index, index + 1}
        waits = self.waiting(number)
        before = len(self.used)
        self.tell(Wanted(number, index))
        sent = len(self.used) - before
        if index is None:
            assert sent == bool(waits)
        else:
            assert sent == ((number, index) in waits)

    def close(self, number: int) -> None:
        """Nobody wants a job any more."""
        job = self.jobs[number]
        job.closed = True
        for call in self.waiting(number):
            self.places[call] = FORGOTTEN
        self.tell(Closed(number))

    def shut_down(self, *, cancel: bool) -> None:
        """No more calls will come."""
        self.closing = True
        self.cancelling |= cancel
        self.tell(Shutdown(cancel))

    def break_down(self) -> None:
        """No worker can be made any more."""
        self.broken = True
        self.tell(Broken())

    # ----------------------------------------------------------------------- what it leads to
    def tell(self, event: Event) -> None:
        """Let the ledger handle an event, and check what it wants done."""
        stopped, self.sound = self.stopped, False
        actions = self.ledger.handle(event)
        assert not (stopped and actions), "something came after the stop"
        for action in actions:
            assert not self.stopped, "the stop is not the last action"
            self.moment += 1
            self.check(action, wanted=isinstance(event, Wanted))
            self.note_who_waits()
        self.note_who_waits()
        self.check_what_is_left()
        self.sound = True

    def check(self, action: Action, *, wanted: bool) -> None:
        """Check one action, and take it into the account."""
        match action:
            case Send(ticket, number, start, stop, chunksize):
                self.check_send(number, start, stop, wanted=wanted)
                assert chunksize == self.jobs[number].chunksize
                assert ticket not in self.used, "a ticket is used twice"
                self.used.add(ticket)
                self.out[ticket] = SimulatedTicket(number, start, stop, self.now, wanted)
                self.move(number, start, stop, ticket)
            case Settle(number, start, stop):
                assert start < stop
                assert self.all_are(ARRIVES, number, start, stop), "settled without an outcome"
                self.move(number, start, stop, HOME)
            case Blame(number, index):
                assert self.all_are(GUILTY, number, index, index + 1), "an innocent is blamed"
                self.move(number, index, index + 1, HOME)
            case Drop(number, start, stop, broken):
                assert start < stop
                assert self.all_are(WAITS, number, start, stop), "dropped from elsewhere"
                assert self.broken if broken else self.cancelling, "dropped without a reason"
                self.move(number, start, stop, DROPPED)
            case Stop():
                assert self.closing, "stopped without being told"
                assert not self.out, "stopped while calls are out"
                assert not self.waiting(), "stopped while calls wait"
                self.stopped = True

    def check_send(self, number: int, start: int, stop: int, *, wanted: bool) -> None:
        """A batch is a run of waiting calls of one job, in order, in turn, of a fitting size."""
        job = self.jobs[number]
        assert not self.broken, "sent where no worker is"
        assert not job.closed, "sent for nobody"
        assert self.all_are(WAITS, number, start, stop), "sent from elsewhere"
        assert start < stop, "an empty batch"
        if wanted:
            assert stop == start + 1, "somebody offered to run one call"
            return
        assert start <= job.sent, "the first sends of a job are out of order"
        if stop > job.sent:
            before = [index for _, index in self.waiting(number) if index < start]
            assert not before, "what came back unstarted does not go first"
            job.sent = stop
        self.check_size(number, start, stop)
        for other in self.jobs.values():
            waited = other.waits_since is not None and other.waits_since < job.last_turn
            assert other is job or not waited or other.last_turn > job.last_turn, "out of turn"
        job.last_turn = self.moment
        job.borders.add(stop)

    def check_size(self, number: int, start: int, stop: int) -> None:
        """As asked for, as far as calls wait side by side; else as long as is good."""
        job, size = self.jobs[number], stop - start
        if self.largest is not None:
            assert size <= self.largest
        if job.chunksize is not None:
            limit = min(job.chunksize, self.largest or job.chunksize)
            assert size == limit or (size < limit and stop in job.borders)
        elif job.quickest is None:
            assert size <= FIRST_BATCH
        elif size > 1:
            assert size * job.quickest <= TARGET_SECONDS * 1.001, "a batch that lasts too long"

    def check_what_is_left(self) -> None:
        """What must be so whenever an event has been handled."""
        for call, place in self.places.items():
            if place in (ARRIVES, GUILTY):
                assert self.jobs[call[0]].closed, f"the outcome of {call} got lost"
        waiting = self.waiting()
        busy = [batch for batch in self.out.values() if not batch.wanted]
        assert len(busy) <= self.slots, "more is out than there are slots"
        assert not waiting or len(busy) == self.slots, "a slot is free while calls wait"
        assert not (waiting and (self.broken or self.cancelling)), "waits for what never comes"
        assert self.broken == self.ledger.broken
        assert self.stopped == (self.closing and not waiting and not self.out)
        assert self.ledger.idle == (not waiting and not self.out)
        for number in self.jobs:
            assert self.ledger.waiting(number) == len(self.waiting(number))
        for call, starts in self.starts.items():
            assert starts <= 1 + self.excused[call], f"{call} was started again without need"

    # ------------------------------------------------------------------------------- accounts
    def move(self, number: int, start: int, stop: int, place: str | int) -> None:
        """Note where calls are now."""
        self.places.update(((number, index), place) for index in range(start, stop))

    def all_are(self, place: str, number: int, start: int, stop: int) -> bool:
        """Tell whether calls are all at one place."""
        return all(self.places.get((number, index)) == place for index in range(start, stop))

    def waiting(self, number: int | None = None) -> list[Call]:
        """The calls that wait."""
        return [
            call
            for call, place in self.places.items()
            if place == WAITS and number in (None, call[0])
        ]

    def start_calls(self, number: int, start: int, stop: int) -> None:
        """Note that a worker has started calls."""
        self.starts.update((number, index) for index in range(start, stop))

    def leave(self, ticket: int) -> None:
        """What is left of a ticket goes back, unless nobody wants it."""
        batch = self.out.pop(ticket)
        place = FORGOTTEN if self.jobs[batch.job].closed else WAITS
        self.move(batch.job, batch.start, batch.stop, place)

    def note_who_waits(self) -> None:
        """Note since when each job has been waiting without a break."""
        waiting = {call[0] for call in self.waiting()}
        for number, job in self.jobs.items():
            if number not in waiting:
                job.waits_since = None
            elif job.waits_since is None:
                job.waits_since = self.moment


sizes = st.none() | st.integers(1, 6)
choices = st.integers(0, 10**6)


class Schedules(RuleBasedStateMachine):
    """Whatever may happen, in any order."""

    @initialize(slots=st.integers(0, 4), largest=sizes)
    def begin(self, slots: int, largest: int | None) -> None:
        """A backend says what it has; no slots: it is inline."""
        self.world = World(slots, largest)

    def some_ticket(self, choice: int) -> int:
        """One of the tickets that are out."""
        return sorted(self.world.out)[choice % len(self.world.out)]

    def some_job(self, choice: int) -> int:
        """One of the jobs that there are or were."""
        return choice % len(self.world.jobs)

    # ---------------------------------------------------------------------------------- rules
    @precondition(lambda self: not self.world.closing and len(self.world.jobs) < 5)
    @rule(count=st.integers(1, 30), chunksize=sizes, more=st.booleans())
    def a_new_job(self, count: int, chunksize: int | None, more: bool) -> None:
        """A user calls ``map``."""
        self.world.submit(len(self.world.jobs), count, chunksize, more=more)

    @precondition(lambda self: not self.world.closing and self.world.jobs)
    @rule(choice=choices, count=st.integers(0, 9), more=st.booleans())
    def more_of_a_job(self, choice: int, count: int, more: bool) -> None:
        """A reader reads on."""
        number = self.some_job(choice)
        if not self.world.jobs[number].closed:
            self.world.submit(number, count, None, more=more)

    @precondition(lambda self: self.world.out)
    @rule(choice=choices, count=st.integers(0, 9) | st.just(10**6), last=st.booleans())
    def a_report(self, choice: int, count: int, last: bool) -> None:
        """A worker hands over a prefix: nothing, some or all of it."""
        self.world.report(self.some_ticket(choice), count, last=last)

    @precondition(lambda self: self.world.out)
    @rule(choice=choices)
    def all_done(self, choice: int) -> None:
        """A worker is through."""
        self.world.report(self.some_ticket(choice), 10**6, last=True)

    @precondition(lambda self: self.world.out)
    @rule(choice=choices, position=st.none() | st.integers(0, 9))
    def a_death(self, choice: int, position: int | None) -> None:
        """A worker dies at any call, or before the first."""
        self.world.die(self.some_ticket(choice), position)

    @precondition(lambda self: self.world.out)
    @rule(count=st.integers(0, 2))
    def all_workers_die(self, count: int) -> None:
        """The machine is short of memory, say."""
        for ticket in sorted(self.world.out):
            self.world.report(ticket, count, last=False)
        for ticket in sorted(self.world.out):
            self.world.die(ticket, None)

    @rule(seconds=st.sampled_from([0.0, 1e-6, 0.001, 0.1, 100.0]))
    def time_passes(self, seconds: float) -> None:
        """Workers are quick or slow."""
        self.world.now += seconds

    @precondition(lambda self: self.world.slots == 0 and self.world.jobs)
    @rule(choice=choices, index=st.none() | st.integers(0, 40), any_job=st.booleans())
    def somebody_wants(self, choice: int, index: int | None, any_job: bool) -> None:
        """A reader of an inline executor runs a call himself."""
        number = None if any_job else self.some_job(choice)
        self.world.want(number, None if any_job else index)

    @precondition(lambda self: self.world.jobs)
    @rule(choice=choices)
    def a_job_is_closed(self, choice: int) -> None:
        """A reader goes away, maybe for the second time."""
        self.world.close(self.some_job(choice))

    @precondition(lambda self: len(self.world.used) > 3)
    @rule(cancel=st.booleans())
    def shutdown(self, cancel: bool) -> None:
        """The executor is shut down, maybe for the second time."""
        self.world.shut_down(cancel=cancel)

    @precondition(lambda self: len(self.world.used) > 9)
    @rule()
    def no_more_workers(self) -> None:
        """The backend gives up."""
        self.world.break_down()

    @rule(choice=choices, kind=st.sampled_from([Part, Done, Died]))
    def a_late_report(self, choice: int, kind: type[Event]) -> None:
        """A report comes about a ticket that is settled, or that never was."""
        world = self.world
        gone = sorted(world.used - set(world.out)) or [10**6]
        ticket = gone[choice % len(gone)]
        world.tell(Died(ticket, choice % 3) if kind is Died else kind(ticket, choice % 3, 0.1))

    # -------------------------------------------------------------------------------- the end
    @invariant()
    def the_books_agree(self) -> None:
        """All is checked with each event; this says it of the quiet moments between them too."""
        if hasattr(self, "world"):
            self.world.check_what_is_left()

    def teardown(self) -> None:
        """When all workers answer, all comes home, and the workers are let go."""
        if not hasattr(self, "world") or not self.world.sound:
            return
        world = self.world
        for _ in range(2 * len(world.places) + 1):
            if world.out:
                world.report(next(iter(world.out)), 10**6, last=True)
            elif world.slots == 0 and world.waiting():
                world.want(None, None)
        assert not world.out
        assert not world.waiting()
        if not world.stopped:
            world.shut_down(cancel=False)
        assert world.stopped
        for call, place in world.places.items():
            assert place in (HOME, DROPPED) or world.jobs[call[0]].closed


Schedules.TestCase.settings = settings(
    max_examples=SCHEDULES,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestSchedules = pytest.mark.timeout(1800 if THOROUGH else 300)(Schedules.TestCase)
