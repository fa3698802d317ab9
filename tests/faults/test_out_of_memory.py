"""The system's own out-of-memory killer, at work in a worker.

**Truth:** whoever takes too much is the one that fails, and the error says what that signal means.
"""

import os
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from places import WITHIN, each_kind_in_processes

from laws.oracle import outcomes
from rig.waiting import eventually
from taskpar import WorkerDiedError

ROOM = 200_000_000  # bytes that a process may take which has gone into the group
GROUPS = Path("/sys/fs/cgroup")
LIMITS = {
    GROUPS / "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
    GROUPS: ("memory.max",),
}


@contextmanager
def group_with_little_room():
    """Make a control group, and yield its folder; who is within gets no more memory than that."""
    base = next((base for base in LIMITS if (base / "cgroup.procs").exists()), None)
    if base is None:
        pytest.skip("needs control groups")
    folder = base / f"taskpar-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"needs the right to make a control group: {error}")
    try:
        limits = [folder / name for name in LIMITS[base] if (folder / name).exists()]
        if not limits:
            pytest.skip("needs control groups that limit memory")
        for limit in limits:
            limit.write_text(str(ROOM))
        yield folder
    finally:
        assert eventually(lambda: (folder / "cgroup.procs").read_text() == "", WITHIN)
        folder.rmdir()


def hoard(folder, number):
    """Take all the memory that there is in the group, for one number."""
    if number == 3:
        (folder / "cgroup.procs").write_text(str(os.getpid()))
        held = []
        while True:
            held.append(b"x" * 10_000_000)
    return 10 * number


@each_kind_in_processes
def test_a_call_that_gets_no_more_memory_fails_alone(bench):
    """All others arrive, the error tells of it, and the executor stays usable."""
    with group_with_little_room() as folder, bench.make() as executor:
        seen = outcomes(executor.map(partial(hoard, folder), range(8)), 8)
        values = [outcome[2] for place, outcome in enumerate(seen) if place != 3]
        assert values == [0, 10, 20, 40, 50, 60, 70]
        error = executor.submit(hoard, folder, 3).exception(WITHIN)
        assert type(error) is WorkerDiedError
        assert (error.signal, error.name) == ("SIGKILL", "hoard")
        assert "out-of-memory killer" in str(error)
        assert error.peak_memory
        assert executor.submit(abs, -1).result(WITHIN) == 1
        assert seen[3][0] == "error"
        assert seen[3][1][0] is WorkerDiedError
