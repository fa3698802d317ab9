"""Workers that have nothing to do leave when they are told to, and what they would do is done."""

import os
import time

import pytest

from rig.executors import START_METHODS
from rig.scripts import run_script
from rig.waiting import eventually
from taskpar import ProcessExecutor, QueueExecutor, SerialExecutor, ThreadExecutor
from taskpar.errors import CapabilityError


def pid_after(seconds):
    """Rest, and tell who did."""
    time.sleep(seconds)
    return os.getpid()


@pytest.mark.parametrize("method", START_METHODS)
def test_idle_workers_leave_and_others_come(method):
    """Not before their time, not while they work; the executor is as good as new."""
    with QueueExecutor(2, method, idle_timeout=0.3) as executor:
        first = executor.submit(pid_after, 0.8).result()
        assert executor.submit(pid_after, 0).result() == first
        began = time.monotonic()
        assert eventually(lambda: not executor.workers())
        assert time.monotonic() - began >= 0.2
        assert executor.submit(pid_after, 0).result() != first
        assert list(executor.map(abs, range(-100, 0))) == list(range(100, 0, -1))
        assert eventually(lambda: not executor.workers())


def test_one_that_is_used_again_and_again_stays():
    """The others leave: whoever was idle last is taken first."""
    with QueueExecutor(2, idle_timeout=0.5) as executor:
        both = {future.result() for future in [executor.submit(pid_after, 0.3) for _ in range(2)]}
        ends = time.monotonic() + 1.5
        used = set()
        while time.monotonic() < ends:
            used.add(executor.submit(pid_after, 0.01).result())
        assert len(both) == 2
        assert len(used) == 1
        assert [worker.pid for worker in executor.workers()] == list(used)


def test_nothing_is_lost_when_work_comes_as_they_leave():
    """Whatever the moment, it is done."""
    with QueueExecutor(2, idle_timeout=0.02) as executor:
        for number in range(60):
            time.sleep(0.02 if number % 2 else 0.021)
            assert executor.submit(abs, -number).result(30) == number


def test_what_has_no_idle_workers_takes_the_word_or_refuses_it():
    """A process for each call is never idle; a thread has nothing to give back."""
    with ProcessExecutor(1, idle_timeout=0.1) as executor:
        assert executor.submit(abs, -1).result() == 1
    for kind in (SerialExecutor, ThreadExecutor):
        with pytest.raises(CapabilityError, match="no idle_timeout: use QueueExecutor"):
            kind(idle_timeout=1)


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan"), "1"])
def test_a_wrong_idle_timeout_is_refused(wrong):
    """At once, with its name."""
    with pytest.raises((TypeError, ValueError), match="idle_timeout must be seconds, more than 0"):
        QueueExecutor(1, idle_timeout=wrong)


PRELOADING = """
import sys, wave
from taskpar import QueueExecutor, ProcessExecutor

def has(name):
    return name in sys.modules

for kind in (QueueExecutor, ProcessExecutor):
    with kind(1, "forkserver", preload=PRELOAD) as ex:
        print(list(ex.map(has, ["colorsys", "wave"])))
"""


@pytest.mark.skipif("forkserver" not in START_METHODS, reason="needs a fork server")
@pytest.mark.parametrize(
    ("preload", "expected"),
    [
        ("None", [False, False]),
        ("['colorsys', 'wave']", [True, True]),
        ("'colorsys'", [True, False]),
        ("True", [False, True]),
    ],
)
def test_the_fork_server_imports_what_it_is_told(preload, expected, tmp_path):
    """Names, or all that the program has imported; workers have it without importing it."""
    done = run_script(PRELOADING.replace("PRELOAD", preload), tmp_path)
    assert (done.stdout, done.stderr) == (f"{expected}\n" * 2, "")


@pytest.mark.parametrize("wrong", [1, [1], ["no such module"], "nowhere_to_be_found"])
def test_a_wrong_preload_is_refused(wrong):
    """At once, with its name, and with that of the module."""
    with pytest.raises((TypeError, ValueError), match="preload must be"):
        QueueExecutor(1, preload=wrong)
