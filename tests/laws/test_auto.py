"""`AutoExecutor`: calls run here until workers pay, each once, and it tells why."""

import os
import threading
import time
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest

from rig.scripts import run_script
from taskpar import (
    AutoExecutor,
    ExecutorClosedError,
    SharedCounter,
    TaskTimeoutError,
    Worker,
    WorkerDiedError,
    current_worker,
    parallel,
    record_of,
    use,
)
from taskpar import ambient as default
from taskpar._engine import choosing
from taskpar._engine.backend import Report
from taskpar.backends.queue import QueueBackend

HERE = os.getpid()


@pytest.fixture
def no_call_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is not taken for a long one because the machine is busy."""
    monkeypatch.setattr(choosing, "LONG_SECONDS", 60.0)


def where(_: object) -> int:
    """Tell which process runs this."""
    return os.getpid()


def work(seconds: float, _: object = None) -> int:
    """Work for a while, whatever else the machine does, and tell where."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return os.getpid()


def test_what_is_quick_runs_here(no_call_is_long: None) -> None:
    """No worker is started for it, and the report says why."""
    with AutoExecutor(2) as executor:
        results = executor.map(abs, range(-100_000, 0))
        assert results.report == "no call was run yet"
        assert list(results) == list(range(100_000, 0, -1))
        assert results.report.startswith("all calls ran here: one takes ")
        assert results.report.endswith(", 0 left")
        assert set(executor.map(where, range(1000))) == {HERE}
        assert executor.workers() == ()


def test_what_is_slow_goes_to_workers_and_begins_here(no_call_is_long: None) -> None:
    """They are started beside; what they run is what was left."""
    with AutoExecutor(2) as executor:
        results = executor.map(partial(work, 0.005), range(400))
        ran = list(results)
        assert ran[0] == HERE
        assert ran[-1] != HERE
        assert HERE not in ran[ran.index(ran[-1]) :]
        begin = ran.count(HERE)
        assert results.report.startswith(f"calls from {begin} on went to 2 workers: one takes ")
        again = executor.map(partial(work, 0.005), range(100))
        assert list(again).count(HERE) < 50, "they are there by now"


def begun_by(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list[str]:
    """Note which threads begin a backend; with an error, it cannot be begun."""
    threads: list[str] = []
    begin = QueueBackend.start

    def noted(self: QueueBackend, report: Report) -> None:
        threads.append(threading.current_thread().name)
        if error is not None:
            raise error
        begin(self, report)

    monkeypatch.setattr(QueueBackend, "start", noted)
    return threads


def test_the_backend_is_begun_by_who_reads(
    no_call_is_long: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in a thread beside calls that keep the interpreter to themselves."""
    threads = begun_by(monkeypatch)
    with AutoExecutor(2) as executor:
        assert set(executor.map(partial(work, 0.005), range(400))) > {HERE}
    assert threads == [threading.current_thread().name]


def test_where_no_worker_can_be_started_all_calls_run_here(
    no_call_is_long: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, and nothing is printed or raised."""
    begun = begun_by(monkeypatch, OSError(24, "Too many open files"))
    counter = SharedCounter()
    with AutoExecutor(2) as executor:
        times = [0.001] * 600
        assert list(executor.map(partial(counted, counter), times)) == times
        assert executor.workers() == ()
    assert len(begun) == 2, "by who starts workers, and by who hands over"
    assert counter.value == len(times)


def test_a_long_call_does_not_hold_up_those_behind_it() -> None:
    """It runs here; the others run at the same time, elsewhere."""
    with AutoExecutor(2) as executor:
        results = executor.map(work, [0.5] * 3)
        ran = list(results)
        assert ran[0] == HERE
        assert HERE not in ran[1:]
        assert results.report == "calls from 1 on went to 2 workers: the first one takes long"


def counted(counter: SharedCounter, seconds: float) -> float:
    """Count the call, and take a while."""
    counter.add()
    time.sleep(seconds)
    return seconds


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.03])
def test_each_call_is_run_once(seconds: float) -> None:
    """Here, there, or around the time at which the rest is handed over."""
    counter = SharedCounter()
    with AutoExecutor(2) as executor:
        times = [seconds] * (30 if seconds else 3000)
        assert list(executor.map(partial(counted, counter), times)) == times
        assert counter.value == len(times)
        results = executor.map(partial(counted, counter), iter(times))
        assert list(islice(results, 5)) == times[:5]
        results.close()
    assert counter.value <= 2 * len(times)


def test_what_nobody_reads_is_run_by_the_end_of_the_with() -> None:
    """Also what was begun to be read, and what nobody holds any more."""
    counter = SharedCounter()
    with AutoExecutor(2) as executor:
        executor.map(partial(counted, counter), [0.0] * 10)
        kept = executor.map(partial(counted, counter), [0.0] * 10)
        begun = executor.map(partial(counted, counter), [0.0] * 10)
        assert next(begun) == 0.0
    assert counter.value == 30
    assert list(kept) == [0.0] * 10
    assert list(begun) == [0.0] * 9


def test_an_endless_input_that_is_quick_stays_here(no_call_is_long: None) -> None:
    """It is read no further than the bound, and after the shutdown no more."""
    executor = AutoExecutor(2)
    results = executor.map(where, count())
    assert set(islice(results, 3000)) == {HERE}
    executor.shutdown()
    with pytest.raises(ExecutorClosedError):
        list(results)
    with pytest.raises(ExecutorClosedError):
        executor.map(where, [1])


def test_one_worker_is_none() -> None:
    """All runs here, however slow."""
    with AutoExecutor(1) as executor:
        assert set(executor.map(partial(work, 0.03), range(10))) == {HERE}


def test_what_cannot_be_pickled_runs_here(no_call_is_long: None) -> None:
    """As it does in a serial program."""
    lock = threading.Lock()
    with AutoExecutor(2) as executor:
        results = executor.map(lambda _: (work(0.005), lock)[1], range(80))
        assert list(results) == [lock] * 80
        assert "cannot be pickled" in results.report


def fail(number: int) -> int:
    """Raise for odd numbers."""
    if number % 2:
        raise ValueError(number)
    return number


def test_errors_tell_where_they_come_from(no_call_is_long: None) -> None:
    """Index, process, attempt, as everywhere; retries are made here, too."""
    with AutoExecutor(2) as executor:
        results = executor.options(retries=2).map(fail, range(4))
        assert next(results) == 0
        with pytest.raises(ValueError, match="1") as raised:
            next(results)
        record = record_of(raised.value)
        assert record is not None
        assert (record.index, record.pid, record.attempt) == (1, HERE, 3)
        assert next(results) == 2
        frames = [entry.path.name for entry in raised.traceback]
        assert not {"choosing.py", "here.py"} & set(frames)
        trying = executor.options(on_error="return")
        assert [type(each) for each in trying.map(fail, range(4))] == [int, ValueError] * 2


def fail_or_count(counter: SharedCounter, number: int) -> int:
    """Raise for the second one."""
    counter.add()
    return fail(number)


@pytest.mark.parametrize("retries", [None, 1])
def test_an_error_that_ends_a_loop_lets_the_rest_go(retries: int | None) -> None:
    """Nothing keeps the results alive, so calls behind it are not run at the end."""
    counter = SharedCounter()
    with AutoExecutor(2) as executor:
        trying = executor.options(retries=retries)
        with pytest.raises(ValueError, match="1"):
            list(trying.map(partial(fail_or_count, counter), range(50)))
    assert counter.value <= 3


def die(_: object) -> None:
    """End the worker."""
    os._exit(3)


def test_what_needs_a_worker_has_one() -> None:
    """A time limit, a call of its own, a worker's state; and `submit`, which does not wait."""
    with AutoExecutor(2) as executor:
        with pytest.raises(TaskTimeoutError):
            next(executor.options(time_limit=0.2).map(time.sleep, [10]))
        with pytest.raises(WorkerDiedError):
            executor.submit(die, 0).result()
        assert executor.submit(where, 0).result() != HERE
    with AutoExecutor(2, initializer=abs, initargs=(-1,)) as executor:
        results = executor.map(where, range(3))
        assert HERE not in set(results)
        assert results.report == "all calls go to 2 workers"
    with AutoExecutor(2, worker_class=Worker) as executor:
        assert None not in set(executor.map(in_worker, range(3)))


def in_worker(_: object) -> str | None:
    """Name the worker."""
    worker = current_worker()
    return None if worker is None else worker.name


def test_functions_can_ask_for_it(no_call_is_long: None) -> None:
    """Where neither the program nor the environment says anything else."""
    asking = parallel(executor="auto")(where)
    assert set(asking.map(range(100))) == {HERE}
    default._defaults["auto"].get().shutdown()
    with AutoExecutor(2, worker_class=Worker) as executor, use(executor):
        assert HERE not in set(asking.map(range(100)))
    with pytest.raises(ValueError, match=r"executor must be one of serial, .*, auto, "):
        parallel(executor="fast")
    with AutoExecutor(2) as executor, pytest.raises(TypeError, match="executor is an option of"):
        executor.options(executor="auto")


def test_the_environment_can_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are never started by a program that is quick."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", "auto:2")
    script = """
from taskpar import parallel
from taskpar._engine import choosing
choosing.LONG_SECONDS = 60.0
@parallel
def double(x):
    return 2 * x
results = double.map(range(1000))
assert list(results) == [2 * x for x in range(1000)]
print(results.report.split(":")[0])
"""
    done = run_script(script, tmp_path)
    assert (done.stdout, done.stderr) == ("all calls ran here\n", "")
