"""Starts the cells, one at a time: all libraries in turn, round after round.

What slows the machine for a while slows a round, and with it both sides of a ratio. Whom the first
round shows to be far behind is not asked again, and nobody is waited for much longer than for ours:
so there is time for more rounds of those who are compared.
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
from math import inf
from pathlib import Path
from typing import NamedTuple

from .pools import COMPARED, PEERS
from .workload import Figures, Workload

HERE = Path(__file__).parents[1]
LIMIT = 30.0  # seconds for a cell of ours; what it takes tells how long the others have
PATIENCE = 2.5  # times that long, and so many seconds besides, in which libraries are imported
BEHIND = 2.0  # times as slow as the quickest peer: not asked again
FEWEST = 3  # rounds, so that there is a median
MOST = 11
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
        names: Who takes part; who was late once, or far behind, is not asked again.
        seconds: For how long to go on; there are a few rounds at the least.

    Returns:
        What each took in each round; as many for everyone who was asked again.
    """
    rounds: Rounds = {name: [] for name in names if name in workload.runs}
    racing = sorted(rounds, key=lambda name: name != COMPARED)  # ours first: it sets the pace
    limit, until = LIMIT, time.monotonic() + seconds
    for turn in range(MOST):
        begin = time.monotonic()
        for name in _rotated(racing, turn):
            started = time.monotonic()
            patience = LIMIT if name == workload.target.to else limit  # its figure is needed
            rounds[name].append(run(key, name, patience))
            if name == COMPARED and not turn:
                limit = PATIENCE * (1 + time.monotonic() - started)
        racing = [name for name in racing if _goes_on(name, workload, rounds)]
        now = time.monotonic()
        if not racing or (turn + 1 >= FEWEST and now + (now - begin) / 2 > until):
            break
    return rounds


def _goes_on(name: str, workload: Workload, rounds: Rounds) -> bool:
    """Whether one round more of it may tell more."""
    if any(taken.late or taken.failed for taken in rounds[name]):
        return False
    if name in {COMPARED, "limit", "serial", workload.target.to}:
        return True
    first = {who: some[0].figures.get(workload.figure) for who, some in rounds.items()}
    quickest = min((first[who] or inf for who in first if who in PEERS), default=inf)
    return (first[name] or inf) <= BEHIND * quickest


def _rotated(names: list[str], turn: int) -> Iterator[str]:
    """Let another one begin each time: whoever runs behind the same one always might suffer."""
    start = turn % len(names) if names else 0
    yield from names[start:]
    yield from names[:start]


def run(key: str, name: str, limit: float) -> Taken:
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
