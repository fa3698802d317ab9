"""The programs beyond the tutorial: asyncio, the loop of a GUI, threads that wait."""

import pytest
from programs import Run

from rig.executors import KINDS


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
    """Eight waits of 0.2 s take clearly less than 1.6 s, which is what they take in turn."""
    *pages, times = run("beyond/threads_io.py")
    assert pages == [f"this is /page-{number}" for number in range(8)]
    assert float(times.split()[0]) < 1.2
