"""What `stats` says is what happened, on all executors."""

import os
import time
from typing import Any

import pytest

from laws.functions import echo
from rig.executors import KINDS, Bench
from taskpar import AutoExecutor, QueueExecutor, Stats

KINDS_AND_AUTO = [*KINDS, "auto"]


def nap(item: Any) -> Any:
    """Take a while for one of them."""
    time.sleep(0.15 if item == 3 else 0.0)
    return item


@pytest.mark.parametrize("kind", KINDS)
def test_calls_and_seconds_are_counted(kind: str) -> None:
    """As many calls as there were, and at least their time; the slowest by its index."""
    with Bench(kind).make() as executor:
        results = executor.map(nap, range(8))
        assert results.stats().calls <= 8
        assert list(results) == list(range(8))
        stats = results.stats()
        assert stats.calls == 8
        assert 1 <= stats.messages <= 8
        assert stats.running >= 0.1  # what was given back behind a long call takes some of its time
        index, seconds = stats.slowest[0]
        assert index == 3
        assert seconds >= 0.1
        both = [executor.submit(nap, 0), executor.submit(nap, 1)]
        assert [future.result() for future in both] == [0, 1]
        assert results.stats().calls == 8
        assert executor.options(name="view").stats().calls == executor.stats().calls == 10


@pytest.mark.parametrize("kind", KINDS_AND_AUTO)
@pytest.mark.parametrize("count", [0, 1, 7, 2000])
def test_every_call_counts_once(kind: str, count: int) -> None:
    """However they are cut into batches; also when they raise, and when nobody reads on."""
    if kind == "process":
        count = min(count, 7)
    with Bench(kind).make() as executor:
        assert sum(1 for _ in executor.map(echo, range(count))) == count
        assert executor.stats().calls == count
        failing = executor.options(on_error="return", retries=1).map(int, ["x"] * min(count, 7))
        assert len(list(failing)) == min(count, 7)
        assert failing.stats().calls == min(count, 7)
    assert executor.stats().calls == count + min(count, 7)


@pytest.mark.parametrize("room", [None, 0])
def test_bytes_are_counted_wherever_they_go(room: int | None) -> None:
    """Through the pipe, or beside it."""
    data = [bytes([number]) * 200_000 for number in range(5)]  # in one batch, the same crosses once
    with QueueExecutor(2, max_shared_bytes=room) as executor:
        results = executor.map(echo, data)
        assert list(results) == data
        stats = results.stats()
        assert 1_000_000 <= stats.sent < 1_100_000
        assert 1_000_000 <= stats.received < 1_100_000
        assert min(stats.packing, stats.sending, stats.unpacking, stats.starting) > 0


def test_what_starts_workers_is_no_call() -> None:
    """Nor is anything else that nobody asked for; a call that kills its worker is one."""
    with AutoExecutor(2) as executor:
        results = executor.map(rest, [0.005] * 200)
        assert len(list(results)) == results.stats().calls == executor.stats().calls == 200
    with QueueExecutor(1) as executor:
        failing = executor.options(on_error="return").map(os._exit, [3, 4])
        assert len(list(failing)) == executor.stats().calls == 2


def rest(seconds: float) -> float:
    """Take a while."""
    time.sleep(seconds)
    return seconds


def test_who_waits_and_who_is_idle() -> None:
    """One worker has all the work; the reader waits for it, and so does the other worker."""
    with QueueExecutor(2) as executor:
        list(executor.map(echo, range(100), chunksize=1))  # both are there
        results = executor.map(time.sleep, [0.4])
        list(results)
        stats = results.stats()
        assert stats.waiting >= 0.2
        assert stats.running >= 0.3


def test_a_hint_says_when_calls_are_too_small() -> None:
    """With figures; and none where there is nothing to say."""
    small = Stats(calls=1000, running=0.001, packing=0.002, unpacking=0.001)
    assert small.hint is not None
    assert small.hint.startswith("a call takes 1 µs, and having it run elsewhere 3 µs: ")
    assert str(small).endswith(small.hint)
    assert Stats(calls=1000, running=1.0, packing=0.2).hint is None
    assert Stats(calls=10, running=0.0, packing=0.2).hint is None


def test_a_table_shows_it() -> None:
    """A row for each figure, in units that can be read."""
    stats = Stats(2000, 20, 0.25, 2e-3, 1.5e-6, 2.0, 4e-9, slowest=((7, 0.5),))
    rows = [row.split(maxsplit=1) for row in str(stats).splitlines()[:-1]]
    assert dict(rows[:6]) == {
        "calls": "2,000 in 20 messages",
        "starting": "250 ms",
        "packing": "2 ms",
        "sending": "1.5 µs",
        "running": "2 s",
        "unpacking": "4 ns",
    }
    assert str(stats).splitlines()[-1].split() == ["call", "7", "500", "ms"]
