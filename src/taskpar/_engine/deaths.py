"""What a call is told whose worker died, or was stopped because the call took too long."""

import signal

from taskpar._engine.backend import Death
from taskpar.errors import TaskTimeoutError, WorkerDiedError

_MEANINGS = {
    "SIGKILL": "often the out-of-memory killer",
    "SIGSEGV": "a crash in C code, such as a bug in an extension or too deep a recursion",
    "SIGBUS": "a crash in C code, or a file or memory that could not be read",
    "SIGABRT": "C code that gave up, such as a failed assertion or no memory",
    "SIGILL": "C code built for another processor",
    "SIGFPE": "a division by zero in C code",
    "SIGTERM": "somebody asked it to end",
    "SIGXCPU": "its limit of CPU time",
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def died(index: int, death: Death) -> WorkerDiedError:
    """Make the outcome of a call that killed its worker."""
    text = f"call {index}: {death.why}{_end(death.exitcode)}"
    if death.seconds is not None:
        text += f", {death.seconds:.3g} s after the call began"
    if death.peak_memory:
        text += f"; when last looked at, it had used up to {_bytes(death.peak_memory)} of memory"
    error = WorkerDiedError(text, index)
    error.pid = death.pid
    error.exitcode = death.exitcode
    error.signal = _signal(death.exitcode)
    error.seconds = death.seconds
    error.peak_memory = death.peak_memory
    return error


def late(index: int, death: Death) -> TaskTimeoutError:
    """Make the outcome of a call that was stopped."""
    ran = "" if death.seconds is None else f", after {death.seconds:.3g} s"
    error = TaskTimeoutError(
        f"call {index} ran longer than its time limit: its worker was stopped{ran}", index
    )
    error.pid = death.pid
    error.seconds = death.seconds
    return error


def _signal(exitcode: int | None) -> str | None:
    if exitcode is None or exitcode >= 0:
        return None
    try:
        return signal.Signals(-exitcode).name
    except ValueError:
        return f"signal {-exitcode}"


def _end(exitcode: int | None) -> str:
    name = _signal(exitcode)
    if name is not None:
        meaning = _MEANINGS.get(name)
        return f" was killed by {name}" + (f" ({meaning})" if meaning else "")
    return "" if exitcode is None else f" ended with exit code {exitcode}"


def _bytes(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} {_UNITS[-1]}"
