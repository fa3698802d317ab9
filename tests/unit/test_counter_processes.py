"""Law L10: a `SharedCounter` is exact, whichever processes add to it, and whoever is killed."""

import os
import pickle
import tempfile
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from counting import (
    add_all,
    add_for_ever,
    add_ones,
    amounts,
    asked,
    ended_well,
    forked,
    in_threads,
    posix,
    serve,
    slots,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from rig.executors import START_METHODS
from rig.processes import descriptors, receive, talking
from taskpar._model.counter import SharedCounter


@pytest.fixture(params=["memory", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Counters on files in memory, and on files with a name."""
    if request.param == "named":
        monkeypatch.setenv("TASKPAR_NO_MEMFD", "1")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return request.param


def add_in_threads(pipe: Connection, counter: SharedCounter, times: int) -> None:
    """Add from three threads at once."""
    in_threads(*[partial(add_ones, counter, times)] * 3)


def make(pipe: Connection) -> None:
    """Make a counter, send it, and keep it until there is a word."""
    counter = SharedCounter(5)
    counter.add(2)
    pipe.send(counter)
    pipe.recv()


@pytest.mark.parametrize("method", START_METHODS)
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


@pytest.mark.parametrize("method", START_METHODS)
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
@pytest.mark.parametrize("method", START_METHODS)
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


def test_a_counter_that_was_let_go_is_gone() -> None:
    """The error says what happened."""
    packed = pickle.dumps(SharedCounter())
    with pytest.raises(FileNotFoundError, match="has ended or has let it go"):
        pickle.loads(packed)


def test_nothing_is_left_of_counters(kind: str) -> None:
    """No descriptor and no file; nor of a cycle, once it is collected."""
    with talking(serve) as (_, pipe):
        before = descriptors()
        counter = SharedCounter()
        counter.add()
        pipe.send(counter)
        assert asked(pipe, "value") == 1
        cycle: list[Any] = [counter]
        cycle.append(cycle)
        del counter, cycle
        assert descriptors() == before
    assert os.listdir(tempfile.gettempdir()) == [] or kind != "named"


@posix
def test_processes_after_each_other_use_the_same_slot(kind: str) -> None:
    """Slots are reused, so that any number of processes may count one after the other."""
    counter = SharedCounter()
    for _ in range(20):
        assert ended_well(forked(counter.add))
    assert (counter.value, slots(counter)) == (20, 1)
