"""What the workers run: each start is written down before anything else can happen."""

import faulthandler
import os
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple


class Call(NamedTuple):
    """An argument: what call it is, and what it does.

    Args:
        log: Where starts are written down.
        number: Its position.
        kind: One of `KINDS`.
        size: Bytes of the result.
    """

    log: str
    number: int
    kind: str
    size: int


class LethalResult:
    """A result that kills the worker while it is pickled."""

    def __reduce__(self) -> tuple[object, ...]:
        os.kill(os.getpid(), signal.SIGKILL)
        return (LethalResult, ())


class LethalArgument:
    """An argument that kills the worker while it is unpickled."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def __setstate__(self, state: dict[str, Any]) -> None:
        call: Call = state["call"]
        write_down(call.log, call.number)
        os.kill(os.getpid(), signal.SIGKILL)


KINDS = {
    "value": 60,
    "error": 10,
    "sleep": 10,
    "big": 3,
    "kill": 3,
    "segfault": 1,
    "exit": 2,
    "lethal result": 1,
    "lethal argument": 1,
    "late": 2,
    "late in C": 1,
}
"""What calls do, and how often: parts of a whole."""

GUILTY = frozenset(("kill", "segfault", "exit", "lethal result", "lethal argument"))
LATE = frozenset(("late", "late in C"))
LIMIT = 0.6
"""Seconds that a call may run, in maps with a time limit; without one nothing is late."""


def write_down(log: str, number: int) -> None:
    """Note that a call begins here and now; one small write, so that lines never mix."""
    line = f"{number} {os.getpid()} {time.monotonic():.6f}\n".encode()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def work(argument: "Call | LethalArgument") -> object:
    """Do what the call says."""
    if isinstance(argument, LethalArgument):
        raise TypeError("it kills who unpickles it")
    write_down(argument.log, argument.number)
    match argument.kind:
        case "error":
            raise ValueError(argument.number)
        case "sleep":
            time.sleep(0.02)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            faulthandler.disable()  # it would tell of each, and the counts are what matters
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(argument.number % 2)
        case "lethal result":
            return LethalResult()
        case "late":
            time.sleep(60)
        case "late in C":
            sum(range(10**12))  # holds the GIL
        case _:
            pass
    return argument.number, b"x" * argument.size


class Start(NamedTuple):
    """A line of the log."""

    number: int
    pid: int
    when: float


def starts(log: str) -> list[Start]:
    """Read what was written down."""
    path = Path(log)
    lines = path.read_text().splitlines() if path.exists() else []
    return [Start(int(a), int(b), float(c)) for a, b, c in (line.split() for line in lines)]
