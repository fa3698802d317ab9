"""The engine: drives the ledger and one backend, for as many threads as like to call it.

::

    caller's thread                  ledger (pure)                  worker
    job.read ──── numbered calls ──► Submitted
                                      a slot is free: cut a batch
                  Send(ticket) ◄────
    wire.pack ── backend.send ───────────────────────────────────► wire.run
                  Part, Done, Died ◄────────────────────────────── backend reports
    job.settle ◄── Settle

One lock guards the ledger, and nothing is done while it is held: no pickling, no writing, no
code of a user. What the ledger says is done by the thread that brought the event, so a call goes
to its worker from the thread that submitted it.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from time import monotonic
from typing import cast

from taskpar._engine import events
from taskpar._engine.acting import NO_NEWS, Actor, Doing, News
from taskpar._engine.alarm import Alarm
from taskpar._engine.backend import Backend, Death, HearingBackend, WorkerInfo, bounds_of
from taskpar._engine.book import Book
from taskpar._engine.job import Job
from taskpar._engine.leaving import close_at_exit
from taskpar._engine.lifetime import Lifetime
from taskpar._engine.reply import reported
from taskpar._engine.tally import Tally
from taskpar._engine.unheard import Unheard
from taskpar._system import ctrl_c
from taskpar.errors import ExecutorClosedError, InitializerError


class Engine:
    """Runs jobs on a backend.

    Args:
        backend: Where calls run; started with the first job.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        slots = 0 if backend.inline else backend.slots
        self._ledger = Book(slots, bounds_of(backend))
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self.jobs: dict[int, Job] = {}
        self._numbers = count()
        self._pid = os.getpid()
        self._lifetime = Lifetime(backend)
        self._cause: BaseException | None = None
        self._unstarted: BaseException | None = None
        self._put_down: deque[events.Closed | events.Passed] = deque()
        self._unheard = Unheard()
        self.closed = self._abandoned = False
        self._doing = Doing()
        self._alarm = Alarm(self._tick, lambda: self._ledger.due)
        self._actor = Actor(self)
        self.tally = Tally()

    # ------------------------------------------------------------------------ for jobs
    def add(self, job: Job) -> int:
        """Take a job in; its calls come with `submit`.

        Raises:
            ExecutorClosedError: After `shutdown`.
            InitializerError: No worker can be made.
        """
        self.check_open()
        self.start()
        with self._lock:
            self.check_open()
            number = next(self._numbers)
            self.jobs[number] = job
        self._sweep()
        return number

    def start(self) -> None:
        """Start the backend, unless that has been done.

        Raises:
            ExecutorClosedError: The program ends.
        """
        if self._lifetime.started:
            return
        if not threading.main_thread().is_alive():
            raise ExecutorClosedError("cannot schedule new futures after interpreter shutdown")
        if self._lifetime.start(self) and not self.backend.inline:
            close_at_exit(self)

    def check_process(self) -> None:
        """Check that this process was not forked from the one whose workers these are.

        Raises:
            ExecutorClosedError: It was.
        """
        if self._pid != os.getpid():
            raise ExecutorClosedError(
                f"the executor belongs to process {self._pid}, from which this one was forked: "
                "make another one here"
            )

    def check_open(self) -> None:
        """Check that it takes calls.

        Raises:
            ExecutorClosedError: After `shutdown`, or in a forked process.
            InitializerError: No worker can be made.
        """
        self.check_process()
        if self.closed:
            raise ExecutorClosedError("cannot schedule new futures: the executor was shut down")
        if self._ledger.broken:
            raise self.why_broken()

    def why_broken(self) -> InitializerError:
        """Make the error that tells why no worker is left."""
        error = InitializerError("the executor is broken: no worker could be made ready")
        error.__cause__ = self._cause or self._unstarted
        return error

    @property
    def trouble(self) -> InitializerError | None:
        """Why no worker is left; None: there are some, or can be."""
        return self.why_broken() if self._ledger.broken else None

    def submit(
        self, number: int, start: int, stop: int, rules: events.Rules, *, more: bool = False
    ) -> None:
        """Let calls of a job wait for a worker; there may be ``more`` of them, or these are all.

        Raises:
            ExecutorClosedError: After `shutdown`.
        """
        event = events.Submitted(number, start, stop, rules, more)
        self.check_open()
        with self._whole():
            with self._lock:
                self.check_open()
                actions = self._ledger.handle(event, monotonic())
            self._do(actions)
            self._settle_down()

    def submit_soon(self, number: int, call: int, rules: events.Rules) -> None:
        """Let a call of a job wait for a worker; more will come.

        As long as all workers are at work it is only put down: the report that frees one of them
        has it heard. Whoever puts something down looks at the ledger after that, and whoever
        changes the ledger looks at what was put down after that: so one of them sees the other.

        Raises:
            ExecutorClosedError: After `shutdown`.
        """
        self.check_open()
        put_down = (number, call, rules)
        self._unheard.add(put_down)
        if self._ledger.full and not self.closed:
            return
        with self._whole():
            with self._lock:
                if self.closed and self._unheard.withdraw(put_down):
                    self.check_open()
                actions = self._heard()
            self._do(actions)
            self._settle_down()

    def _heard(self) -> list[events.Action]:
        """Let the ledger hear what was put down."""
        now = monotonic()
        return [act for event in self._unheard.taken() for act in self._ledger.handle(event, now)]

    def want(self, number: int, index: int) -> None:
        """Run a call here, where the backend is inline and nobody has run it yet."""
        self.tell(events.Wanted(number, index))

    def passed(self, number: int, call: int | None) -> None:
        """Learn that the reader has seen a call's error (None: that nobody will see any)."""
        self._put(events.Passed(number, call))

    def hear(self, enough: Callable[[], bool], deadline: float | None = None) -> None:
        """Hear the workers here until it is ``enough``; or not so long, or not at all.

        Raises:
            ExecutorClosedError: This process was forked: what comes is not for it.
        """
        self.check_process()
        # Who waits within a report would wait for himself.
        if hasattr(self.backend, "hear") and self._doing.row is None:
            cast("HearingBackend", self.backend).hear(enough, deadline)

    def cancel(self, number: int, call: int) -> None:
        """Stop a call that nobody wants any more, if it runs."""
        self.tell(events.Cancelled(number, call))

    def forget(self, number: int) -> None:
        """Let a job go: what waits of it is not run any more."""
        self._put(events.Closed(number))

    def _put(self, event: events.Closed | events.Passed) -> None:
        """Let the ledger hear of a reader, without waiting: it may be the garbage collector."""
        self._put_down.append(event)
        with self._whole():
            self._sweep()

    def _sweep(self) -> None:
        """Take up what was put down, unless the lock is held: its holder comes here too."""
        while self._put_down and self._lock.acquire(blocking=False):
            try:
                event = self._put_down.popleft() if self._put_down else None
                actions = [] if event is None else self._ledger.handle(event, monotonic())
            finally:
                self._lock.release()
            if isinstance(event, events.Closed):
                self.jobs.pop(event.job, None)
            self._do(actions)

    # --------------------------------------------------------------------- for backends
    def serve(self) -> None:
        """Learn that the calling thread is one that the end has to wait for."""
        self._doing.serves = True

    def part(self, ticket: int, reply: object) -> None:
        """Take a report that some outcomes of a ticket are home."""
        home = reported(reply)
        event = events.Part(ticket, home.count, home.seconds, home.failed, home.returned)
        self.tell(event, News(home))

    def done(self, ticket: int, reply: object) -> None:
        """Take a report that a worker is through with a ticket."""
        home = reported(reply)
        self.tell(events.Done(ticket, home.count, home.seconds, home.failed), News(home))

    def died(self, ticket: int, death: Death) -> None:
        """Take a report that the worker of a ticket has died."""
        if death.pid is None:
            self._unstarted = RuntimeError(death.why)
        self.tell(events.Died(ticket, death.position), News(death=death))

    def broken(self, cause: BaseException | None) -> None:
        """Take a report that no worker can be made."""
        self._cause = self._cause or cause
        self.tell(events.Broken())

    def resized(self, slots: int) -> None:
        """Take a report that there are more or fewer slots."""
        self.tell(events.Resized(slots))

    # ---------------------------------------------------------------------------- doing
    def tell(self, event: events.Event, news: News = NO_NEWS) -> None:
        """Let the ledger handle an event, and do what it says."""
        with self._whole():
            with self._lock:
                actions = self._heard() if self._unheard else []
                actions += self._ledger.handle(event, monotonic())
                actions += self._heard() if self._unheard else []
            self._do(actions, news)
            self._settle_down()
        if self._abandoned and not self.closed:
            self.shutdown(wait=False)

    def _tick(self) -> None:
        self.serve()
        self.tell(events.Tick())

    def _whole(self) -> "ctrl_c.later | nullcontext[None]":
        """Do all that the ledger says, whenever Ctrl-C is pressed; inline, calls are among that."""
        return nullcontext() if self.backend.inline else ctrl_c.later()

    def _settle_down(self) -> None:
        """Do what may wait until all actions are done."""
        self._alarm.look()
        if self._put_down:
            self._sweep()

    def _do(self, actions: list[events.Action], news: News = NO_NEWS) -> None:
        """Do what the ledger says.

        A backend may report from within `send`: what follows from that is done later, or a row of
        quick batches would be a deep recursion; but inline, where a call may wait for another one.
        """
        steps = [(action, news) for action in actions]
        if self.backend.inline:
            for step in steps:
                self._actor.do(*step)
            return
        row = self._doing.row
        if row is not None:
            row.extend(steps)
            return
        row = self._doing.row = deque(steps)
        del steps, news
        interrupt: BaseException | None = None
        try:
            while row:
                try:
                    self._actor.do(*row.popleft())
                except BaseException as error:  # noqa: BLE001  # Ctrl-C: all must be done first
                    interrupt = error
        finally:
            self._doing.row = None
        if interrupt is not None:
            raise interrupt

    def let_go(self) -> None:
        """Let the workers go: all is home."""
        self._alarm.close()
        self._lifetime.end()

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell which workers there are."""
        there = self._lifetime.started and not self._lifetime.ended.is_set()
        return self.backend.workers() if there else ()

    # -------------------------------------------------------------------------- leaving
    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False, kill: bool = False
    ) -> None:
        """Take no more jobs, and let the workers go when all calls are home.

        With ``kill``, workers that can be stopped are stopped, whatever they do.
        """
        if self._pid != os.getpid():
            return  # the workers are those of the process that this one was forked from
        self.closed = True  # before the ledger learns of it: see `submit_soon`
        with self._lock:
            within = self._ledger.busy or self._doing.row is not None or self._doing.serves
        self.tell(events.Shutdown(cancel_futures, kill))
        if not wait or within:
            return  # he would wait for himself
        while self.backend.inline and any(map(self._ledger.waiting, list(self.jobs))):
            self.tell(events.Wanted())
        ctrl_c.wait_for(self._lifetime.ended)
        if self._lifetime.started:
            self.backend.join()

    def abandon(self) -> None:
        """Shut down without waiting, not even for the lock: then the holder does it."""
        self._abandoned = True
        if self._lock.acquire(blocking=False):
            self._lock.release()
            self.shutdown(wait=False)
