"""Law L10: a `SharedCounter` is exact, whatever the order of events, and whoever is killed."""

import copy
import gc
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskpar._model import counter as module
from taskpar._model.counter import SharedCounter

METHODS = multiprocessing.get_all_start_methods()
PATIENCE = 30  # seconds until a process or a thread of these tests counts as hanging
LARGEST = 2**63 - 1

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork or signals")
amounts = st.integers(-(2**40), 2**40)


@pytest.fixture(params=["memory", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Counters on files in memory, and on files with a name."""
    if request.param == "named":
        monkeypatch.setenv("TASKPAR_NO_MEMFD", "1")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return request.param


@contextmanager
def talking(target: Callable[..., None], *args: Any, method: str | None = None) -> Iterator[Any]:
    """A process and the pipe to it; it has to end by itself, and well, unless it is killed."""
    context: Any = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *args))
    process.start()
    theirs.close()
    try:
        yield process, ours
        with suppress(BrokenPipeError):
            ours.send(None)  # a forked child has our end too: closing it would tell nothing
        process.join(PATIENCE)
        assert process.exitcode in (0, -getattr(signal, "SIGKILL", 0))
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()


def receive(pipe: Connection) -> Any:
    """Wait for the next message, for a bounded time."""
    assert pipe.poll(PATIENCE), "no answer"
    return pipe.recv()


def forked(work: Callable[[], object]) -> int:
    """Do some work in a forked child; return its process id."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(PATIENCE)
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def ended_well(*children: int) -> bool:
    """Wait for forked children; tell whether all had the status 0."""
    return all(os.waitpid(child, 0)[1] == 0 for child in children)


def in_threads(*works: Callable[[], object]) -> None:
    """Do all of it at once, each in a thread; an error in one of them is pytest's to report."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def slots(counter: SharedCounter) -> int:
    """How many slots of a counter have ever had an owner."""
    return sum(counter._words[module._RECORD + module._CLAIMED :: module._RECORD])


def open_files() -> dict[str, str]:
    """This process's open descriptors, and where each leads to, without those of garbage."""
    gc.collect()
    found = {}
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else []:
        with suppress(FileNotFoundError):  # the one that listed them
            found[number] = str(Path(f"/proc/self/fd/{number}").readlink())
    return found


def add_all(counter: SharedCounter, numbers: list[int]) -> None:
    """Add some numbers, one after the other."""
    for number in numbers:
        counter.add(number)


def add_ones(counter: SharedCounter, times: int) -> None:
    """Add one, many times."""
    for _ in range(times):
        counter.add()


# ------------------------------------------------------------------- what runs in other processes
def serve(pipe: Connection, counter: SharedCounter | None = None) -> None:
    """Do with a counter what is asked for; one that is sent takes the place of the last."""
    while (word := pipe.recv()) is not None:
        if isinstance(word, SharedCounter):
            counter = word
        elif callable(word):
            word()
            pipe.send("done")
        else:
            name, *args = word
            pipe.send(counter.value if name == "value" else getattr(counter, name)(*args))


def asked(pipe: Connection, name: str, *args: int) -> Any:
    """Return the answer of a process that serves."""
    pipe.send((name, *args))
    return receive(pipe)


def add_in_threads(pipe: Connection, counter: SharedCounter, times: int) -> None:
    """Add from three threads at once."""
    in_threads(*[partial(add_ones, counter, times)] * 3)


def add_for_ever(pipe: Connection, counter: SharedCounter) -> None:
    """Report every hundredth add."""
    for number in count(1):
        counter.add()
        if number % 100 == 0:
            pipe.send(number)


def add_and_reset_for_ever(pipe: Connection, counter: SharedCounter) -> None:
    """Add one and reset, and again, until there is a word."""
    pipe.send("started")
    while not pipe.poll():
        counter.add()
        counter.reset()


def reset_in_threads(pipe: Connection | None, counters: list[SharedCounter]) -> None:
    """Reset each counter many times, in two threads each."""

    def work(counter: SharedCounter) -> None:
        for _ in range(3000):
            counter.reset()

    in_threads(*[partial(work, counter) for counter in counters * 2])


def make(pipe: Connection) -> None:
    """Make a counter, send it, and keep it until there is a word."""
    counter = SharedCounter(5)
    counter.add(2)
    pipe.send(counter)
    pipe.recv()


# ------------------------------------------------------------------------------------- one process
@given(
    st.integers(-9, 9),
    st.lists(amounts | st.sampled_from(["reset", "pickle", "copy", "fork"]), max_size=12),
)
def test_alone_it_is_an_int(start: int, steps: list[int | str]) -> None:
    """After any adds, resets and copies, the value is that of a plain integer."""
    counter, model = SharedCounter(start), start
    for step in steps:
        if step == "reset":
            assert counter.reset() == model
            model = 0
        elif step == "pickle":
            counter = pickle.loads(pickle.dumps(counter))
        elif step == "copy":
            counter = copy.deepcopy(counter)
        elif step == "fork":
            if hasattr(os, "fork"):
                assert ended_well(forked(partial(counter.add, 3)))
                model += 3
        else:
            counter.add(step)
            model += step
        assert counter.value == model


def test_it_shows_its_value() -> None:
    """As it would be written; `add` adds one if nothing is said."""
    counter = SharedCounter(7)
    counter.add()
    assert repr(counter) == "SharedCounter(8)"


def test_numpys_integers_count_in_full() -> None:
    """Added as they are, small ones would wrap around."""
    numpy = pytest.importorskip("numpy")
    counter = SharedCounter(numpy.int64(1))
    for _ in range(3):
        counter.add(numpy.int8(100))
        counter.add(True)
    assert counter.value == 304
    assert type(counter.value) is int


@pytest.mark.parametrize("wrong", [1.5, "1", None, [1]])
def test_only_integers_are_counted(wrong: Any) -> None:
    """The message names the argument."""
    counter = SharedCounter(3)
    with pytest.raises(TypeError, match=f"n must be an integer, not {type(wrong).__name__}"):
        counter.add(wrong)
    with pytest.raises(TypeError, match="start must be an integer, not"):
        SharedCounter(wrong)
    assert counter.value == 3


def test_more_than_64_bits_are_refused_and_nothing_is_lost() -> None:
    """At `add`, at the start, and at `reset`, which sees what all processes added."""
    counter = SharedCounter()
    counter.add(LARGEST)
    for n in (1, LARGEST, 2**64):
        with pytest.raises(OverflowError, match="does not fit in 64 bits; nothing was added"):
            counter.add(n)
        assert counter.value == LARGEST
    with pytest.raises(OverflowError, match="start must fit in 64 bits"):
        SharedCounter(2**64)
    counter.add(-LARGEST)
    assert counter.value == 0


@posix
def test_the_sum_of_many_processes_may_pass_64_bits() -> None:
    """The value is right all the same; `reset` refuses aloud and leaves it."""
    counter = SharedCounter()
    counter.add(LARGEST)
    assert ended_well(forked(partial(counter.add, LARGEST)))
    with talking(serve, counter, method="fork") as (_, pipe):
        asked(pipe, "add", -1)  # in its predecessor's slot
    assert counter.value == 2 * LARGEST - 1
    with pytest.raises(OverflowError, match="nothing was reset"):
        counter.reset()
    assert counter.value == 2 * LARGEST - 1


def test_a_process_has_one_object_for_a_counter() -> None:
    """However it came: two objects would fight for one slot."""
    counter = SharedCounter()
    assert pickle.loads(pickle.dumps(counter)) is counter
    assert copy.copy(counter) is copy.deepcopy(counter) is counter
    adder = pickle.loads(cloudpickle.dumps(lambda: counter.add(2)))
    adder()
    pickle.loads(pickle.dumps(partial(counter.add, 3)))()
    assert counter.value == 5


def test_counters_do_not_mix() -> None:
    """Each has its own total, and may be told apart."""
    counters = [SharedCounter(n) for n in range(5)]
    for counter in counters:
        counter.add(10)
    assert [counter.value for counter in counters] == [10, 11, 12, 13, 14]
    assert len(set(counters)) == 5


def test_it_is_marked_as_the_same_for_all_calls() -> None:
    """A worker may keep it between calls: what is written to it is meant for all."""
    assert SharedCounter.__taskpar_stable__ is True


# ----------------------------------------------------------------------------------------- threads
@settings(max_examples=20)
@given(st.lists(st.lists(amounts, max_size=30), min_size=1, max_size=4), st.integers(0, 20))
def test_threads_that_add_and_reset_lose_nothing(parts: list[list[int]], resets: int) -> None:
    """Law: what the resets took and what is left make up the total."""
    counter = SharedCounter()
    taken: list[int] = []

    def reset() -> None:
        taken.extend(counter.reset() for _ in range(resets))

    in_threads(*[partial(add_all, counter, part) for part in parts], reset, reset)
    assert sum(taken) + counter.value == sum(map(sum, parts))


@posix
def test_a_signal_handler_may_add() -> None:
    """It interrupts `add` itself, in the same thread, and neither waits nor loses anything."""
    counter, calls = SharedCounter(), count()
    handled = [0]

    def handler(number: int, frame: object) -> None:
        handled[0] = next(calls) + 1
        counter.add(1000)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
    try:
        times = 0
        while handled[0] < 300:
            counter.add()
            times += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert counter.value == times + 1000 * handled[0]


def test_an_add_within_an_add_of_the_same_thread_does_not_wait_for_itself() -> None:
    """As a signal handler, or a finalizer, may come at any point."""
    counter = SharedCounter()
    with counter._lock:
        counter.add()
    assert counter.value == 1


# --------------------------------------------------------------------------------------- processes
@pytest.mark.parametrize("method", METHODS)
def test_processes_and_threads_that_add_at_once_lose_nothing(kind: str, method: str) -> None:
    """Two processes of three threads each, and this one."""
    counter = SharedCounter(1)
    with (
        talking(add_in_threads, counter, 4000, method=method),
        talking(add_in_threads, counter, 4000, method=method),
    ):
        add_ones(counter, 4000)
    assert counter.value == 1 + 7 * 4000


@posix
@settings(max_examples=10)
@given(st.lists(st.lists(amounts, max_size=50), max_size=5))
def test_processes_that_come_and_go_lose_nothing(parts: list[list[int]]) -> None:
    """Law: the value is the sum of what all added, whoever had which slot."""
    counter = SharedCounter()
    children = [forked(partial(add_all, counter, part)) for part in parts]
    taken = counter.reset()
    assert ended_well(*children)
    assert taken + counter.value == sum(map(sum, parts))


@pytest.mark.parametrize("method", METHODS)
def test_it_may_be_sent_to_a_process_that_runs_already(kind: str, method: str) -> None:
    """As it is, in a partial, and in a closure; both sides read what the other adds, live."""
    with talking(serve, method=method) as (_, pipe):
        counter = SharedCounter(5)
        pipe.send(counter)
        asked(pipe, "add", 2)
        assert counter.value == 7
        counter.add(10)
        assert asked(pipe, "value") == 17
        pipe.send(partial(counter.add, 100))
        assert receive(pipe) == "done"
        pipe.send_bytes(cloudpickle.dumps(lambda: counter.add(1000)))
        assert receive(pipe) == "done"
        assert counter.value == 1117
        assert asked(pipe, "reset") == 1117
        assert counter.value == 0


def test_it_outlives_the_process_that_made_it() -> None:
    """As long as somebody has it, and passes it on."""
    with talking(make) as (_, pipe):
        counter = receive(pipe)
    counter.add()
    with talking(serve, counter) as (_, pipe):
        asked(pipe, "add", 10)
    assert counter.value == 18


@posix
def test_processes_after_each_other_use_the_same_slot(kind: str) -> None:
    """Slots are reused, so that any number of processes may count one after the other."""
    counter = SharedCounter()
    for _ in range(20):
        assert ended_well(forked(counter.add))
    assert (counter.value, slots(counter)) == (20, 1)


@posix
@pytest.mark.parametrize("method", METHODS)
def test_a_process_that_drops_the_counter_gives_its_slot_back(method: str) -> None:
    """It goes on with the next, and takes whatever slot is free when it gets the counter again."""
    with talking(serve, method=method) as (_, pipe):
        counter, other = SharedCounter(), SharedCounter()  # a forked child would never drop them
        for _ in range(5):
            for sent in (counter, other):
                pipe.send(sent)
                asked(pipe, "add", 1)
            assert ended_well(forked(partial(counter.add, 10)))
    assert (counter.value, slots(counter)) == (55, 1)


def test_a_process_that_has_a_slot_but_has_not_added_yet_hides_nobody() -> None:
    """Others, in the slots behind, are read all the same."""
    counter = SharedCounter()
    with talking(serve, counter) as (_, pipe):
        pipe.send(partial(counter._locks.try_lock, 0))
        assert receive(pipe) == "done"
        counter.add()
        assert (counter.value, slots(counter)) == (1, 2)


@posix
def test_a_forked_child_does_not_write_to_its_parents_slot() -> None:
    """Both go on adding at once; the grandchild has a slot of its own too."""
    counter = SharedCounter()
    counter.add()
    with talking(serve, counter, method="fork") as (_, pipe):
        asked(pipe, "add", 10)
        with talking(serve, counter, method="fork") as (_, second):
            asked(second, "add", 100)
            add_ones(counter, 1000)
            assert (counter.value, slots(counter)) == (1111, 3)


@posix
def test_forks_while_other_threads_add_and_reset_are_exact_and_do_not_hang() -> None:
    """A child may be forked at any moment, also while a lock of ours is held."""
    counter, stop, taken, added = SharedCounter(), threading.Event(), [], count()

    def add() -> None:
        while not stop.is_set():
            counter.add()
            next(added)

    def reset() -> None:
        while not stop.is_set():
            taken.append(counter.reset())

    def fork() -> None:
        try:
            for _ in range(40):
                assert ended_well(forked(lambda: (counter.add(5), counter.value)))
        finally:
            stop.set()

    in_threads(add, add, reset, fork)
    assert sum(taken) + counter.value == next(added) + 40 * 5


@posix
def test_a_child_that_is_forked_while_a_thread_holds_our_locks_is_free() -> None:
    """The child's thread that had them does not exist."""
    counter = SharedCounter()
    counter.add()
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with counter._lock, module._books.lock, module._books.resetting:
            held.set()
            enough.wait(PATIENCE)

    def work() -> None:
        counter.add(10)
        assert pickle.loads(pickle.dumps(counter)) is counter
        SharedCounter().add()
        assert counter.reset() == 11

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(PATIENCE)
        assert ended_well(forked(work))
    finally:
        enough.set()
        thread.join()
    assert counter.value == 0


@posix
def test_more_processes_than_slots_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aloud, and only those that come too late; what the others count stays right."""
    monkeypatch.setattr(module, "SLOTS", 1)
    counter = SharedCounter()
    with talking(serve, counter, method="fork") as (_, pipe):
        asked(pipe, "add", 1)
        with pytest.raises(RuntimeError, match="more than 1 processes are counting"):
            counter.add()
        asked(pipe, "add", 1)
        assert counter.reset() == 2
    counter.add(5)
    assert counter.value == 5


# ------------------------------------------------------------------------------------------ killed
@posix
@pytest.mark.parametrize("method", METHODS)
def test_a_process_killed_while_it_adds_loses_nothing_and_blocks_nobody(
    kind: str, method: str
) -> None:
    """What it has reported is counted, and at most the rest until its next report.

    Its slot is free again.
    """
    counter = SharedCounter()
    for _ in range(3):
        before = counter.value
        with talking(add_for_ever, counter, method=method) as (process, pipe):
            reported = receive(pipe)
            process.kill()
            process.join()
            with suppress(EOFError):
                while pipe.poll():
                    reported = pipe.recv()
        assert before + reported <= counter.value <= before + reported + 100
    total = counter.value
    counter.add(5)
    assert ended_well(forked(partial(counter.add, 10)))
    assert counter.value == total + 15
    assert counter.reset() == total + 15
    assert slots(counter) == 2


@posix
def test_a_process_killed_while_it_resets_blocks_nobody() -> None:
    """A reset is done or it is not: the value is what one add can make of it."""
    counter = SharedCounter()
    for _ in range(20):
        with talking(add_and_reset_for_ever, counter, method="fork") as (process, pipe):
            receive(pipe)
            process.kill()
            process.join()
        assert counter.value in (0, 1)
        assert counter.reset() in (0, 1)
        assert counter.value == 0


# -------------------------------------------------------------------------------- value and reset
def test_a_value_is_never_mixed_from_before_and_after_a_reset() -> None:
    """While another process adds one and resets, and again, there is nothing but 0 and 1 to see."""
    counter = SharedCounter()
    with talking(add_and_reset_for_ever, counter) as (_, pipe):
        receive(pipe)
        seen: set[int] = set()
        deadline = time.monotonic() + PATIENCE
        while not {0, 1} <= seen and time.monotonic() < deadline:
            seen.update(counter.value for _ in range(50_000))
    assert seen == {0, 1}


def test_the_value_only_grows_while_others_add() -> None:
    """Read live: no add that was seen is unseen again."""
    counter = SharedCounter()
    with talking(add_for_ever, counter) as (process, pipe):
        receive(pipe)
        seen = [counter.value]
        deadline = time.monotonic() + PATIENCE
        while seen[-1] < seen[0] + 1000 and time.monotonic() < deadline:
            receive(pipe)
            seen += [counter.value for _ in range(1000)]
        process.kill()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0] >= 100


def test_resets_of_many_counters_in_many_threads_do_not_get_in_each_others_way() -> None:
    """The kernel would see a deadlock where a process waits for one lock and has another."""
    counters = [SharedCounter(), SharedCounter()]
    with talking(reset_in_threads, counters):
        reset_in_threads(None, counters)


# ------------------------------------------------------------------------------------ nothing left
def test_a_counter_that_was_let_go_is_gone() -> None:
    """The error says what happened."""
    packed = pickle.dumps(SharedCounter())
    with pytest.raises(FileNotFoundError, match="has ended or has let it go"):
        pickle.loads(packed)


def test_nothing_is_left_of_counters(kind: str) -> None:
    """No descriptor and no file; nor of a cycle, once it is collected."""
    with talking(serve) as (_, pipe):
        before = open_files()
        counter = SharedCounter()
        counter.add()
        pipe.send(counter)
        assert asked(pipe, "value") == 1
        cycle: list[Any] = [counter]
        cycle.append(cycle)
        del counter, cycle
        assert open_files() == before
    assert os.listdir(tempfile.gettempdir()) == [] or kind != "named"
