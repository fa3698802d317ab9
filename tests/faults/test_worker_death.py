"""Law L12: a call that kills its worker fails alone, and the executor stays usable.

Workers die here in every way: by their own call, at any point of it, from outside while they are
idle or busy, while an argument is written to them or a result is read, and before they are ready.
"""

import ctypes
import faulthandler
import os
import signal
import struct
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laws.oracle import outcomes
from rig.executors import Bench, benches
from rig.waiting import eventually
from taskpar import InitializerError, Task, TaskTimeoutError, Worker, WorkerDiedError
from taskpar._system.channel import WorkerEnd
from taskpar.backends.link import GRACE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills by signals")

WITHIN = 30.0  # seconds: a bound, not a measure
READY_WITHIN = 15.0  # seconds in which a failing start-up must be known, on a busy machine
BIG = 50 * 1024 * 1024


def killed():
    """Die by a signal that nobody can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


def exited():
    """Leave without a word."""
    os._exit(7)


def crashed():
    """Die as code in C does, without the report that pytest would have."""
    faulthandler.disable()
    ctypes.string_at(0)


DEATHS = {"killed": killed, "exited": exited, "crashed": crashed}
CODES = {"killed": -signal.SIGKILL, "exited": 7, "crashed": -signal.SIGSEGV}
SIGNALS = {"killed": "SIGKILL", "exited": None, "crashed": "SIGSEGV"}


def die_at(positions, how, number):
    """Kill the worker at some numbers; return ten times the others."""
    if number in positions:
        DEATHS[how]()
    return 10 * number


def checked(executor, positions, how="killed", count=12, **sizes):
    """Map over a function that dies at some positions; check every outcome."""
    results = executor.map(partial(die_at, positions, how), range(count), **sizes)
    seen = outcomes(results, count + 1)
    for number, outcome in enumerate(seen[:-1]):
        if number in positions:
            kind, told = outcome
            assert (kind, told[0]) == ("error", WorkerDiedError)
            assert told[2]["index"] == number
        else:
            assert outcome[2] == 10 * number
    assert seen[-1][0] == "end"


# All executors that have workers, under every start method. They share what starts processes, so
# that the quick profile leaves some pairs out.
QUICK = [*benches(("queue",)), Bench("process", 2, "fork"), Bench("pool", 2, "forkserver")]


STAYING = ("queue", "pool")  # those whose workers wait for more


def all_of(*kinds):
    """The benches of these kinds, as parameters."""
    return [
        pytest.param(bench, marks=() if bench in QUICK else pytest.mark.slow)
        for bench in benches(kinds)
    ]


@pytest.fixture(params=all_of("queue", "process", "pool"), ids=str)
def bench(request):
    """All of them, under every start method."""
    return request.param


@pytest.fixture(params=["queue", "process", "pool"])
def each(request):
    """All of them, as they start by default."""
    return Bench(request.param)


@pytest.fixture(params=["queue", "process"])
def either(request):
    """Both that take a class of the user's for their workers, as they start by default."""
    return Bench(request.param)


# ------------------------------------------------------------------------------ by their own call
@pytest.mark.parametrize("how", DEATHS)
def test_a_call_that_kills_its_worker_fails_alone(bench, how):
    """All other results arrive in order, and the executor can be used as before."""
    with bench.make() as executor:
        checked(executor, {3}, how, count=8)
        checked(executor, {3}, how, count=5, chunksize=4)
        assert list(executor.map(abs, range(-2, 2))) == [2, 1, 0, 1]


@pytest.mark.parametrize("how", DEATHS)
def test_the_error_tells_which_call_it_was_and_how_the_worker_died(each, how):
    """Which call with what, the signal or the exit code, and whose worker it was."""
    with each.make() as executor:
        executor.submit(abs, 1).result()
        error = executor.submit(die_at, {3}, how, 3).exception(WITHIN)
        assert type(error) is WorkerDiedError
        assert (error.index, error.name, error.attempt) == (1, "die_at", 1)
        assert error.input == f"die_at({{3}}, {how!r}, 3)"
        assert (error.exitcode, error.signal) == (CODES[how], SIGNALS[how])
        assert error.pid not in (None, os.getpid())
        assert str(error).startswith("call 1: its worker ")
        assert (SIGNALS[how] or f"exit code {CODES[how]}") in str(error)


def start_and_die(folder, number):
    """Note the start; for 2, run for longer than a slice of time, and die."""
    with (folder / "started").open("a") as file:
        file.write(str(number))
    if number == 2:
        time.sleep(0.3)
        killed()
    return number


def test_a_long_call_that_kills_its_worker_is_blamed_and_nothing_runs_twice(each, tmp_path):
    """Those before it were handed over while it ran; none of them is started again (L13)."""
    with each.make() as executor:
        seen = outcomes(executor.map(partial(start_and_die, tmp_path), range(4), chunksize=4), 4)
        assert [outcome[0] for outcome in seen] == ["value", "value", "error", "value"]
        assert sorted((tmp_path / "started").read_text()) == list("0123")


@pytest.mark.parametrize("kind", STAYING)
@given(positions=st.sets(st.integers(0, 15)), chunksize=st.sampled_from([None, 1, 3, 16]))
@settings(max_examples=6)
def test_any_number_of_calls_may_kill_their_workers(kind, positions, chunksize):
    """The first, the last, neighbours, all of them: each is its own outcome."""
    with Bench(kind).make() as executor:
        checked(executor, positions, count=16, chunksize=chunksize)


def test_deaths_in_a_lazily_read_input_do_not_stop_it(each):
    """It is read on, in the same steps."""
    with each.make() as executor:
        results = executor.map(partial(die_at, {2, 3, 9}, "exited"), iter(range(12)), buffersize=3)
        kinds = [outcome[0] for outcome in outcomes(results, 12)]
    assert [number for number, kind in enumerate(kinds) if kind == "error"] == [2, 3, 9]


def test_a_run_of_tasks_raises_the_first_death(each):
    """As it raises any other error."""
    with each.make() as executor:
        with pytest.raises(WorkerDiedError) as raised:
            executor.run([Task(abs, -1), Task(killed), Task(abs, -2)])
        assert raised.value.index == 1
        assert executor.run([Task(abs, -1)]) == [1]


class KillsWhenPickled:
    """A result that kills the worker on its way home."""

    def __reduce__(self):
        os._exit(7)


class KillsWhenUnpickled:
    """An argument, or a function, that kills the worker when it arrives."""

    __taskpar_stable__ = True

    def __reduce__(self):
        return exited, ()

    def __call__(self, argument):
        """Never get here."""
        return argument


def result_that_kills(number):
    """Return something deadly for 3."""
    return KillsWhenPickled() if number == 3 else [number]


def is_harmless(argument):
    """Return whether it is a number."""
    return isinstance(argument, int)


def test_a_result_that_kills_its_worker_is_its_own_calls_fault(each):
    """Not that of the call that ran last."""
    with each.make() as executor:
        seen = outcomes(executor.map(result_that_kills, range(6), chunksize=6), 6)
        assert [outcome[0] for outcome in seen] == ["value"] * 3 + ["error"] + ["value"] * 2
        assert seen[3][1][0] is WorkerDiedError
        assert list(executor.map(abs, [-1])) == [1]


def test_an_argument_that_kills_its_worker_is_its_own_calls_fault(each):
    """The calls beside it get theirs."""
    with each.make() as executor:
        arguments = [1, KillsWhenUnpickled(), 2]
        seen = outcomes(executor.map(is_harmless, arguments, chunksize=3), 3)
        assert [outcome[0] for outcome in seen] == ["value", "error", "value"]
        assert seen[1][1][2]["index"] == 1


def test_a_function_that_kills_its_worker_when_it_arrives_fails_each_call(each):
    """And not the executor, however many calls there are."""
    with each.make() as executor:
        seen = outcomes(executor.map(KillsWhenUnpickled(), range(9), chunksize=4), 9)
        assert [outcome[1][0] for outcome in seen] == [WorkerDiedError] * 9
        assert [outcome[1][2]["index"] for outcome in seen] == list(range(9))
        assert list(executor.map(abs, [-1])) == [1]


# ------------------------------------------------------------------------------ from outside
def take_one(gate):
    """Wait at the gate for a byte of one's own."""
    with gate.open("rb", buffering=0) as file:
        return file.read(1)


def with_all_workers(executor, count):
    """Start all workers, each while those before it are busy, and return their processes."""
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder, "gate")
        os.mkfifo(gate)
        opened = os.open(gate, os.O_RDWR)
        futures = [executor.submit(take_one, gate) for _ in range(count)]
        os.write(opened, b"x" * count)
        for future in futures:
            assert future.result(WITHIN) == b"x"
        os.close(opened)
    pids = [worker.pid for worker in executor.workers()]
    assert len(pids) >= count  # and those that are about to leave
    return pids


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


def wait_to_be_killed(folder, number):
    """Tell who this is, and stay."""
    if number == 4:
        (folder / "tmp").write_text(str(os.getpid()))
        (folder / "tmp").rename(folder / "pid")
        time.sleep(WITHIN)
    return number


def test_a_busy_worker_that_is_killed_fails_the_call_that_it_ran(each, tmp_path):
    """Not the others of its batch."""
    with each.make() as executor:
        results = executor.map(partial(wait_to_be_killed, tmp_path), range(8), chunksize=8)
        assert eventually((tmp_path / "pid").exists, WITHIN)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        kinds = [outcome[0] for outcome in outcomes(results, 8)]
        assert kinds == ["value"] * 4 + ["error"] + ["value"] * 3


# ------------------------------------------------------------------------------ by us
def ends_in_spite_of_all(seconds):
    """Do not end when asked to."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    time.sleep(seconds)
    return seconds


def test_a_worker_that_is_being_stopped_gets_no_other_call(each):
    """Its call ended between the two signals; the next one must not get the second of them."""
    with Bench(each.kind, 1).make() as executor:
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


# ------------------------------------------------------------------------------ on the wire
def is_first(path):
    """Whether nobody has been here yet."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def first_one_hangs(folder):
    """As an initializer: the first worker is never ready, and tells who it is."""
    if not is_first(folder / "first"):
        return
    (folder / "tmp").write_text(str(os.getpid()))
    (folder / "tmp").rename(folder / "pid")
    time.sleep(WITHIN)


def test_a_worker_may_die_while_a_big_argument_is_written_to_it(bench, tmp_path):
    """No call was started, so another worker gets it, and the writer does not wait for ever."""
    with (
        ThreadPoolExecutor(1) as aside,
        bench.make(initializer=first_one_hangs, initargs=(tmp_path,)) as executor,
    ):
        submitting = aside.submit(executor.submit, len, bytes(BIG))
        assert eventually((tmp_path / "pid").exists, WITHIN)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert submitting.result(WITHIN).result(WITHIN) == BIG
        assert executor.submit(abs, -1).result(WITHIN) == 1


class CutOff(Worker):
    """Dies in the middle of its first big message, if no other has."""

    def setup(self):
        """Get between the worker and its channel; this is another process than that of the test."""
        whole = WorkerEnd.write

        def write(end, message):
            if len(message) > BIG and is_first(FOLDER[0] / "cut off"):
                half = memoryview(struct.pack("!Q", len(message)) + message)[: BIG // 2]
                while half:
                    half = half[os.write(end._writer.fileno(), half) :]
                killed()
            whole(end, message)

        WorkerEnd.write = write


FOLDER = []  # in a worker: where the test looks


def blob(folder, size):
    """Make a big result, and note that it was made."""
    FOLDER.append(folder)
    with (folder / "made").open("a") as file:
        file.write("x")
    return bytes(size + 1)


@pytest.mark.parametrize("bench", all_of("queue", "process"), ids=str)
def test_a_worker_may_die_while_it_sends_a_big_result(bench, tmp_path):
    """What had not arrived whole is not there: the call is made again, elsewhere."""
    with bench.make(worker_class=CutOff) as executor:
        assert len(executor.submit(blob, tmp_path, BIG).result(WITHIN)) == BIG + 1
        assert (tmp_path / "cut off").exists()
        assert (tmp_path / "made").read_text() == "xx"
        assert executor.submit(abs, -1).result(WITHIN) == 1


# ------------------------------------------------------------------------------ at the start
def refuse(error):
    """As an initializer: raise."""
    raise error


ERRORS = [ValueError("no", 1), SystemExit(3), KeyboardInterrupt("stop")]
STARTING = all_of("queue", "process", "pool")


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("bench", STARTING, ids=str)
def test_an_initializer_that_raises_breaks_the_executor_soon(bench, error):
    """Every call fails with the reason, and no more are taken."""
    began = time.monotonic()
    with bench.make(initializer=refuse, initargs=(error,)) as executor:
        results = executor.map(abs, range(5))
        broken = [outcome_of_next(results) for _ in range(5)]
        assert time.monotonic() - began < READY_WITHIN
        for refused in (executor.submit, executor.map):
            with pytest.raises(InitializerError) as raised:
                refused(abs, [1])
            broken.append(raised.value)
    for each in broken:
        assert type(each) is InitializerError
        assert (type(each.__cause__), each.__cause__.args) == (type(error), error.args)


def outcome_of_next(results):
    """The error of the next result."""
    try:
        next(results)
    except BaseException as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize("bench", STARTING, ids=str)
def test_a_submitted_call_hears_of_a_failing_initializer(bench):
    """Its future has the error, or it is refused at once."""
    with bench.make(initializer=refuse, initargs=(ValueError("no"),)) as executor:
        try:
            error = executor.submit(abs, 1).exception(READY_WITHIN)
        except InitializerError as at_once:
            error = at_once
        assert type(error) is InitializerError
        assert error.__cause__.args == ("no",)


class Unready(Worker):
    """A worker that cannot be set up."""

    def setup(self):
        """Fail."""
        raise OSError(28, "no space left")


def test_a_setup_that_raises_is_told_like_an_initializer(either):
    """It is the same moment of a worker's life."""
    with either.make(worker_class=Unready) as executor:
        error = outcome_of_next(executor.map(abs, [1]))
        assert type(error) is InitializerError
        assert error.__cause__.args == (28, "no space left")


@pytest.mark.parametrize("how", DEATHS)
def test_an_initializer_that_kills_every_worker_breaks_the_executor(each, how):
    """There is no error to tell of, but there is an end."""
    with each.make(initializer=DEATHS[how]) as executor:
        error = outcome_of_next(executor.map(abs, range(4)))
        assert type(error) is InitializerError
        with pytest.raises(InitializerError):
            executor.submit(abs, 1)


# ------------------------------------------------------------------------------ no death at all
def leave(number):
    """Raise what ends programs, for some numbers."""
    if number == 1:
        sys.exit("leaving")
    if number == 2:
        raise KeyboardInterrupt(number)
    if number == 3:
        raise GeneratorExit(number)
    return os.getpid()


@pytest.mark.parametrize("kind", ["serial", "thread", "process", "pool", "queue"])
def test_what_ends_programs_elsewhere_is_only_the_calls_error_here(kind):
    """``sys.exit`` and Ctrl-C raised by a task are its outcome, and the worker lives on."""
    with Bench(kind, 1).make() as executor:
        seen = outcomes(executor.map(leave, range(5)), 5)
        errors = [(SystemExit, ("leaving",)), (KeyboardInterrupt, (2,)), (GeneratorExit, (3,))]
        assert [outcome[1][:2] for outcome in seen[1:4]] == errors
        assert kind == "process" or seen[0] == seen[4]
        futures = [executor.submit(leave, number) for number in range(1, 4)]
        raised = [future.exception(WITHIN) for future in futures]
        assert [(type(error), error.args) for error in raised] == errors
