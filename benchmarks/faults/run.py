"""Starts the cells of the table, one after the other, and bounds the time of each.

A cell that has not ended after a few seconds most likely hangs, which loads nothing: the next one
is started while its time runs out.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from .peers import WORKERS

HERE = Path(__file__).parents[1]
HANG = 12.0  # seconds: nobody waits longer for eight calls of 20 ms
PATIENCE = 2.0  # seconds for which a cell has the machine for itself
AT_A_TIME = 3  # cells that may be running out of time together, the newest included
WELL_INSIDE = 0.2  # seconds: no call in C code can tell that it has begun
LATER = 2.0  # seconds from the end of the caller to the look at its workers

Found = dict[str, object]
"""What a cell has told, all its steps together; and "late": whether its time ran out."""


class Cell(NamedTuple):
    """Which fault happens to whom, by their keys."""

    fault: str
    peer: str


class Running:
    """A cell in its process, which is the first of its process group."""

    def __init__(self, cell: Cell, *words: str, hang: float = HANG) -> None:
        self.cell = cell
        self.process = subprocess.Popen(
            [sys.executable, "-m", "faults.cell", cell.peer, cell.fault, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=HERE,
            start_new_session=True,
        )
        self._deadline = time.monotonic() + hang

    def ends(self, within: float | None = None) -> bool:
        """Wait for it, at most until its time is over, and tell whether it has ended."""
        rest = max(0.0, self._deadline - time.monotonic())
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(rest if within is None else min(rest, within))
        return self.process.returncode is not None

    def finish(self) -> Found:
        """Wait for its end, or end it; then return what it has told."""
        late = not self.ends()
        found: Found = {"late": late}
        for line in self._swept().splitlines():
            found.update(json.loads(line))
        return found

    def _swept(self) -> str:
        """End all that is left of it, and return what it printed.

        Its output ends with the last process that could write there. What only tidies up behind
        the others, as multiprocessing's tracker of resources does, ignores the gentle signal.
        """
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, kind)
            with suppress(subprocess.TimeoutExpired):
                return self.process.communicate(timeout=1)[0]
        return ""


def run(cells: Iterable[Cell], hang: float = HANG) -> Iterator[tuple[Cell, Found]]:
    """Run cells and yield what each has told, those that hang later than their turn."""
    late: list[Running] = []
    try:
        for cell in cells:
            if cell.fault.startswith("left-"):
                yield cell, workers_left(cell, hang)
                continue
            late.append(Running(cell, hang=hang))
            if late[-1].ends(PATIENCE):
                yield cell, late.pop().finish()
            elif len(late) >= AT_A_TIME:
                yield late[0].cell, late.pop(0).finish()
        while late:
            yield late[0].cell, late.pop(0).finish()
    finally:
        for running in late:
            running.process.kill()
            running.finish()


def workers_left(cell: Cell, hang: float = HANG) -> Found:
    """Kill the caller while its workers work, and count those that are there two seconds later.

    Each of them holds a connection to us, which ends with its process, however that ends.
    """
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server.settimeout(hang)
        running = Running(cell, str(server.getsockname()[1]), hang=hang)
        stack.callback(running.finish)
        stack.callback(running.process.kill)

        def line() -> socket.socket:
            return stack.enter_context(server.accept()[0])

        try:
            workers = {int((at_work := line()).recv(20)): at_work for _ in range(WORKERS)}
            for worker in workers.values():
                worker.sendall(b".")
            if cell.fault == "left-idle":
                line()  # the caller itself, when it has the results
            time.sleep(WELL_INSIDE)
        except TimeoutError:
            return {"late": True}
        running.process.kill()
        deadline = time.monotonic() + LATER
        left = [pid for pid, worker in workers.items() if _open(worker, deadline)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    return {"late": False, "word": f"{len(left)} of {WORKERS}", "left": True}


def _open(line: socket.socket, deadline: float) -> bool:
    """Whether a connection is still there at a moment to come."""
    line.settimeout(max(0.001, deadline - time.monotonic()))  # 0 would mean: do not wait at all
    try:
        line.recv(1)
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False
    return False
