"""Processes to talk to, and what this one has open."""

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

PATIENCE = 30  # seconds until a process or a thread of a test counts as hanging


@contextmanager
def talking(target: Callable[..., None], *args: Any, method: str | None = None) -> Iterator[Any]:
    """A process and the pipe to it; it has to end by itself, and well, unless it is killed."""
    context: Any = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *args))
    process.start()
    theirs.close()
    try:
        yield process, ours
        with suppress(BrokenPipeError):
            ours.send(None)  # a forked child has our end too: closing it would tell nothing
        process.join(PATIENCE)
        assert process.exitcode in (0, -getattr(signal, "SIGKILL", 0))
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()


def receive(pipe: Connection) -> Any:
    """Wait for the next message, for a bounded time."""
    assert pipe.poll(PATIENCE), "no answer"
    return pipe.recv()


def descriptors() -> dict[str, str]:
    """This process's open descriptors, and where each leads to, without those of garbage."""
    gc.collect()
    found = {}
    for number in os.listdir("/proc/self/fd") if sys.platform == "linux" else []:
        with suppress(FileNotFoundError):  # the one that listed them
            found[number] = str(Path(f"/proc/self/fd/{number}").readlink())
    return found
