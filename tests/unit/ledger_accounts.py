"""The accounts of the simulated world around the ledger: of jobs, of batches, of each call."""

from collections import Counter
from dataclasses import dataclass, field
from math import inf

from taskpar._engine.events import Action, Event, Final, Kill, Retry, Rules
from taskpar._engine.ledger import Ledger
from taskpar._engine.waiting import Bounds

WAITS, DELAYED, ARRIVES, ASKED, HOME, DROPPED, FORGOTTEN = (
    "waits",
    "delayed: it will be tried again at its time",
    "arrives: its outcome, or its death, is in the report that is handled now",
    "asked: it has failed, and whoever is asked has not said yet whether to try it again",
    "home",
    "dropped",
    "forgotten: its job was closed",
)
"""Where a call may be; while it is out, its place is the number of its ticket."""


@dataclass(slots=True)
class SimulatedJob:
    """What the world knows of a job."""

    rules: Rules
    where: list[str | int] = field(default_factory=list)
    waits: set[int] = field(default_factory=set)
    delayed: dict[int, float] = field(default_factory=dict)  # and when they may be sent
    asked: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)  # to be run by a worker that has run nothing
    unwanted: set[int] = field(default_factory=set)  # cancelled after they had left the queue
    fences: set[int] = field(default_factory=set)  # errors that nobody has read
    unread: bool = False  # nobody reads, so nobody is waited for
    failures: Counter[int] = field(default_factory=Counter)
    starts: Counter[int] = field(default_factory=Counter)
    excused: Counter[int] = field(default_factory=Counter)  # for which starts there is a reason
    sent: int = 0  # calls below have been sent at least once
    borders: set[int] = field(default_factory=set)  # where a batch may be shorter than wished
    quickest: float | None = None  # seconds a call, as reported
    waits_since: int | None = None
    last_turn: int = -1
    closed: bool = False

    @property
    def fence(self) -> float:
        """The first call that may not be started."""
        return min(self.fences, default=inf)

    @property
    def startable(self) -> bool:
        """Whether a call waits in front of the fence."""
        if not self.fences:
            return bool(self.waits)
        return min(self.waits, default=inf) < min(self.fences)

    @property
    def pending(self) -> bool:
        """Whether something of it is still to come."""
        return bool(self.waits or self.delayed or self.asked)

    def note_speed(self, seconds: float) -> None:
        """Note how long calls took, as a worker reports it."""
        self.quickest = seconds if self.quickest is None else min(self.quickest, seconds)


@dataclass(slots=True)
class SimulatedTicket:
    """A batch at a simulated worker: calls below ``home`` are handed over, below ``ran`` run."""

    job: int
    sent: int
    stop: int
    home: int
    ran: int
    reported: float  # when
    lent: bool  # whether it runs in the thread of who wanted it
    since: float | None = None  # when call ``ran`` was started; None: it was not
    failed: set[int] = field(default_factory=set)
    fruitful: bool = False
    killed: bool = False  # the ledger said that it be stopped, whatever it does
    late: int | None = None  # the ledger said that it be stopped at this call, as its time is up
    condemned: bool = False  # it is being stopped: it starts no other call

    @property
    def may_begin(self) -> bool:
        """Whether a worker may start another call."""
        return self.since is None and not self.condemned and self.ran < self.stop

    @property
    def stopped_late(self) -> bool:
        """Whether a call that is not home was to be stopped, as its time was up."""
        return self.late is not None and self.home <= self.late < self.stop


class Accounts:
    """Where everything is, by what has happened and what the ledger has said.

    Args:
        slots: How many batches may be out at once; 0: it is inline.
        largest: The most calls that a batch may have.
        alone: How many times as long as usual it may take where no other job waits.
    """

    def __init__(self, slots: int, largest: int | None = None, alone: int = 1) -> None:
        self.ledger = Ledger(slots, Bounds(largest, alone=alone))
        self.slots, self.largest, self.alone = slots, largest, alone
        self.real = self.skew = self.told = 0.0  # the time; the clock's fault; the latest told
        self.moment = 0
        self.jobs: dict[int, SimulatedJob] = {}
        self.out: dict[int, SimulatedTicket] = {}
        self.used: set[int] = set()
        self.questions: dict[tuple[int, int], Retry] = {}  # not answered yet
        self.answered: list[Retry] = []
        self.looks: list[int] = []  # tickets to be looked at
        self.views: list[tuple[int, int | None, float]] = []  # seen, but the ledger was not told
        self.kills: list[Kill] = []  # said, but not done
        self.look_at: dict[int, float] = {}  # when tickets are to be looked at
        self.killing: set[int] = set()  # tickets that were out at a shutdown with kill
        self.busy = 0  # slots, after the event before this one
        self.barren = 0
        self.broken = self.closing = self.cancelling = self.stopped = False
        # About the event that is handled now:
        self.base = 0  # the call at the report's first place
        self.late: int | None = None  # the call of the report that was asked to stop, if one was
        self.failed: set[int] = set()
        self.dead: SimulatedTicket | None = None
        self.dead_seconds = 0.0
        self.answer: Final | None = None
        self.expected = False  # whether somebody's offer should be taken
        self.said: list[Action] = []
        # About all of them:
        self.names: list[str] = []  # of what was said
        self.story: list[tuple[Event, float]] = []
        self.sound = True  # until a check fails

    @property
    def ends(self) -> bool:
        """Whether what waits is not run any more."""
        return self.broken or self.cancelling

    @property
    def idle(self) -> bool:
        """Whether nothing is to come any more."""
        return not self.out and not any(job.pending for job in self.jobs.values())

    def move(self, number: int, index: int, place: str | int) -> None:
        """Note where a call is now."""
        job = self.jobs[number]
        job.where[index] = place
        job.waits.discard(index)
        job.asked.discard(index)
        job.delayed.pop(index, None)
        if place == WAITS:
            job.waits.add(index)
        elif place == ASKED:
            job.asked.add(index)

    def started(self, number: int, index: int) -> None:
        """Note that a worker starts a call: once, unless there is an excuse."""
        job = self.jobs[number]
        job.starts[index] += 1
        assert job.starts[index] <= 1 + job.excused[index], "started again without need"

    def note_the_time(self) -> float:
        """What is to be tried again waits when its time has come, by the clock that is told."""
        clock = self.real + self.skew
        self.told = max(self.told, clock)
        for number, job in self.jobs.items():
            for index in [index for index, when in job.delayed.items() if when <= self.told]:
                self.move(number, index, WAITS)
        return clock

    def note_who_waits(self) -> None:
        """Note since when each job has been waiting without a break."""
        for job in self.jobs.values():
            if not job.startable:
                job.waits_since = None
            elif job.waits_since is None:
                job.waits_since = self.moment
