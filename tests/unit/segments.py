"""What other processes do with segments and locks, and the files that there are of ours."""

import os
import sys
import tempfile
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from rig.processes import PATIENCE, receive
from taskpar._system.segment import Locks, Segment

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork or signals")


def kill(process: BaseProcess) -> None:
    """Kill a process and wait for its end."""
    process.kill()
    process.join(PATIENCE)


def files() -> list[str]:
    """Name our files in the directory for temporary files."""
    return [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("taskpar-")]


def answer(pipe: Connection, segment: Segment | None = None) -> None:
    """Answer what is in the segment, and write to it; without one, be sent one first."""
    if segment is None:
        segment = receive(pipe)
    pipe.send(bytes(segment.memory[:5]))
    segment.memory[:5] = b"there"
    pipe.send(segment.key)


def make_and_keep(pipe: Connection) -> None:
    """Make a segment, send it, and keep it until there is a word."""
    segment = Segment(100)
    segment.memory[:5] = b"hello"
    pipe.send(segment)
    pipe.recv()


def do(pipe: Connection, locks: Locks) -> None:
    """Do with the locks what is asked for, until the pipe ends."""
    while (word := pipe.recv()) is not None:
        name, number = word
        pipe.send(getattr(locks, name)(number))


def asked(pipe: Connection, name: str, number: int) -> Any:
    """Return what a process gets that does with its locks what it is asked for."""
    pipe.send((name, number))
    return receive(pipe)
