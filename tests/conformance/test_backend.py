"""A new backend is one file: the five that there are, and some that are made up, on one suite."""

import inspect
import multiprocessing
import random
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from os import getpid
from typing import Any

import pytest
from suite import CHECKS
from suite_lives import LIFE_CHECKS
from suite_options import OPTION_CHECKS
from watched import Subject

from rig.executors import START_METHODS
from rig.places import ThreadPlaces
from taskpar import Worker
from taskpar._engine.backend import Death, Parcel, Report, WorkerInfo
from taskpar._engine.reply import Reply
from taskpar._engine.running import run, run_in_thread
from taskpar._engine.wire import Calls, Manner
from taskpar.backends.futures import (
    FuturesBackend,
    Lender,
    OwnThreadsBackend,
    ThreadsBackend,
)
from taskpar.backends.hiring import Hiring
from taskpar.backends.placed import PlacedBackend
from taskpar.backends.pool import PoolBackend
from taskpar.backends.process import ProcessBackend
from taskpar.backends.queue import QueueBackend
from taskpar.backends.serial import SerialBackend
from taskpar.executor import Executor


# --------------------------------------------------------------------------- a backend in one file
class ReversedBackend:
    """Runs what it was given last first, in a thread of its own."""

    slots = 4
    inline = False
    direct = True
    can_kill = False
    largest_batch = None

    def start(self, report: Report) -> None:
        """Start the thread."""
        self._report = report
        self._news = threading.Condition()
        self._held: list[tuple[int, Calls]] = []
        self._open = True
        self._thread = threading.Thread(target=self._work, name="reversed")
        self._thread.start()

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Put a batch on the pile."""
        assert isinstance(parcel.content, Calls)
        with self._news:
            self._held.append((ticket, parcel.content))
            self._news.notify()

    def _work(self) -> None:
        while batch := self._next():
            self._run(*batch)
            del batch  # while the thread waits, it holds nothing

    def _next(self) -> tuple[int, Calls] | None:
        with self._news:
            self._news.wait_for(lambda: self._held or not self._open)
            return self._held.pop() if self._held else None

    def _run(self, ticket: int, calls: Calls) -> None:
        self._report.done(ticket, run_in_thread(calls))

    def stop(self) -> None:
        """Let the thread end."""
        with self._news:
            self._open = False
            self._news.notify()

    def join(self) -> None:
        """Wait for the thread."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell of the one thread."""
        return (WorkerInfo("reversed", getpid(), alive=self._thread.is_alive(), exitcode=None),)


# ------------------------------------------------------------------------ backends that are awkward
class ImmediateBackend(ReversedBackend):
    """Answers from within ``send``, in whichever thread that is."""

    def start(self, report: Report) -> None:
        """Remember whom to tell."""
        self._report = report

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Run it now."""
        self._report.done(ticket, run_in_thread(parcel.content))

    def stop(self) -> None:
        """There is nothing to stop."""

    def join(self) -> None:
        """There is nothing to wait for."""

    def workers(self) -> tuple[WorkerInfo, ...]:
        """There is nobody."""
        return ()


class PrefixBackend(ReversedBackend):
    """Answers with prefixes of any length, none included, in parts, and now and then dies."""

    def __init__(self, *, direct: bool, deaths: float = 0.0) -> None:
        self.direct = direct
        self._deaths = deaths
        self._random = random.Random(1)

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Put a batch on the pile, whatever its form."""
        with self._news:
            self._held.append((ticket, parcel.content))
            self._news.notify()

    def _run(self, ticket: int, content: Any) -> None:
        if self._random.random() < 0.3:
            self._report.part(ticket, Reply(0, 0, 0.0, (), []))
        if self._random.random() < self._deaths:
            self._report.died(ticket, Death("it felt like it"))
        elif self.direct:
            self._some_of(ticket, content)
        else:
            most = self._random.randrange(4)
            self._report.done(ticket, run(content, most=most) if most else None)

    def _some_of(self, ticket: int, calls: Calls) -> None:
        """Answer with some parts of a batch, and leave the rest."""
        at, length = 0, len(calls.items)
        for last in (False, False, True):
            until = self._random.randint(at, length)
            items, start = calls.items[at:until], calls.start + at
            some = Calls(calls.function, calls.shape, items, start, Manner(whole=True))
            at = until
            (self._report.done if last else self._report.part)(ticket, run_in_thread(some))


def lender(kind, **options):
    """An executor of the stdlib, for the adapter."""
    return Lender(2, partial(kind, 2, **options), ours=True)


def hiring(start, most=0):
    """Two workers that start like this, and run so many calls."""
    return Hiring(multiprocessing.get_context(start), Worker, None, most, (0, 0), 2)


def queue(start):
    """Make a maker."""
    return lambda: QueueBackend(hiring(start))


FORK = multiprocessing.get_context(START_METHODS[0])  # the quickest
SUBJECTS = [
    Subject("serial", lambda: SerialBackend(None, ())),
    Subject("thread", lambda: OwnThreadsBackend(2, "conformance", None, ())),
    Subject("thread-pool", lambda: ThreadsBackend(lender(ThreadPoolExecutor))),
    Subject("thread-pool-by-bytes", lambda: FuturesBackend(lender(ThreadPoolExecutor))),
    Subject("process-pool", lambda: FuturesBackend(lender(ProcessPoolExecutor, mp_context=FORK))),
    Subject("placed", lambda: PlacedBackend(ThreadPlaces("a", "b"), 0.01)),
    Subject("process", lambda: ProcessBackend(hiring(START_METHODS[0], most=1)), calls=60),
    Subject("pool", lambda: PoolBackend(2, multiprocessing.get_context(), None, (), 0)),
    *(Subject(f"queue-{start}", queue(start)) for start in START_METHODS),
    Subject("reversed", ReversedBackend),
    Subject("immediate", ImmediateBackend),
    Subject("prefixes", lambda: PrefixBackend(direct=True)),
    Subject("prefixes-of-bytes", lambda: PrefixBackend(direct=False)),
    Subject("mortal", lambda: PrefixBackend(direct=True, deaths=0.2)),
]


@pytest.mark.parametrize(
    "check", CHECKS + LIFE_CHECKS + OPTION_CHECKS, ids=lambda check: check.__name__
)
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_every_backend_passes(subject, check):
    """All checks, on each of them."""
    check(subject)


def test_a_new_backend_takes_less_than_sixty_lines():
    """The one that runs its batches in reverse, counted as it stands above."""
    assert len(inspect.getsource(ReversedBackend).splitlines()) < 60


def test_a_backend_that_answers_at_once_does_not_end_in_a_deep_recursion():
    """Ten thousand batches, each sent by the answer to the one before it."""
    with Executor(ImmediateBackend()) as executor:
        assert sum(executor.map(abs, range(10_000), chunksize=1)) == sum(range(10_000))


def test_the_last_batch_really_runs_first():
    """The awkward backend is as awkward as it says."""
    order = []
    gate = threading.Event()

    def note(number):
        gate.wait(30)
        order.append(number)

    with Executor(ReversedBackend()) as executor:
        results = executor.map(note, range(4), chunksize=1)
        gate.set()
        assert len(list(results)) == 4
    assert order in ([0, 3, 2, 1], [3, 2, 1, 0], [1, 3, 2, 0], [2, 3, 1, 0])
