"""Starts the cells, one at a time: all libraries in turn, round after round.

What slows the machine for a while slows a round, and with it both sides of a ratio.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .workload import Figures, Workload

HERE = Path(__file__).parents[1]
LIMIT = 12.0  # seconds for a cell
FEWEST = 3  # rounds, so that there is a median
MOST = 15
SET_CHILD_SUBREAPER = 36  # the number that Linux has for it


class Taken(NamedTuple):
    """What became of a cell.

    Args:
        figures: What it measured.
        late: Whether its time ran out.
        failed: Its last words, if it failed.
    """

    figures: Figures
    late: bool
    failed: str


Rounds = dict[str, list[Taken]]
"""What each library took, round after round."""


def adopt() -> None:
    """Become the parent of whatever a cell leaves behind, so that its processor time is known."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measure(key: str, workload: Workload, names: Sequence[str], seconds: float) -> Rounds:
    """Run a workload in rounds.

    Args:
        key: Its word.
        workload: What it is.
        names: Who takes part; who was late once is not asked again.
        seconds: For how long to go on; there are a few rounds at the least.

    Returns:
        What each took in each round; as many for everyone who was not late.
    """
    rounds: Rounds = {name: [] for name in names if name in workload.runs}
    until = time.monotonic() + seconds
    for turn in range(MOST):
        begin = time.monotonic()
        for name in _rotated(list(rounds), turn):
            if not any(taken.late or taken.failed for taken in rounds[name]):
                rounds[name].append(run(key, name))
        now = time.monotonic()
        if turn + 1 >= FEWEST and now + (now - begin) / 2 > until:
            break
    return rounds


def _rotated(names: list[str], turn: int) -> Iterator[str]:
    """Let another one begin each time: whoever runs behind the same one always might suffer."""
    start = turn % len(names) if names else 0
    yield from names[start:]
    yield from names[:start]


def run(key: str, name: str, limit: float = LIMIT) -> Taken:
    """Run one cell, and end all that is left of it."""
    before = _processor()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cell", key, name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=HERE,
        start_new_session=True,
    )
    late = False
    try:
        said, complaints = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        late = True
        os.killpg(process.pid, signal.SIGKILL)
        said, complaints = process.communicate()
    _end(process.pid)
    figures: Figures = {}
    for line in said.splitlines():
        with suppress(json.JSONDecodeError):  # a line that was being written as it ended
            figures.update(json.loads(line))
    failed = (complaints.strip().splitlines() or ["no reason"])[-1] if process.returncode else ""
    return Taken(figures | {"processor": _processor() - before}, late, "" if late else failed)


def _end(group: int) -> None:
    """Kill a process group; and whoever else is left, as they are ours since their parent died."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            os.wait()


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()] if path.exists() else []


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
