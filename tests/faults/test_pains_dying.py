"""Problems of other libraries when a worker dies: 1, 2, 12, 26 of those in tests/README.md."""

import os
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from deeds import DEATHS, SIGNALS, die_at, die_first, killed, noted, notes, own_pid
from places import (
    LOADED,
    WITHIN,
    each_kind_in_processes,
    everywhere,
    in_processes,
    outcomes,
    places,
    told,
    warm,
)

from rig.executors import Bench
from rig.scripts import run_script
from rig.waiting import eventually
from taskpar import SharedCounter, Task, WorkerDiedError, record_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills by signals")

BIG = 100_000_000
TOLD_WITHIN = 2.0 + LOADED  # seconds: two are what the entry asks for


# ------------------------------------------------------------------------------ 1: no hang
@in_processes
@pytest.mark.parametrize("how", DEATHS)
def test_pain_01_a_worker_that_dies_does_not_hang_the_map(bench, how, tmp_path):
    """The caller learns within two seconds which call it was, and gets all other results."""
    log = tmp_path / "log"
    with bench.make() as executor:
        assert list(executor.map(abs, [-1, -2])) == [1, 2]
        began = time.monotonic()
        seen = outcomes(executor.map(partial(die_at, {2}, how, log), range(6)))
        assert time.monotonic() - began < TOLD_WITHIN
    assert [each for number, each in enumerate(seen) if number != 2] == [0, 10, 30, 40, 50]
    (guilty,) = [int(pid) for number, pid, _ in notes(log) if number == "2"]
    assert_is_death_of(seen[2], 2, how, guilty)


def assert_is_death_of(error, index, how, pid):
    """Check all that the error of a call tells that killed its worker."""
    assert type(error) is WorkerDiedError
    assert (error.index, error.name, error.attempt) == (index, "die_at", 1)
    assert error.input.startswith("die_at(")
    assert error.input.endswith(f", {index})") or error.input == f"die_at({index})"
    assert error.pid == pid
    code = -SIGNALS[how] if how in SIGNALS else {"exited": 7, "exited well": 0}[how]
    assert error.exitcode == code
    assert error.signal == (SIGNALS[how].name if how in SIGNALS else None)
    assert 0 <= error.seconds < WITHIN
    assert error.peak_memory is None or error.peak_memory > 1_000_000
    assert f"call {index}" in str(error)
    assert ("out-of-memory killer" in str(error)) == (how == "killed")


@pytest.mark.parametrize("bench", places("queue", "pool"))
def test_pain_01_workers_that_are_killed_while_they_are_idle_are_missed_by_nobody(bench):
    """Somebody kills all of them from outside; what is asked for next is done by others."""
    with bench.make() as executor:
        for pid in warm(executor):
            os.kill(pid, signal.SIGKILL)
        assert list(executor.map(abs, range(-20, 0))) == list(range(20, 0, -1))


@pytest.mark.parametrize("bench", places("queue", "pool"))
def test_pain_01_a_worker_that_is_killed_while_an_argument_is_written_to_it_hangs_nobody(bench):
    """It was stopped before it could read a 100 MB argument; another one gets that."""
    with ThreadPoolExecutor(1) as aside, bench.make() as executor:
        pids = warm(executor)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        before = _written()
        submitting = aside.submit(executor.submit, len, bytes(BIG))
        eventually(lambda: _written() > before + 4096, 3.0)  # a pool tells only when all is written
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert submitting.result(WITHIN).result(WITHIN) == BIG
        assert executor.submit(abs, -1).result(WITHIN) == 1


def _written():
    """How many bytes this process has written, ever."""
    io = Path("/proc/self/io")
    return int(io.read_text().split("wchar:")[1].split()[0]) if io.exists() else 0


# ------------------------------------------------------------------------------ 2: nobody else
@in_processes
def test_pain_02_one_crash_loses_no_other_call_and_the_executor_goes_on(bench, tmp_path):
    """Of twelve calls that were submitted the eleven others arrive, and more.

    What had finished within the last milliseconds may have run twice: nobody could know of it.
    """
    log = tmp_path / "log"
    with bench.make() as executor:
        futures = [executor.submit(die_at, {5}, "killed", log, number) for number in range(12)]
        errors = [future.exception(WITHIN) for future in futures]
        assert [number for number, error in enumerate(errors) if error is not None] == [5]
        assert (errors[5].index, record_of(futures[5]).index) == (5, 5)
        assert [f.result() for f in futures if f is not futures[5]] == [
            10 * number for number in range(12) if number != 5
        ]
        assert executor.submit(abs, -1).result(WITHIN) == 1
    runs = Counter(noted(log))
    assert runs.keys() == set(range(12))
    assert all(runs[number] == 1 for number in range(5, 12)), "a call was started twice"
    assert bench.kind != "process" or max(runs.values()) == 1


@each_kind_in_processes
def test_pain_02_a_call_that_was_lost_is_tried_again_in_a_fresh_worker_and_then_given_up(
    bench, tmp_path
):
    """So often as was asked for, if it was; after that it is the only one that has failed."""
    log = tmp_path / "log"
    with bench.make() as executor:
        patient = executor.options(retries=2, retry_on=WorkerDiedError)
        seen = list(patient.map(partial(die_first, 1, log), range(5)))
        assert seen == [0, 10, 20, 30, 40]
        log.unlink()
        seen = outcomes(patient.map(partial(die_first, 99, log), range(5)))
        assert [each for each in seen if not isinstance(each, Exception)] == [0, 10, 30, 40]
        assert (seen[2].index, seen[2].attempt) == (2, 3)
    pids = [pid for number, pid, _ in notes(log) if number == "2"]
    assert len(pids) == len(set(pids)) == 3
    others = {pid for number, pid, _ in notes(log) if number != "2"}
    assert others.isdisjoint(pids[1:]), "a worker that had killed others was not alone with it"


# ------------------------------------------------------------------------------ 12: sys.exit
def leave(number):
    """Raise what ends programs, for some numbers."""
    if number == 2:
        sys.exit(3)
    if number == 3:
        raise KeyboardInterrupt
    if number == 4:
        raise GeneratorExit
    if number == 5:
        exit("bad input")  # noqa: PLR1722  # a library that does so
    return number


LEFT = {2: (SystemExit, (3,)), 3: (KeyboardInterrupt, ()), 4: (GeneratorExit, ())}
LEFT[5] = (SystemExit, ("bad input",))


@everywhere
def test_pain_12_a_task_that_exits_ends_neither_its_worker_nor_the_caller(bench):
    """It is that call's error, of the class that the serial program raises."""
    wanted = [LEFT.get(number, number) for number in range(8)]
    with bench.make() as executor:
        assert [told(each) for each in outcomes(executor.map(leave, range(8)))] == wanted
        futures = [executor.submit(leave, number) for number in range(8)]
        seen = [future.exception(WITHIN) or future.result() for future in futures]
        assert [told(each) for each in seen] == wanted
        # Ctrl-C, as it looks, is no Ctrl-C of the caller's; nor does it go past `except Exception`
        # of somebody who asks for the exceptions as values.
        seen = list(executor.options(on_error="return").map(leave, range(8)))
        assert [told(each) for each in seen] == wanted


@pytest.mark.parametrize("kind", ["serial", "thread", "process", "pool", "queue"])
def test_pain_12_the_users_program_does_not_end_silently(kind, tmp_path):
    """Unless it lets the error pass, as the serial program would."""
    done = run_script(
        f"""
        import sys
        from concurrent.futures import as_completed
        from taskpar import {kind.capitalize()}Executor as Executor
        with Executor(2) as ex:
            futures = [ex.submit(sys.exit, 3) for _ in range(2)] + [ex.submit(abs, -1)]
            print(sorted(repr(future.exception()) for future in as_completed(futures)))
            try:
                ex.run([sys.exit, abs])
            except SystemExit as error:
                print(type(error), error.code)
        print("here")
        """,
        tmp_path,
    )
    wanted = "['None', 'SystemExit(3)', 'SystemExit(3)']\n<class 'SystemExit'> None\nhere\n"
    assert (done.stdout, done.stderr, done.returncode) == (wanted, "", 0)


# ------------------------------------------------------------------------------ 26: queues
def block(counter, number):
    """Make a result of 5 MB; those with a smaller number come later."""
    while counter is not None and counter.value != number:
        time.sleep(0.001)
    if counter is not None:
        counter.add(-1)
    return bytes([number % 256]) * 5_000_000


def is_block(number, data):
    """Tell whether this is that one."""
    return data == bytes([number % 256]) * 5_000_000


@in_processes
def test_pain_26_big_results_arrive_whatever_their_number(bench):
    """None, one, fewer than workers, more, equal ones; in the order of the calls, each once."""
    with bench.make() as executor:
        for numbers in ([], [0], range(6), [3, 1, 3, 3]):
            results = list(executor.map(partial(block, None), numbers))
            assert len(results) == len(numbers)
            assert all(map(is_block, numbers, results))
        assert list(executor.map(len, ["a"] * 50)) == [1] * 50


@each_kind_in_processes
def test_pain_26_big_results_that_arrive_in_reverse_are_put_in_order(bench):
    """Each waits for the one behind it."""
    bench, counter = Bench(bench.kind, 4), SharedCounter(3)
    with bench.make() as executor:
        results = list(executor.map(partial(block, counter), range(4), chunksize=1))
    assert all(map(is_block, range(4), results))


class KillsItself:
    """A result of which 20 MB are pickled, and then its worker is killed."""

    def __reduce__(self):
        return (tuple, ([bytes(20_000_000), Last()],))


class Last:
    """What comes behind them."""

    def __reduce__(self):
        killed()


def blocks_and_a_death(number):
    """Make a big result, a deadly one for 3."""
    return KillsItself() if number == 3 else bytes([number]) * 5_000_000


@in_processes
def test_pain_26_a_worker_that_is_killed_with_a_big_result_half_way_loses_only_that(bench):
    """All others have their length, their content and their place."""
    with bench.make() as executor:
        seen = outcomes(executor.map(blocks_and_a_death, range(6)))
        assert [number for number, each in enumerate(seen) if not isinstance(each, bytes)] == [3]
        assert type(seen[3]) is WorkerDiedError
        assert all(is_block(number, data) for number, data in enumerate(seen) if number != 3)
        assert executor.run([Task(own_pid), Task(abs, -1)])[1] == 1
