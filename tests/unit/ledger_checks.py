"""What must be so: each action of the ledger, and its books after each event, are checked."""

from ledger_accounts import (
    ARRIVES,
    ASKED,
    DELAYED,
    DROPPED,
    HOME,
    WAITS,
    Accounts,
    SimulatedJob,
    SimulatedTicket,
)

from taskpar._engine import events
from taskpar._engine.events import (
    Action,
    Blame,
    Drop,
    Event,
    Kill,
    Look,
    Retry,
    Send,
    Settle,
    Stop,
)
from taskpar._engine.lengths import TARGET_SECONDS
from taskpar._engine.waiting import FIRST_BATCH


class Checks(Accounts):
    """What the accounts of all calls say of an action."""

    # ------------------------------------------------------------------------------ an event
    def tell(self, event: Event) -> None:
        """Let the ledger handle an event, and check what it wants done."""
        clock = self.note_the_time()
        self.story.append((event, clock))
        stopped, self.sound, rings = self.stopped, False, self.told >= self.ledger.due
        try:
            if isinstance(event, events.Wanted):
                self.expected = self.would_run(event)
            self.said = self.ledger.handle(event, clock)
            assert not (stopped and self.said), "something came after the stop"
            self.names += [type(action).__name__ for action in self.said]
            for action in self.said:
                assert not self.stopped, "the stop is not the last action"
                self.moment += 1
                self.check(action, event)
                self.note_who_waits()
            self.note_who_waits()
            self.check_rest()
            self.check_due(exact=rings)
        except Exception as error:
            for told, when in self.story:
                error.add_note(f"told at {when}: {told}")
            error.add_note(f"said: {self.said}")
            raise
        self.sound = True

    def would_run(self, event: events.Wanted) -> bool:
        """Tell whether there is something to run for somebody who offers his thread."""
        jobs = self.jobs if event.job is None else [event.job]
        if event.call is None:
            return any(self.jobs[number].startable for number in jobs)
        return any(
            event.call in self.jobs[number].waits and event.call < self.jobs[number].fence
            for number in jobs
        )

    def check(self, action: Action, event: Event) -> None:
        """Check one action, and take it into the account."""
        match action:
            case Send():
                self.check_send(action, wanted=isinstance(event, events.Wanted))
            case Settle():
                self.check_settle(action)
            case Blame(number, index, late):
                self.check_guilty(number, index, late)
                self.home_with_error(number, index)
            case Retry():
                self.check_retry(action)
            case Drop():
                self.check_drop(action)
            case Look(ticket):
                assert self.look_at.pop(ticket) <= self.told, "looked at before its time"
                self.looks.append(ticket)
            case Kill():
                self.check_kill(action, event)
                self.kills.append(action)
            case Stop():
                assert self.closing, "stopped without being told"
                assert self.idle, "stopped while something is to come"
                self.stopped = True

    # --------------------------------------------------------------------------------- sending
    def check_send(self, send: Send, *, wanted: bool) -> None:
        """A batch is a run of waiting calls of one job, in order, in turn, of a fitting size."""
        ticket, number, start, stop, fresh = send
        job = self.jobs[number]
        assert not job.closed, "sent for nobody"
        assert not self.ends, "sent although what waits is not run any more"
        assert job.waits.issuperset(range(start, stop)), "sent from elsewhere"
        assert start < stop, "an empty batch"
        assert stop <= job.fence, "sent although an error before it has not been read"
        assert fresh == any(index in job.fresh for index in range(start, stop)), "fresh?"
        assert stop == start + 1 or not (fresh or wanted), "it should be alone"
        assert ticket not in self.used, "a ticket is used twice"
        if not wanted:
            self.check_order(job, start, stop)
            self.check_size(job, start, stop)
            self.check_turn(job)
            job.borders.add(stop)
        self.used.add(ticket)
        self.out[ticket] = SimulatedTicket(number, start, stop, start, start, self.real, wanted)
        for index in range(start, stop):
            self.move(number, index, ticket)
        if job.rules.time_limit is not None:
            self.look_at[ticket] = self.told + job.rules.time_limit

    def check_order(self, job: SimulatedJob, start: int, stop: int) -> None:
        """First sends go in order; what came back unstarted goes before them."""
        assert start <= job.sent, "the first sends of a job are out of order"
        if stop > job.sent:
            assert min(job.waits) == start, "what came back unstarted does not go first"
            job.sent = stop

    def check_turn(self, job: SimulatedJob) -> None:
        """No other job has waited since before this one had its last turn."""
        for other in self.jobs.values():
            waited = other.waits_since is not None and other.waits_since < job.last_turn
            assert other is job or not waited or other.last_turn > job.last_turn, "out of turn"
        job.last_turn = self.moment

    def check_size(self, job: SimulatedJob, start: int, stop: int) -> None:
        """As asked for, as far as calls wait side by side; else as long as is good."""
        size = stop - start
        others = any(other.startable for other in self.jobs.values() if other is not job)
        stuck = job.rules.time_limit is not None or job.rules.kill
        seconds = TARGET_SECONDS * (1 if others or stuck else self.alone) * 1.001
        assert self.largest is None or size <= self.largest, "more than the backend takes"
        if job.rules.chunksize is not None:
            limit = min(job.rules.chunksize, self.largest or job.rules.chunksize)
            fits = size < limit and (stop in job.borders or stop == job.fence)
            assert size == limit or fits, "not the size that was asked for"
        elif job.quickest is None and job.rules.pace is not None:
            assert size == 1 or size * job.rules.pace <= seconds, "a bad guess"
        elif job.quickest is None:
            assert size <= FIRST_BATCH, "many calls, and nobody knows how long they take"
        elif size > 1:
            assert size * job.quickest <= seconds, "a batch that lasts too long"

    # ------------------------------------------------------------------------------ coming home
    def check_settle(self, settle: Settle) -> None:
        """Outcomes are settled that are in the report; failed ones only for good."""
        number, start, stop, offset = settle
        job = self.jobs[number]
        assert start < stop
        expected = start - self.base if self.answer is None else self.answer.offset
        assert offset == expected, "settled with an outcome of another call"
        for index in range(start, stop):
            assert job.where[index] == ARRIVES, "settled without an outcome"
            if index in self.failed:
                assert self.answer or not self.may_retry(job, index), "should be tried again"
                self.home_with_error(number, index)
            self.move(number, index, HOME)

    def check_guilty(self, number: int, index: int, late: bool) -> None:
        """The call that ran in a dead worker is to blame; it is late if its time was up."""
        job = self.jobs[number]
        assert job.where[index] == ARRIVES, "an innocent is blamed"
        if self.answer is not None:
            assert (self.answer.offset, self.answer.late) == (None, late), "blamed for another end"
            return
        if self.dead is None:
            assert late, "blamed without a death"
            assert index == self.late, "blamed for the wrong end"
            return
        if late:
            assert self.dead_seconds >= (job.rules.time_limit or 0.0), "it had not run long enough"
        if not job.closed:
            assert not self.may_retry(job, index), "should be tried again"
            assert not self.is_stopped(number, index), "blamed, though it was cancelled"
            assert late == (self.dead.late == index), "blamed for another end"

    def check_retry(self, retry: Retry) -> None:
        """Asked about are calls that have failed, as often as the rules allow."""
        number, index, attempt, offset, late = retry
        job = self.jobs[number]
        assert job.where[index] == ARRIVES, "asked about a call that has not failed now"
        assert index in self.failed, "asked about a call that has not failed"
        assert self.answer is None, "asked again"
        assert self.may_retry(job, index), "more attempts than the rules allow, or for nobody"
        job.failures[index] += 1
        assert attempt == job.failures[index], "attempts are miscounted"
        if self.dead is None and index == self.late:
            assert (offset, late) == (None, True), "it was asked to stop, and raised"
        elif self.dead is None:
            assert (offset, late) == (index - self.base, False), "asked about another outcome"
        else:
            assert not self.is_stopped(number, index), "tried again, though it was cancelled"
            assert (offset, late) == (None, self.dead.late == index), "asked about another end"
        self.move(number, index, ASKED)
        self.questions[number, index] = retry
        self.answered.append(retry)

    def may_retry(self, job: SimulatedJob, index: int) -> bool:
        """Tell whether a call that failed should be tried again, if whoever is asked likes to."""
        left = job.failures[index] < job.rules.retries
        unwanted = self.ends or job.closed or index in job.unwanted
        return left and not unwanted and not (self.dead is not None and self.dead.killed)

    def is_stopped(self, number: int, index: int) -> bool:
        """Tell whether the death that is handled now is one that somebody wanted."""
        assert self.dead is not None
        return self.dead.killed or index in self.jobs[number].unwanted

    def home_with_error(self, number: int, index: int) -> None:
        """Note a call's final error, which may be a fence."""
        job = self.jobs[number]
        if job.rules.fail_fast and not (self.closing or job.unread or job.closed):
            job.fences.add(index)
        self.move(number, index, HOME)

    # ------------------------------------------------------------------------------- giving up
    def check_drop(self, drop: Drop) -> None:
        """Dropped is what waits when all ends, and what was cancelled."""
        number, start, stop, broken = drop
        job = self.jobs[number]
        assert start < stop
        for index in range(start, stop):
            place = job.where[index]
            if place == ARRIVES:
                assert self.dead is not None, "a finished call is dropped"
                assert self.is_stopped(number, index), "a call is dropped that nobody cancelled"
                assert not broken
            else:
                assert place in (WAITS, DELAYED), "dropped from elsewhere"
                ends = self.broken if broken else self.cancelling
                assert ends or index in job.unwanted, "dropped without a reason"
            self.move(number, index, DROPPED)

    def check_kill(self, kill: Kill, event: Event) -> None:
        """Stopped is only what nobody wants, or what is late."""
        ticket, position = kill
        batch = self.out[ticket]
        job = self.jobs[batch.job]
        if position is None:
            nobody = job.closed and job.rules.kill
            left = set(range(batch.home, batch.stop))
            assert nobody or ticket in self.killing or left <= job.unwanted, "an innocent is killed"
            batch.killed = True
        elif isinstance(event, events.Looked):
            assert event[:2] == kill, "not the call that was looked at"
            assert event.seconds >= (job.rules.time_limit or 0.0), "its time is not up"
            batch.late = batch.sent + position
        else:
            assert batch.sent + position in job.unwanted, "an innocent is killed"

    # --------------------------------------------------------------------------- after an event
    def check_rest(self) -> None:
        """What must be so whenever an event has been handled."""
        busy = sum(not batch.lent for batch in self.out.values())
        assert busy <= max(self.slots, self.busy), "more is out than there are slots"
        self.busy = busy
        if busy < self.slots:
            assert not any(job.startable for job in self.jobs.values()), "a slot is free"
        for number, job in self.jobs.items():
            assert self.ledger.waiting(number) == len(job.waits), "another number waits"
            if job.waits or job.delayed:
                assert not self.ends, "waits for what never comes"
                lost = job.unwanted & (job.waits | job.delayed.keys())
                assert not lost, "a cancelled call waits to be run"
        assert self.broken == self.ledger.broken, "broken?"
        assert self.ledger.idle == self.idle, "idle?"
        assert self.stopped == (self.closing and self.idle), "stopped?"

    def check_due(self, *, exact: bool) -> None:
        """The ledger wants to be woken for what is to be done first: never too late for that.

        It may be too early, for what was cancelled meanwhile; but not twice for the same thing.
        """
        times = [when for job in self.jobs.values() for when in job.delayed.values()]
        due = min([*times, *self.look_at.values()], default=float("inf"))
        told = f"due at {self.ledger.due}, not {due}"
        assert self.told < self.ledger.due <= due, told
        assert not exact or self.ledger.due == due, told
