"""In front of an executor that is not ours: what it lacks is said, and what it loses is told."""

import multiprocessing
import pickle
import subprocess
import sys
import threading
import time
from concurrent import futures
from functools import partial

import pytest
from deeds import here, killed, noted

from laws.oracle import outcomes
from rig.executors import START_METHODS
from rig.scripts import run_script
from rig.waiting import eventually
from taskpar import (
    CapabilityError,
    FuturesExecutor,
    InitializerError,
    QueueExecutor,
    WorkerDiedError,
    available_cpus,
    record_of,
)

WITHIN = 30.0
FORK = multiprocessing.get_context(START_METHODS[0])  # the quickest


def processes(workers=2):
    """The standard library's."""
    return futures.ProcessPoolExecutor(workers, FORK)


# ------------------------------------------------------------------------------ the other side
def test_what_stands_behind_it_is_not_shut_down():
    """It was there before, and is there afterwards, also after an error."""
    with processes() as lent:
        with FuturesExecutor(lent) as executor:
            assert list(executor.map(abs, [-1, -2])) == [1, 2]
        with pytest.raises(ZeroDivisionError), FuturesExecutor(lent):
            raise ZeroDivisionError
        assert lent.submit(abs, -3).result() == 3


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (3, "executor must be a concurrent.futures.Executor, not 3"),
        (futures.ThreadPoolExecutor, "executor must be a concurrent.futures.Executor, not <class"),
        (QueueExecutor(1), "executor is one of taskpar's: use it as it is"),
    ],
)
def test_what_is_no_executor_or_one_of_ours_is_refused(wrong, words):
    """At once, and by name."""
    with pytest.raises(TypeError, match=words):
        FuturesExecutor(wrong)


def test_what_it_cannot_do_it_refuses():
    """Nobody else's worker can be stopped within a call."""
    with futures.ThreadPoolExecutor(1) as lent, FuturesExecutor(lent) as executor:
        for option in ({"time_limit": 1.0}, {"cancel_running": True}):
            with pytest.raises(CapabilityError, match="which FuturesExecutor has not"):
                executor.options(**option)


class Plain(futures.Executor):
    """An executor that tells nothing of itself; what is submitted it runs when told to."""

    def __init__(self):
        self.row = []

    def submit(self, fn, /, *args, **kwargs):
        """Keep a call."""
        future = futures.Future()
        self.row.append((future, partial(fn, *args, **kwargs)))
        return future

    def run(self):
        """Run what waits, and what comes of that."""
        while self.row:
            future, call = self.row.pop(0)
            if future.set_running_or_notify_cancel():
                future.set_result(call())


class Numbered(Plain):
    """One that tells how many workers it has."""

    num_workers = 3


def test_as_many_batches_are_out_as_there_are_workers():
    """As it says, as the user says, or as there are processors."""
    with futures.ThreadPoolExecutor(5) as five, processes(3) as three:
        slots = [FuturesExecutor(lent)._core.engine.backend.slots for lent in (five, three)]
        assert slots == [5, 3]
        assert FuturesExecutor(five, 2)._core.engine.backend.slots == 2
    assert FuturesExecutor(Numbered())._core.engine.backend.slots == 3
    assert FuturesExecutor(Plain())._core.engine.backend.slots == available_cpus()
    lent = Numbered()
    with FuturesExecutor(lent) as executor:
        results = executor.map(abs, range(-10, 0))
        assert len(lent.row) == 3
        lent.run()
        assert list(results) == [*range(10, 0, -1)]


def test_whoever_shuts_it_down_beside_us_has_broken_it():
    """Calls that come later are told so, and nothing hangs."""
    with futures.ThreadPoolExecutor(1) as lent:
        executor = FuturesExecutor(lent)
        assert executor.submit(abs, -1).result(WITHIN) == 1
    assert type(executor.submit(abs, -1).exception(WITHIN)) is InitializerError
    with pytest.raises(InitializerError, match="broken") as caught:
        executor.submit(abs, -1)
    assert "after shutdown" in str(caught.value.__cause__)


def test_a_batch_that_somebody_cancels_there_is_sent_again():
    """It had not begun."""
    lent = Numbered()
    with FuturesExecutor(lent) as executor:
        future = executor.submit(abs, -1)
        assert lent.row[0][0].cancel()
        assert len(lent.row) == 2
        lent.run()
        assert future.result(WITHIN) == 1


class Counting(futures.ProcessPoolExecutor):
    """The standard library's processes, and how many bytes each call of them has."""

    sizes: list[int]

    def submit(self, fn, /, *args, **kwargs):
        """Count them."""
        self.sizes.append(len(pickle.dumps(args)))
        return super().submit(fn, *args, **kwargs)


def test_a_constant_crosses_once_for_a_worker():
    """Bytes, counted: the first batch is sent again with it; no other has it."""
    with Counting(1, FORK) as lent, FuturesExecutor(lent) as executor:
        lent.sizes = []
        much = partial(within, bytes(2**20))
        assert list(executor.map(much, range(50), chunksize=5)) == list(range(50))
    assert [size > 2**20 for size in lent.sizes] == [False, True, *[False] * 9]
    assert sum(lent.sizes) < 2**20 + 20_000


def within(data, number):
    """Return the number, if there are so many bytes."""
    return number if number < len(data) else None


# ------------------------------------------------------------------------------------- deaths
def here_or_die(log, number):
    """Note that it runs; die, if it is call 5, as soon as others are home."""
    here(log, number)
    time.sleep(0.02)
    if number == 5:
        killed()
    return number


def test_when_the_pool_breaks_what_is_home_stays_and_what_is_out_is_told(tmp_path):
    """The standard library's pool breaks with any worker; no call is run twice for that."""
    log = tmp_path / "log"
    with processes() as lent, FuturesExecutor(lent) as executor:
        results = executor.map(partial(here_or_die, log), range(40), chunksize=1)
        seen = outcomes(results, 41)
        values = [outcome[2] for outcome in seen if outcome[0] == "value"]
        errors = [outcome[1][0] for outcome in seen if outcome[0] == "error"]
        assert {0, 1, 2, 3} <= set(values) <= {0, 1, 2, 3, 4, 6, 7}  # one was out beside call 5
        assert values == sorted(values)
        assert seen[5][1][0] is WorkerDiedError
        assert 1 <= errors.count(WorkerDiedError) <= 2
        assert errors.count(InitializerError) == 40 - len(values) - errors.count(WorkerDiedError)
        with pytest.raises(InitializerError, match="the executor is broken") as caught:
            executor.submit(abs, 1)
        assert isinstance(caught.value.__cause__, futures.BrokenExecutor)
    assert sorted(noted(log)) == sorted(set(noted(log)))


def test_the_error_of_a_call_that_was_out_says_what_is_known():
    """Which call it is, and that it may have been another one."""
    with processes(1) as lent, FuturesExecutor(lent) as executor:
        error = executor.submit(killed).exception(WITHIN)
        assert type(error) is WorkerDiedError
        words = "call 0: it may have been running when its executor raised BrokenProcessPool: "
        assert str(error).startswith(words)
        record = record_of(error)
        assert (record.index, record.name, record.input) == (0, "killed", "killed()")


class Forgetful(Plain):
    """An engine that loses one batch after having run it, as when a machine is gone."""

    lost = 0

    def run(self):
        """Run what waits; the outcome of the second is lost."""
        while self.row:
            future, call = self.row.pop(0)
            result = call()
            self.lost += 1
            if self.lost == 2:
                future.set_exception(ConnectionError("the machine is gone"))
            else:
                future.set_result(result)


def test_where_an_engine_loses_a_batch_no_call_of_it_is_run_again(tmp_path):
    """Each may have run: they fail, each alone, and all others arrive (laws L12 and L13)."""
    log, lent = tmp_path / "log", Forgetful()
    with FuturesExecutor(lent, 1) as executor:
        results = executor.map(partial(here, log), range(9), chunksize=3)
        lent.run()
        seen = outcomes(results, 3)
        lent.run()  # what is behind an error starts when it has been seen
        seen += outcomes(results, 3)
        lent.run()
        seen += outcomes(results, 4)
        assert [outcome[0] for outcome in seen] == [
            *["value"] * 3,
            *["error"] * 3,
            *["value"] * 3,
            "end",
        ]
        assert {outcome[1][0] for outcome in seen[3:6]} == {WorkerDiedError}
        assert executor.submit(abs, -1).cancel() or True
        lent.run()
    assert noted(log) == list(range(9))


def test_where_an_engine_loses_a_batch_its_calls_are_tried_again_if_that_is_asked_for(tmp_path):
    """As after any death."""
    log, lent = tmp_path / "log", Forgetful()
    with FuturesExecutor(lent, 1) as executor:
        trying = executor.options(retries=1, retry_on=WorkerDiedError)
        results = trying.map(partial(here, log), range(6), chunksize=3)
        pump = threading.Thread(target=keep_running, args=(lent, results))
        pump.start()
        assert list(results) == list(range(6))
        pump.join()
    assert sorted(noted(log)) == [0, 1, 2, 3, 3, 4, 4, 5, 5]


def keep_running(lent, results):
    """Run whatever comes until all is home."""
    assert eventually(lambda: lent.run() or results.stats().calls == 6, WITHIN)


# ------------------------------------------------------------------------------- whole programs
PROGRAM = """
    from concurrent.futures import ProcessPoolExecutor
    from taskpar import FuturesExecutor, parallel

    class Point:
        def __init__(self, x):
            self.x = x

    @parallel
    def twice(number):
        return 2 * number

    def move(point):
        return Point(point.x + sum(twice.map([1, 2])))

    if __name__ == "__main__":
        with ProcessPoolExecutor(2) as lent, FuturesExecutor(lent) as executor:
            points = list(executor.map(move, [Point(1), Point(2)]))
            print([type(point) is Point and point.x for point in points])
"""


@pytest.mark.parametrize("how", ["-c", "file"])
def test_functions_and_classes_of_the_program_itself_go_there_and_back(tmp_path, how):
    """Also where the worker cannot import the program."""
    done = run_script(PROGRAM, tmp_path, how)
    assert (done.stdout, done.stderr) == ("[7, 8]\n", "")


def test_it_costs_an_import_of_taskpar_nothing():
    """What stands before engines is imported when it is used."""
    code = "import sys, taskpar; sys.exit('taskpar.engines' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
