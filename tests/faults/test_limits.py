"""Limits: how long a call may run, and how many calls and how much memory a worker may have.

**Truth:** a call that runs longer than its ``time_limit`` becomes a `TaskTimeoutError`, alone, and
its caller has control again half a second and the grace period later, whatever the call does
(problem 8 of tests/README.md). What cannot be done is refused aloud.
"""

import importlib
import os
import signal
import subprocess
import time
from collections import Counter
from functools import partial

import pytest
from deeds import (
    LONG,
    WAYS_TO_STAY,
    here_for,
    is_alive,
    note,
    noted,
    notes,
    own_pid,
    stay_at,
)
from places import (
    LOADED,
    STOPPED_WITHIN,
    WITHIN,
    each_kind_in_processes,
    in_processes,
    outcomes,
    places,
)

from rig.executors import Bench
from rig.waiting import eventually
from taskpar import (
    CapabilityError,
    SerialExecutor,
    TaskTimeoutError,
    ThreadExecutor,
    WorkerDiedError,
    parallel,
    record_of,
    use,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

LIMIT = 1.0


# ------------------------------------------------------------------------------ one call
@in_processes
@pytest.mark.parametrize("chunksize", [None, 3])
@pytest.mark.parametrize("how", WAYS_TO_STAY)
def test_pain_08_a_call_that_runs_too_long_is_stopped_alone(bench, how, chunksize, tmp_path):
    """In Python or in C, deaf to SIGTERM or not, within a batch or not; all others arrive."""
    log = tmp_path / "log"
    with bench.make() as executor:
        assert sorted(executor.map(abs, [-1, -2])) == [1, 2]
        limited = executor.options(time_limit=LIMIT)
        results = limited.map(partial(stay_at, {1}, how, log), range(6), chunksize=chunksize)
        seen = outcomes(results)
        ended = time.monotonic()
        assert [each for number, each in enumerate(seen) if number != 1] == [0, 20, 30, 40, 50]
        ((pid, began),) = [(int(pid), float(at)) for number, pid, at in notes(log) if number == "1"]
        assert_is_late(seen[1], 1, pid)
        assert ended - began < LIMIT + STOPPED_WITHIN + LOADED
        assert eventually(lambda: not is_alive(pid))
        assert list(executor.map(abs, range(-4, 0))) == [4, 3, 2, 1]
    assert sorted(noted(log)) == list(range(6)), "a call was started twice"


def assert_is_late(error, index, pid):
    """Check all that the error tells."""
    assert type(error) is TaskTimeoutError
    assert isinstance(error, TimeoutError)
    assert (error.index, error.name, error.attempt, error.pid) == (index, "stay_at", 1, pid)
    assert error.input.endswith(f"{index})")
    assert LIMIT <= error.seconds < LIMIT + STOPPED_WITHIN + LOADED
    assert f"call {index}" in str(error)
    assert record_of(error).index == index


@in_processes
def test_a_submitted_call_that_runs_too_long_is_stopped(bench):
    """Its future has the error; so has it a record."""
    with bench.make() as executor:
        future = executor.options(time_limit=0.5).submit(time.sleep, LONG)
        error = future.exception(WITHIN)
        assert type(error) is TaskTimeoutError
        assert record_of(future).name == "sleep"
        assert executor.submit(abs, -1).result(WITHIN) == 1


@in_processes
def test_every_call_may_be_late(bench, tmp_path):
    """Each is its own outcome, and each takes its own time."""
    log = tmp_path / "log"
    with bench.make() as executor:
        limited = executor.options(time_limit=0.3)
        seen = outcomes(limited.map(partial(stay_at, set(range(6)), "sleeping", log), range(6)))
        assert [(type(error), error.index) for error in seen] == [
            (TaskTimeoutError, number) for number in range(6)
        ]
    # None is started twice; on a busy machine one may be late before it has noted anything.
    assert not Counter(noted(log)) - Counter(range(6))


# ------------------------------------------------------------------------------ what it measures
@pytest.mark.parametrize("bench", places("queue", "pool"))
def test_the_limit_is_for_a_call_and_not_for_its_batch(bench, tmp_path):
    """Five calls that take two and a half seconds together, in one batch with a limit of two."""
    with Bench(bench.kind, 1, bench.start).make() as executor:
        limited = executor.options(time_limit=2.0)
        results = limited.map(partial(here_for, tmp_path / "log", 0.5), range(5), chunksize=5)
        assert list(results) == list(range(5))


@in_processes
def test_the_limit_does_not_run_while_a_call_waits(bench, tmp_path):
    """For a worker, or for one to be started."""
    with Bench(bench.kind, 1, bench.start).make() as executor:
        limited = executor.options(time_limit=2.0)
        futures = [limited.submit(here_for, tmp_path / "log", 0.7, number) for number in range(4)]
        assert [future.result(WITHIN) for future in futures] == list(range(4))


@pytest.mark.parametrize("bench", places("queue", "pool"))
def test_the_limit_does_not_run_while_a_function_is_imported(bench, tmp_path, monkeypatch):
    """Else no call would ever succeed whose module takes longer than that to import."""
    (tmp_path / "slow_module_of_a_test.py").write_text(
        "import time\ntime.sleep(1.0)\ndef double(x):\n    return 2 * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("slow_module_of_a_test")
    with bench.make() as executor:
        assert list(executor.options(time_limit=0.5).map(module.double, range(4))) == [0, 2, 4, 6]


@each_kind_in_processes
def test_a_call_that_ends_just_at_its_limit_has_one_outcome(bench, tmp_path):
    """Its value or its error; whichever it is, it is started once, as all others are."""
    log = tmp_path / "log"
    naps = [0.3 + 0.005 * number for number in range(-10, 10)]
    with bench.make() as executor:
        limited = executor.options(time_limit=0.3)
        for chunksize in (1, 2):
            results = limited.map(partial(here_for, log), naps, range(20), chunksize=chunksize)
            seen = outcomes(results)
            assert len(seen) == 20
            for number, each in enumerate(seen):
                assert each == number or (type(each), each.index) == (TaskTimeoutError, number)
            assert len(noted(log)) == len(set(noted(log)))
            log.unlink(missing_ok=True)


@in_processes
def test_timeout_ends_the_waiting_and_a_time_limit_the_call(bench):
    """The first can be asked again for the result, which comes."""
    with bench.make() as executor:
        executor.submit(abs, -1).result(WITHIN)
        results = executor.options(time_limit=WITHIN).map(time.sleep, [1.0], timeout=0.1)
        with pytest.raises(TimeoutError) as raised:
            next(results)
        assert type(raised.value) is TimeoutError
        results.close()
        future = executor.submit(pow, 2, 10)
        assert future.result(WITHIN) == 1024


# ------------------------------------------------------------------------------ the end of it
def tidy(log):
    """Have a handler for SIGTERM that tidies up, and stay."""

    def handler(number, frame):
        note(log, "tidied")
        os._exit(0)

    signal.signal(signal.SIGTERM, handler)
    note(log, "ready")
    time.sleep(LONG)


@in_processes
def test_a_task_may_tidy_up_before_it_is_stopped(bench, tmp_path):
    """It is asked first, by SIGTERM, and has the grace period for that."""
    log = tmp_path / "log"
    with bench.make() as executor:
        error = executor.options(time_limit=0.5).submit(tidy, log).exception(WITHIN)
        assert type(error) is TaskTimeoutError
        assert notes(log) == [["ready"], ["tidied"]]


def start_child(log):
    """Start a process of its own, and wait for it."""
    child = subprocess.Popen(["sleep", str(LONG)])
    note(log, child.pid)
    child.wait()


@in_processes
def test_what_a_late_call_has_started_goes_with_it(bench, tmp_path):
    """Its child processes, too."""
    log = tmp_path / "log"
    with bench.make() as executor:
        error = executor.options(time_limit=0.7).submit(start_child, log).exception(WITHIN)
        assert type(error) is TaskTimeoutError
        (child,) = noted(log)
        assert eventually(lambda: not is_alive(child), 2.0)


def deaf_for(seconds, log, number):
    """Note the call, take no notice of SIGTERM, and stay for so long."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return here_for(log, seconds, number)


@in_processes
def test_a_worker_that_is_being_stopped_is_given_no_other_call(bench, tmp_path):
    """Even if it ends the one that was late within its grace period."""
    log = tmp_path / "log"
    with Bench(bench.kind, 1, bench.start).make() as executor:
        late = executor.options(time_limit=0.5).submit(deaf_for, 0.7, log, 1)
        others = [executor.submit(here_for, log, 0.3, number) for number in (2, 3, 4)]
        assert [other.result(WITHIN) for other in others] == [2, 3, 4]
        assert late.exception(WITHIN) is None or type(late.exception()) is TaskTimeoutError
    assert noted(log) == [1, 2, 3, 4], "a call was started twice"


# ------------------------------------------------------------------------------ refused aloud
@pytest.mark.parametrize("cls", [SerialExecutor, ThreadExecutor])
@pytest.mark.parametrize("option", [{"time_limit": 1.0}, {"cancel_running": True}], ids=str)
def test_what_cannot_stop_a_call_refuses_to_limit_it(cls, option):
    """The message says which executors can."""
    with cls(2) as executor:
        with pytest.raises(CapabilityError) as raised:
            executor.options(**option)
        message = str(raised.value)
        assert next(iter(option)) in message
        assert cls.__name__ in message
        assert "QueueExecutor" in message
        assert "ProcessExecutor" in message
        assert isinstance(raised.value, NotImplementedError)
        assert executor.options(time_limit=None, cancel_running=None).submit(abs, -1).result() == 1


@parallel(time_limit=0.5)
def limited_sleep(seconds):
    """Sleep."""
    time.sleep(seconds)
    return seconds


def test_the_limit_of_a_decorated_function_is_obeyed_or_refused():
    """It depends on where it runs."""
    with Bench("queue").make() as executor, use(executor):
        seen = outcomes(limited_sleep.map([0.0, LONG, 0.0]))
        assert [type(each) for each in seen] == [float, TaskTimeoutError, float]
    with ThreadExecutor(2) as executor, use(executor), pytest.raises(CapabilityError):
        limited_sleep.map([0.0])


# ------------------------------------------------------------------------------ calls per worker
@pytest.mark.parametrize("bench", places("queue", "pool"))
@pytest.mark.parametrize("most", [1, 3])
def test_a_worker_runs_no_more_calls_than_it_may(bench, most):
    """Then there is another one; batches are cut shorter for that."""
    with bench.make(max_tasks_per_child=most) as executor:
        for chunksize in (None, 5):
            pids = list(executor.map(own_pid, range(8), chunksize=chunksize))
            assert max(map(pids.count, pids)) <= most


# ------------------------------------------------------------------------------ memory
MEGABYTE = 1 << 20
_kept = []


def grow(megabytes, number):
    """Keep some more megabytes, for good."""
    _kept.append(b"x" * (megabytes * MEGABYTE))
    return number, os.getpid()


@pytest.mark.parametrize("bench", places("queue"))
def test_pain_28_a_worker_that_grows_is_replaced_between_two_calls(bench, recwarn):
    """Its calls are not affected, and nobody is warned."""
    with bench.make(max_memory_per_child=100 * MEGABYTE) as executor:
        seen = list(executor.map(partial(grow, 40), range(12), chunksize=1))
        assert [number for number, _ in seen] == list(range(12))
        pids = [pid for _, pid in seen]
        assert max(map(pids.count, pids)) <= 3
    told = [str(each.message) for each in recwarn]
    assert [each for each in told if "forked" not in each] == []  # another test may have a thread


def grow_at_2(number):
    """Use much memory within one call, for 2."""
    if number == 2:
        held = [b"x" * (20 * MEGABYTE)]
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            if len(held) < 20:
                held.append(b"x" * (20 * MEGABYTE))
            time.sleep(0.02)
    return number


@pytest.mark.parametrize("bench", places("queue", "process"))
@pytest.mark.parametrize("chunksize", [None, 4])
def test_pain_28_a_call_that_uses_too_much_memory_is_killed_and_blamed(bench, chunksize):
    """It alone, with the most that it had."""
    with bench.make(max_memory_per_child=(150 * MEGABYTE, 200 * MEGABYTE)) as executor:
        seen = outcomes(executor.map(grow_at_2, range(6), chunksize=chunksize))
        assert [each for number, each in enumerate(seen) if number != 2] == [0, 1, 3, 4, 5]
        assert (type(seen[2]), seen[2].index) == (WorkerDiedError, 2)
        assert seen[2].signal == "SIGKILL"
        assert seen[2].peak_memory > 190 * MEGABYTE
        assert executor.submit(abs, -1).result(WITHIN) == 1


@each_kind_in_processes
def test_only_what_can_bound_memory_takes_a_bound(bench):
    """A pool cannot, and says which executors can."""
    if bench.kind == "pool":
        with pytest.raises(CapabilityError, match="QueueExecutor"):
            bench.make(max_memory_per_child=MEGABYTE)
        return
    for wrong in (0, -1, (2 * MEGABYTE, MEGABYTE), (MEGABYTE,)):
        with pytest.raises(ValueError, match="max_memory_per_child"):
            bench.make(max_memory_per_child=wrong)
