"""The programs beyond the tutorial: asyncio, a GUI, threads that wait, faults, logs."""

import re

import pytest
from programs import Run

from rig.executors import KINDS, PROCESS_KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_asyncio_awaits_our_futures(run: Run, kind: str) -> None:
    """Both as an executor of asyncio and as wrapped futures; exceptions come too."""
    one, many, _, exception = run("beyond/asyncio_await.py", on=kind)
    assert one == "one: 2432902008176640000"
    assert many == "many: [240, 49, 2]"
    assert exception == "an exception: division by zero"


def test_the_event_loop_goes_on_meanwhile(run: Run) -> None:
    """What computes does so in other processes."""
    assert "the loop went on meanwhile: True" in run("beyond/asyncio_await.py")


@pytest.mark.parametrize("kind", KINDS)
def test_results_and_progress_come_to_the_loop_of_a_window(run: Run, kind: str) -> None:
    """Each is shown by the thread of the loop, which the program checks."""
    lines = run("beyond/gui_queue.py", on=kind)
    assert lines[:6] == [f"{number} of 6 done" for number in range(1, 7)]
    sums = [sum(n * n for n in range(start, start + 200_000)) for start in range(0, 6000, 1000)]
    assert lines[6:] == [f"from {1000 * row}: {total}" for row, total in enumerate(sums)]


def test_threads_wait_together(run: Run) -> None:
    """Eight waits of 0.2 s take less than 1.6 s, which is what they take in turn."""
    *pages, times = run("beyond/threads_io.py")
    assert pages == [f"this is /page-{number}" for number in range(8)]
    assert float(times.split()[0]) < 1.6


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_calls_that_fail_hang_or_kill_take_no_other_with_them(run: Run, kind: str) -> None:
    """Those that may be tried again are, as often as it takes; the late one once."""
    assert run("beyond/retries_limits.py", on=kind) == [
        "home: this is home, tries: 1",
        "busy: this is busy, tries: 3",
        "silent: TaskTimeoutError, tries: 1",
        "deadly: this is deadly, tries: 2",
        "news: this is news, tries: 1",
    ]


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_logs_and_prints_of_other_processes_come_in_order(run: Run, kind: str) -> None:
    """The handler is the caller's; what is printed has a tag; the request came with the call."""
    *told, baked = run("beyond/relayed_logs.py", on=kind)
    cakes = ["apple", "cherry", "plum"]
    assert baked == str([cake.upper() for cake in cakes])
    assert [re.sub(r"pid \d+", "pid", line) for line in told] == [
        line
        for index, cake in enumerate(cakes)
        for line in (f"INFO: {cake} for Ada", f"[index {index}, pid] the oven is hot")
    ]


def test_logs_and_prints_of_this_process_need_nothing(run: Run) -> None:
    """They are here already, without tags."""
    *told, _ = run("beyond/relayed_logs.py", on="serial")
    assert told == [
        line
        for cake in ("apple", "cherry", "plum")
        for line in (f"INFO: {cake} for Ada", "the oven is hot")
    ]
