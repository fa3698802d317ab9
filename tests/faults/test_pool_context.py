"""A pool may lose its worker at any instant: it can be closed, and waited for, like any other.

These are the instants that are hard on the stdlib's pool: a queue holds half a message, a thread
waits for somebody who is dead, or for the lock that he held.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.pool import Pool
from pathlib import Path

import pytest

from rig.executors import START_METHODS
from rig.leaks import can_see_processes
from rig.waiting import eventually
from taskpar._system.mainless import mainless
from taskpar.backends.pool_context import PoolContext

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")

WITHIN = 30.0  # seconds: a bound, not a measure
HUGE = 100_000_000

starts = pytest.mark.parametrize("start", START_METHODS)


def state_of(pid):
    """What a process does: R runs, S waits, T has been stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Lonely:
    """A pool of one worker on our context, and the answers to its tasks."""

    def __init__(self, start):
        cls = mainless(get_context(start))
        self.answers = []
        self.context = PoolContext(lambda f, args: cls(target=f, args=args), self.answers.append)
        self.pool = Pool(1, context=self.context)
        self.process = self.context.process

    def give(self, function, *args, heard=None):
        """Give it a task; its answer will be heard, be it a value or an error."""
        heard = heard or self.answers.append
        return self.pool.apply_async(function, args, {}, heard, heard)

    def kill(self):
        """Kill the worker, and give the pool up."""
        os.kill(self.process.pid, signal.SIGKILL)
        assert wait([self.process.sentinel], WITHIN)
        self.process.join()
        self.context.cut()
        self.pool.close()

    def end(self):
        """Wait for the threads of the pool, which must not hang, and let its descriptors go."""
        ending = threading.Thread(target=self.pool.join, daemon=True)
        ending.start()
        ending.join(WITHIN)
        assert not ending.is_alive(), "the pool hangs"
        with suppress(OSError):
            self.pool.terminate()
        self.context.close()
        self.process.close()

    def assert_lost(self, *kept):
        """Check that these are the answers, and then only errors: both threads may tell of one."""
        assert self.answers[: len(kept)] == list(kept)
        lost = self.answers[len(kept) :]
        assert lost
        assert all(isinstance(answer, EOFError | OSError) for answer in lost)


@starts
def test_a_pool_ends_as_ever_when_it_is_closed(start):
    """The worker is asked to leave, and its process ends well."""
    lonely = Lonely(start)
    assert lonely.give(abs, -1).get(WITHIN) == 1
    lonely.pool.close()
    assert wait([lonely.process.sentinel], WITHIN)
    lonely.process.join()
    assert lonely.process.exitcode == 0
    lonely.context.cut()
    lonely.end()
    assert lonely.answers == [1]


@starts
def test_a_worker_may_die_before_it_is_ready(start):
    """What it was given is answered in its stead."""
    lonely = Lonely(start)
    lonely.give(abs, -1)
    lonely.kill()
    lonely.end()
    lonely.assert_lost()


@starts
def test_a_worker_may_die_while_it_waits(start):
    """The stdlib's pool would wait for ever for the lock that the dead one held."""
    lonely = Lonely(start)
    assert lonely.give(abs, -1).get(WITHIN) == 1
    eventually(lambda: state_of(lonely.process.pid) == "S")
    lonely.kill()
    lonely.end()
    assert lonely.answers == [1]


@starts
def test_a_worker_may_die_while_it_works(start):
    """The call is answered by an error, as soon as the process has ended."""
    lonely = Lonely(start)
    assert lonely.give(abs, -1).get(WITHIN) == 1
    lonely.give(time.sleep, 600)
    lonely.kill()
    lonely.end()
    lonely.assert_lost(1)


@starts
@pytest.mark.parametrize("on", [0.0, 0.002, 0.01, 0.03])
def test_a_worker_may_die_while_it_reads_a_task(start, on):
    """With any part of it read, and the rest on its way."""
    lonely = Lonely(start)
    assert lonely.give(abs, -1).get(WITHIN) == 1
    os.kill(lonely.process.pid, signal.SIGSTOP)
    lonely.give(len, bytes(HUGE))
    if on:
        os.kill(lonely.process.pid, signal.SIGCONT)
        time.sleep(on)
    lonely.kill()
    lonely.end()
    lonely.assert_lost(1)


@starts
def test_a_worker_may_die_while_it_writes_an_answer(start, tmp_path):
    """With half of it written, as nobody reads; a bystander has all our descriptors."""
    lonely, busy, gate = Lonely(start), threading.Event(), threading.Event()
    bystander = mainless(get_context("fork"))(target=time.sleep, args=(600,))
    bystander.start()

    def hold(answer):
        lonely.answers.append(answer)
        busy.set()
        gate.wait(WITHIN)

    lonely.give(abs, -1, heard=hold)
    assert busy.wait(WITHIN)
    lonely.give(blob, tmp_path / "made", HUGE)
    assert eventually((tmp_path / "made").exists, WITHIN)
    assert eventually(lambda: state_of(lonely.process.pid) == "S", WITHIN)  # the socket is full
    lonely.kill()
    gate.set()
    lonely.end()
    lonely.assert_lost(1)
    bystander.kill()
    bystander.join()
    bystander.close()


@starts
def test_only_who_reads_answers_is_told_that_there_are_some(start, tmp_path):
    """Else the pool's other thread, which looks after processes, goes round until they are read."""
    lonely, busy, gate = Lonely(start), threading.Event(), threading.Event()

    def hold(answer):
        lonely.answers.append(answer)
        busy.set()
        gate.wait(WITHIN)

    lonely.give(abs, -1, heard=hold)
    lonely.give(blob, tmp_path / "made", 1)
    assert busy.wait(WITHIN)
    results = lonely.context._results
    assert eventually(lambda: not results.empty(), WITHIN)  # the answer of the second task
    told = wait([results._reader], 0)
    gate.set()
    lonely.pool.close()
    assert wait([lonely.process.sentinel], WITHIN)
    lonely.process.join()
    lonely.context.cut()
    lonely.end()
    assert lonely.answers == [1, b"\0"]
    assert not told


def blob(note, size):
    """Make a big result, and note that it was made."""
    with note.open("a") as file:
        file.write("x")
    return bytes(size)
