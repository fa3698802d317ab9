"""All around the ledger, simulated: jobs, workers, clocks, whoever answers its questions.

`World` keeps its own account of where each call is and of what workers have started. It tells the
ledger what happens, one event after the other, and has each action checked (`ledger_checks`). What
happens, and when, is drawn by `ledger_moves`, or written down in a test.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from ledger_accounts import ARRIVES, DELAYED, FORGOTTEN, WAITS, SimulatedJob
from ledger_checks import Checks

from taskpar._engine import events
from taskpar._engine.events import Event, Kill, Retry, Rules
from taskpar._engine.ledger import MAX_BARREN_DEATHS


class World(Checks):
    """Whatever the ledger has to do with.

    Args:
        slots: How many batches may be out at once; 0: it is inline.
        largest: The most calls that a batch may have.
        alone: How many times as long as usual it may take where no other job waits.
    """

    # ------------------------------------------------------------------------------ the clocks
    @property
    def clock(self) -> float:
        """What the ledger is told: a clock may jump."""
        return self.real + self.skew

    def until_due(self) -> None:
        """Let the time pass until the ledger has something to do, and tell it."""
        assert self.ledger.due < inf, "something is waited for, and nothing will come of it"
        self.wait_until(self.ledger.due)
        self.tick()

    def wait_until(self, when: float) -> None:
        """Let the time pass, and tell nobody."""
        self.real += max(0.0, when - self.clock)

    def tick(self) -> None:
        """The ledger's alarm rings, or somebody looks at the clock."""
        self.tell(events.Tick())

    # ------------------------------------------------------------------------------ the caller
    def submit(
        self, number: int, count: int, rules: Rules | None = None, *, more: bool = False
    ) -> None:
        """Calls of a job are there, and there may be more."""
        job = self.jobs.setdefault(number, SimulatedJob(rules or Rules()))
        start = len(job.where)
        job.where += [WAITS] * count
        job.waits.update(range(start, start + count))
        job.borders.add(start + count)
        self.tell(events.Submitted(number, start, start + count, job.rules, more))

    def want(self, number: int | None, index: int | None) -> None:
        """Somebody offers his own thread."""
        if number is not None and index is not None:
            self.jobs[number].borders |= {index, index + 1}
        before = len(self.used)
        self.tell(events.Wanted(number, index))
        assert len(self.used) - before == self.expected, "an offer is taken if there is something"

    def read(self, number: int, index: int | None) -> None:
        """The reader passes an error (None: nobody reads any more)."""
        job = self.jobs[number]
        if index is None:
            job.unread = True
            job.fences.clear()
        else:
            job.fences.discard(index)
        self.tell(events.Passed(number, index))

    def cancel(self, number: int, index: int) -> None:
        """Nobody wants a call any more."""
        job = self.jobs[number]
        place = job.where[index]
        ticket = place if isinstance(place, int) else None
        if not job.closed and (ticket is not None or index in job.delayed or index in job.asked):
            job.unwanted.add(index)
            job.borders |= {index, index + 1}
        self.tell(events.Cancelled(number, index))
        if ticket is not None and not job.closed:
            kills = [action for action in self.said if isinstance(action, Kill)]
            assert [kill.ticket for kill in kills] == [ticket], "a cancelled call is stopped"
        else:
            assert not any(isinstance(action, Kill) for action in self.said), (
                "an innocent is killed"
            )

    def close(self, number: int) -> None:
        """Nobody wants a job any more."""
        job = self.jobs[number]
        first = not job.closed
        job.closed = True
        for index in [*job.waits, *job.delayed, *job.asked]:
            self.move(number, index, FORGOTTEN)
        self.expect_kills(
            events.Closed(number),
            {
                ticket
                for ticket, batch in self.out.items()
                if batch.job == number and job.rules.kill and first
            },
        )

    def shut_down(self, *, cancel: bool = False, kill: bool = False) -> None:
        """No more calls will come."""
        self.closing = True
        self.cancelling |= cancel
        for job in self.jobs.values():
            job.fences.clear()
        if kill:
            self.killing |= self.out.keys()
        self.expect_kills(events.Shutdown(cancel, kill), set(self.out) if kill else set())

    def break_down(self) -> None:
        """No worker can be made any more."""
        self.broken = True
        self.tell(events.Broken())

    def expect_kills(self, event: Event, tickets: set[int]) -> None:
        """Tell something that nobody wants any more: exactly these tickets are stopped."""
        self.tell(event)
        kills = [action for action in self.said if isinstance(action, Kill)]
        assert {kill.ticket for kill in kills} == tickets, "the wrong workers are stopped"

    # ----------------------------------------------------------------------------- the workers
    def begin(self, ticket: int) -> None:
        """A worker starts the next call of its batch."""
        batch = self.out[ticket]
        assert batch.may_begin
        batch.since = self.real
        self.started(batch.job, batch.ran)

    def finish(self, ticket: int, *, fails: bool = False) -> None:
        """A call returns, or raises."""
        batch = self.out[ticket]
        assert batch.since is not None
        batch.since = None
        if fails:
            batch.failed.add(batch.ran)
        batch.ran += 1

    def run(self, ticket: int, *fails: bool) -> None:
        """A worker runs some calls to their end."""
        for each in fails:
            self.begin(ticket)
            self.finish(ticket, fails=each)

    def hand_over(self, ticket: int, count: int | None = None) -> None:
        """A worker hands over what has finished (None), or that much of it; more will come."""
        self.report(ticket, count, last=False)

    def give_back(self, ticket: int) -> None:
        """A worker hands over what has finished, and what waits behind the call that it is in."""
        batch = self.out[ticket]
        assert batch.since is not None
        end, stop = batch.ran + 1, batch.stop
        self.jobs[batch.job].borders.add(end)
        self.report(ticket, None, last=False, returned=range(end, stop))

    def done(self, ticket: int) -> None:
        """A worker hands over all that has finished; the rest was not started."""
        assert self.out[ticket].since is None
        self.report(ticket, None, last=True)

    def report(
        self, ticket: int, count: int | None, *, last: bool, returned: range = range(0)
    ) -> None:
        """Tell what is home."""
        batch = self.out[ticket]
        first, end = batch.home, batch.ran if count is None else min(batch.home + count, batch.ran)
        seconds, batch.reported = self.real - batch.reported, self.real
        failed = tuple(index - first for index in sorted(batch.failed) if first <= index < end)
        batch.home = end
        if first < end:
            self.barren, batch.fruitful = 0, True
            self.jobs[batch.job].note_speed(seconds / (end - first))
        with self.arriving(batch.job, first, end, {first + offset for offset in failed}):
            self.late = batch.late if batch.late in self.failed else None
            if last:
                self.leave(ticket)
                self.tell(events.Done(ticket, end - first, seconds, failed))
            else:
                self.put_back(ticket, returned)
                self.tell(events.Part(ticket, end - first, seconds, failed, len(returned)))
        self.late = None

    def die(self, ticket: int, *, stale: bool = False) -> None:
        """A worker dies: in a call, or outside (where its last note of a position may be stale)."""
        batch = self.out[ticket]
        job = self.jobs[batch.job]
        job.excused.update(range(batch.home, batch.ran))
        if batch.since is None and not batch.stopped_late:
            self.leave(ticket)
            if not (batch.fruitful or batch.killed):
                self.barren += 1
                self.broken |= self.barren > MAX_BARREN_DEATHS + self.slots
            position = batch.home - 1 - batch.sent if stale and batch.fruitful else None
            self.tell(events.Died(ticket, position))
            return
        guilty, self.barren, since = batch.ran, 0, batch.since
        if since is None:  # it ended as it was being stopped: it is late, and not run again
            guilty, since = batch.late or 0, -inf
            job.excused[guilty] -= guilty < batch.ran
        job.borders |= {guilty, guilty + 1}
        with self.arriving(batch.job, guilty, guilty + 1, {guilty}):
            self.dead, self.dead_seconds = batch, self.real - since
            self.leave(ticket)
            self.tell(events.Died(ticket, None if batch.since is None else guilty - batch.sent))
        self.dead = None

    def lose(self, ticket: int) -> None:
        """A batch does not come back, and nobody knows how far it had come."""
        batch = self.out[ticket]
        calls = range(batch.home, batch.stop)
        self.barren = 0
        self.jobs[batch.job].borders.update(calls, [batch.stop])
        with self.arriving(batch.job, calls.start, calls.stop, set(calls)):
            self.dead, self.dead_seconds = batch, inf
            self.leave(ticket)
            self.tell(events.Died(ticket, events.ANY))
        self.dead = None

    def resize(self, slots: int) -> None:
        """The backend has more or fewer workers."""
        self.slots = slots
        self.tell(events.Resized(slots))

    def leave(self, ticket: int) -> None:
        """What is left of a ticket goes back, unless nobody wants it."""
        batch = self.out[ticket]
        self.look_at.pop(ticket, None)
        self.put_back(ticket, range(batch.home, batch.stop))
        del self.out[ticket]

    def put_back(self, ticket: int, calls: range) -> None:
        """Calls of a ticket are not out any more."""
        batch = self.out[ticket]
        batch.stop -= len(calls)
        for index in calls:
            if self.jobs[batch.job].where[index] == ticket:
                self.move(batch.job, index, FORGOTTEN if self.jobs[batch.job].closed else WAITS)

    @contextmanager
    def arriving(self, number: int, start: int, stop: int, failed: set[int]) -> Iterator[None]:
        """Outcomes are in the report that is handled now: none may get lost."""
        self.base, self.failed = start, failed
        for index in range(start, stop):
            self.move(number, index, ARRIVES)
        yield
        job = self.jobs[number]
        for index in range(start, stop):
            assert job.where[index] != ARRIVES or job.closed, f"outcome {number, index} is lost"

    # -------------------------------------------------------------------- whoever is asked
    def again(self, retry: Retry, seconds: float = 0.0, *, fresh: bool = False) -> None:
        """The answer to a question: try it again."""
        number, index = retry.job, retry.call
        job = self.jobs[number]
        self.note_the_time()
        if self.questions.pop((number, index), None) and not job.closed:
            job.excused[index] += 1
            (job.fresh.add if fresh else job.fresh.discard)(index)
            job.borders |= {index, index + 1}
            self.move(number, index, DELAYED)
            job.delayed[index] = self.told + seconds
        self.tell(events.Again(number, index, seconds, fresh))

    def final(self, retry: Retry) -> None:
        """The answer to a question: leave it at that."""
        number, index, _, offset, late = retry
        event = events.Final(number, index, offset, late)
        if not self.questions.pop((number, index), None) or self.jobs[number].closed:
            self.tell(event)
            return
        self.answer = event
        with self.arriving(number, index, index + 1, {index}):
            self.tell(event)
        self.answer = None

    def look(self) -> None:
        """The backend is asked what a worker does; the ledger will learn of it later."""
        ticket = self.looks.pop(0)
        batch = self.out.get(ticket)
        if batch is None or batch.since is None:
            self.views.append((ticket, None, 0.0))
        else:
            self.views.append((ticket, batch.ran - batch.sent, self.real - batch.since))

    def looked(self) -> None:
        """The ledger learns what a worker did."""
        view = ticket, position, seconds = self.views.pop(0)
        batch, late = self.out.get(ticket), False
        self.note_the_time()
        if batch is not None:
            limit = self.jobs[batch.job].rules.time_limit or 0.0
            late = position is not None and seconds >= limit
            left = limit - seconds if position is not None and not late else limit
            self.look_at[ticket] = self.told + left
        self.tell(events.Looked(*view))
        assert (Kill(ticket, position) in self.said) == late, "what is late is stopped"

    def kill(self) -> None:
        """The backend is told to stop a worker: its present call, if that is still the one."""
        ticket, position = self.kills.pop(0)
        batch = self.out.get(ticket)
        if batch is None or batch.lent:
            return
        if position is None or (batch.since is not None and batch.ran - batch.sent == position):
            batch.condemned = True
