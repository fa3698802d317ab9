"""A gigabyte each way takes little more memory than the gigabytes that are alive."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from rig.leaks import can_see_processes
from taskpar import QueueExecutor

np = pytest.importorskip("numpy", reason="needs numpy")

MEGA = 1 << 20
EACH = 16 * MEGA  # bytes of an array
MANY = 64
WORKERS = 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not can_see_processes(), reason="needs /proc"),
]


def memory_of_all(pids: list[int]) -> int:
    """Bytes that processes have for themselves, and what lies in files that only have descriptors.

    What is mapped from such a file is counted with the file, once.
    """
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError):  # it has gone
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += 1024 * int(text.partition("Pss_Anon:")[2].split()[0])
    files = {}
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # what was listed was the listing
            if "memfd:" in str(entry.readlink()):
                known = entry.stat()
                files[known.st_ino] = 512 * known.st_blocks
    return total + sum(files.values())


@contextmanager
def peak_over(executor: QueueExecutor) -> Iterator[list[int]]:
    """Look again and again; afterwards, the list holds by how much memory has grown at the most."""
    pids = [os.getpid(), *(worker.pid or 0 for worker in executor.workers())]
    before, peak, found = memory_of_all(pids), 0, list[int]()
    over = threading.Event()

    def look() -> None:
        nonlocal peak
        while not over.wait(0.005):
            peak = max(peak, memory_of_all(pids))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()
    found.append(peak - before)


def total(array: "np.ndarray") -> int:  # type: ignore[type-arg]
    """Read all of it."""
    return int(array.sum())


def filled(number: int) -> "np.ndarray":  # type: ignore[type-arg]
    """Make one."""
    return np.full(EACH, number, "u1")


def one_more(array: "np.ndarray") -> "np.ndarray":  # type: ignore[type-arg]
    """Make one of one."""
    return array + np.uint8(1)


@pytest.fixture
def executor() -> Iterator[QueueExecutor]:
    """One whose workers are there."""
    with QueueExecutor(WORKERS) as executor:
        assert list(executor.map(total, [filled(1)] * 4)) == [EACH] * 4
        yield executor


def test_a_gigabyte_of_arguments(executor: QueueExecutor) -> None:
    """What is alive is the caller's."""
    arrays = [filled(number) for number in range(MANY)]
    with peak_over(executor) as grown:
        assert list(executor.map(total, arrays)) == [number * EACH for number in range(MANY)]
    assert grown[0] < 0.3 * MANY * EACH


def test_a_gigabyte_of_results(executor: QueueExecutor) -> None:
    """All of them are alive in the end."""
    with peak_over(executor) as grown:
        arrays = list(executor.map(filled, range(MANY)))
        assert [int(array[-1]) for array in arrays] == list(range(MANY))
    assert grown[0] < 1.3 * MANY * EACH


def test_a_gigabyte_each_way(executor: QueueExecutor) -> None:
    """The arguments were there before; what is new are the results."""
    arrays = [filled(number) for number in range(MANY)]
    with peak_over(executor) as grown:
        results = list(executor.map(one_more, arrays))
        assert [int(array[0]) for array in results] == list(range(1, MANY + 1))
    assert grown[0] < 1.3 * MANY * EACH
    del arrays, results
