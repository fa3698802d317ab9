"""One worker of a pool: how it is stopped, and what is told of it."""

import queue
import signal
import threading
import time
from contextlib import contextmanager
from multiprocessing import get_context
from os import getpid

import pytest

from laws.oracle import outcomes
from rig.executors import START_METHODS
from rig.leaks import can_see_processes
from rig.waiting import eventually
from taskpar import PoolExecutor, TaskTimeoutError
from taskpar._engine.backend import Parcel, WorkerInfo
from taskpar._engine.constant import Constants
from taskpar._engine.reply import read_reply
from taskpar._engine.wire import Calls, Manner, pack
from taskpar._system.mainless import mainless
from taskpar.backends.link import info_of
from taskpar.backends.pool import PoolBackend
from taskpar.backends.pool_life import Life

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")

WITHIN = 30.0  # seconds: a bound, not a measure

starts = pytest.mark.parametrize("start", START_METHODS)


def pid_of(number):
    """Work a little; tell where."""
    time.sleep(0.002)
    return getpid()


def stubborn(number):
    """Take no notice of a request to end, for one number."""
    if number == 3:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    return number


@starts
def test_a_call_that_takes_too_long_is_stopped_whatever_it_thinks_of_that(start):
    """First it is asked to end, then it is killed; nobody else is."""
    with PoolExecutor(1, start) as executor:
        results = executor.options(time_limit=0.5).map(stubborn, range(6))
        seen = outcomes(results, 6)
        assert [at for at, each in enumerate(seen) if each[0] == "error"] == [3]
        assert seen[3][1][0] is TaskTimeoutError
        assert executor.submit(abs, -1).result(WITHIN) == 1


@starts
def test_a_worker_is_alive_when_it_has_a_process(start):
    """Neither before it is started, nor after its end."""
    process = mainless(get_context(start))(target=abs, args=(-1,))
    assert info_of("it", process) == WorkerInfo("it", None, alive=False, exitcode=None)
    process.start()
    pid = process.pid
    assert info_of("it", process).pid == pid
    process.join()
    assert info_of("it", process) == WorkerInfo("it", pid, alive=False, exitcode=0)
    process.close()
    assert info_of("it", process) == WorkerInfo("it", None, alive=False, exitcode=None)


class Heard:
    """What a backend reports."""

    def __init__(self):
        self.news = queue.SimpleQueue()
        self.serving = set()

    def serve(self):
        """Note in which threads."""
        self.serving.add(threading.current_thread().name)

    def part(self, ticket, reply):
        """Keep it."""
        self.news.put(("part", ticket, reply))

    def done(self, ticket, reply):
        """Keep it."""
        self.news.put(("done", ticket, reply))

    def died(self, ticket, death):
        """Keep it."""
        self.news.put(("died", ticket, death))

    def broken(self, cause):
        """Keep it."""
        self.news.put(("broken", None, cause))


@contextmanager
def a_backend(slots=1):
    """A backend, and what it reports."""
    backend, heard = PoolBackend(slots, get_context(START_METHODS[0]), None, (), 0), Heard()
    backend.start(heard)
    yield backend, heard
    backend.stop()
    backend.join()
    assert threading.current_thread().name not in heard.serving, "it would not wait for the end"


def parcel(function, *items, fresh=False, timed=False):
    """Pack a batch."""
    calls = Calls(function, "one", list(items), 0, Manner(timed=timed))
    return Parcel(pack(calls, Constants().reference(function)), None, fresh)


def result_of(news):
    """The one result that is reported next."""
    kind, _, reply = news.get(timeout=WITHIN)
    assert kind == "done"
    return read_reply(reply).outcomes(0)[0]


def test_a_fresh_worker_is_one_that_has_run_nothing():
    """The others may have: one of them leaves for it."""
    with a_backend() as (backend, heard):
        news = heard.news
        backend.send(0, parcel(pid_of, 0))
        first = result_of(news)
        backend.send(1, parcel(pid_of, 0))
        assert result_of(news) == first
        assert "taskpar-PoolWorker-1" in heard.serving
        backend.send(2, parcel(pid_of, 0, fresh=True))
        fresh = result_of(news)
        assert fresh != first
        backend.send(3, parcel(pid_of, 0))
        assert result_of(news) == fresh
        assert eventually(lambda: [worker.pid for worker in backend.workers()] == [fresh])


def test_only_the_call_that_is_meant_is_stopped():
    """Not one that runs at another position, nor another ticket's."""
    with a_backend() as (backend, heard):
        news = heard.news
        assert backend.running(0) is None
        backend.kill(0, None)
        backend.send(0, parcel(time.sleep, 600, timed=True))
        position, seconds = eventually(lambda: backend.running(0), WITHIN)
        assert (position, seconds < WITHIN) == (0, True)
        backend.kill(0, 1)
        backend.kill(1, 0)
        backend.kill(1, None)
        assert backend.running(1) is None
        time.sleep(0.1)
        assert backend.running(0)[0] == 0
        backend.kill(0, 0)
        kind, ticket, death = news.get(timeout=WITHIN)
        assert (kind, ticket, death.position, death.exitcode) == ("died", 0, 0, -signal.SIGTERM)
        assert death.seconds > 0.1
        assert backend.running(0) is None


def test_a_worker_may_be_stopped_before_it_has_begun():
    """Then no call was running."""
    with a_backend() as (backend, heard):
        news = heard.news
        backend.send(0, parcel(time.sleep, 600))
        backend.kill(0, None)
        kind, ticket, death = news.get(timeout=WITHIN)
        assert (kind, ticket) == ("died", 0)
        assert death.position in (None, 0)


# ----------------------------------------------------------------------------------- no threads
NO_STACK = 1 << 46
"""Bytes: no thread can be started with such a stack."""


@contextmanager
def no_threads():
    """Let nobody start a thread."""
    before = threading.stack_size(NO_STACK)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_where_there_can_be_no_more_threads_that_is_told():
    """As a death before any call."""
    with a_backend() as (backend, heard):
        news = heard.news
        with no_threads():
            backend.send(0, parcel(abs, -1))
        kind, ticket, death = news.get(timeout=WITHIN)
        assert (kind, ticket, death.position) == ("died", 0, None)
        assert death.why.startswith("no worker can be started: can't start new thread")
        assert backend.workers() == ()
        backend.send(1, parcel(abs, -1))
        assert result_of(news) == 1


class Employer(Heard):
    """Who is told of a life."""

    def gone(self, life, death):
        """Keep it."""
        self.news.put(("gone", life, death))


def test_a_pool_that_is_half_made_is_given_up():
    """Its process has been started, but not its threads: nothing of it is left."""
    cls = mainless(get_context(START_METHODS[0]))
    before = threading.stack_size()

    class Last(cls):
        def start(self):
            super().start()
            threading.stack_size(NO_STACK)

    employer = Employer()
    try:
        life = Life(employer, "half", Last, 1, None, 0)
        life.ticket = 0
        life.begin(parcel(abs, -1).content)
    finally:
        threading.stack_size(before)
    kind, _, death = employer.news.get(timeout=WITHIN)
    assert kind == "gone"
    assert death.why.startswith("no worker can be started: can't start new thread")
    life.join()
    assert not life.info().alive
