"""A worker that is killed from outside costs the call that it ran, and an idle one nothing."""

import os
import signal
import time
from functools import partial

import pytest
from deeds import killed
from dying import STAYING, all_of, checked, needs_signals, with_all_workers
from places import WITHIN, each_kind_in_processes

from laws.oracle import outcomes
from rig.executors import Bench
from rig.waiting import eventually
from taskpar import TaskTimeoutError, Worker, WorkerDiedError
from taskpar.backends.link import GRACE, Link

pytestmark = needs_signals


@pytest.mark.parametrize("staying", all_of(*STAYING), ids=str)
@pytest.mark.parametrize("then", ["map", "submit", "nothing"])
def test_an_idle_worker_that_is_killed_loses_nothing(staying, then):
    """Whatever is asked for next, at once: another worker does it."""
    with staying.make() as executor:
        for pid in with_all_workers(executor, 2):
            os.kill(pid, signal.SIGKILL)
        if then == "map":
            checked(executor, set())
        elif then == "submit":
            futures = [executor.submit(abs, -number) for number in range(6)]
            assert [future.result(WITHIN) for future in futures] == list(range(6))


@pytest.mark.parametrize("kind", STAYING)
def test_all_idle_workers_may_be_killed_at_once(kind):
    """As many as there are: that is no sign that none can be made."""
    with Bench(kind, 6, "fork").make() as executor:
        for pid in with_all_workers(executor, 6):
            os.kill(pid, signal.SIGKILL)
        checked(executor, set(), count=24, chunksize=1)


@pytest.mark.parametrize("kind", STAYING)
def test_a_killed_worker_is_replaced_and_gone(kind):
    """It is not among the workers any more."""
    with Bench(kind, 1).make() as executor:
        (old,) = with_all_workers(executor, 1)
        os.kill(old, signal.SIGKILL)
        assert executor.submit(os.getpid).result(WITHIN) != old
        assert eventually(lambda: old not in [worker.pid for worker in executor.workers()])


def test_a_worker_whose_death_is_being_noted_is_given_nothing_any_more(monkeypatch):
    """A call that is submitted in that very moment goes to another one."""
    submitted = []
    end = Link.end

    def submit_and_end(link):
        if not submitted:
            submitted.append(executor.submit(abs, -7))
        return end(link)

    with Bench("queue", 1).make() as executor:
        (pid,) = with_all_workers(executor, 1)
        monkeypatch.setattr(Link, "end", submit_and_end)
        os.kill(pid, signal.SIGKILL)
        (future,) = eventually(lambda: list(submitted), WITHIN)
        assert future.result(WITHIN) == 7


def wait_to_be_killed(folder, number):
    """Tell who this is, and stay."""
    if number == 4:
        (folder / "tmp").write_text(str(os.getpid()))
        (folder / "tmp").rename(folder / "pid")
        time.sleep(WITHIN)
    return number


@each_kind_in_processes
def test_a_busy_worker_that_is_killed_fails_the_call_that_it_ran(bench, tmp_path):
    """Not the others of its batch."""
    with bench.make() as executor:
        results = executor.map(partial(wait_to_be_killed, tmp_path), range(8), chunksize=8)
        assert eventually((tmp_path / "pid").exists, WITHIN)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        kinds = [outcome[0] for outcome in outcomes(results, 8)]
        assert kinds == ["value"] * 4 + ["error"] + ["value"] * 3


def ends_in_spite_of_all(seconds):
    """Do not end when asked to."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    time.sleep(seconds)
    return seconds


@each_kind_in_processes
def test_a_worker_that_is_being_stopped_gets_no_other_call(bench):
    """Its call ended between the two signals; the next one must not get the second of them."""
    with Bench(bench.kind, 1).make() as executor:
        late = executor.options(time_limit=0.1).submit(ends_in_spite_of_all, 0.1 + GRACE / 2)
        next_one = executor.submit(ends_in_spite_of_all, GRACE)
        assert late.exception(WITHIN) is None or type(late.exception()) is TaskTimeoutError
        assert next_one.result(WITHIN) == GRACE


class Leisurely(Worker):
    """Takes its time to leave."""

    def teardown(self):
        """Sleep."""
        time.sleep(1.0)


def test_there_may_be_more_workers_that_are_leaving_than_there_is_room_for():
    """A batch that needs a fresh worker then waits until one of them has left."""
    with Bench("queue").make(worker_class=Leisurely) as executor:
        again = executor.options(retries=1, retry_on=WorkerDiedError)
        for _ in range(5):
            with_all_workers(executor, 2)
            assert type(again.submit(killed).exception(WITHIN)) is WorkerDiedError
