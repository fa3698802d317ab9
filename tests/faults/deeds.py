"""What the tasks of these tests do: die, stay, fail now and then, and note that they were here.

In a module that a worker can import. What a task did is told by a file of notes, as its process may
not live long enough to tell it in any other way.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

from taskpar import SharedCounter, parallel

LONG = 120.0
"""Seconds that a task stays that is to be stopped: longer than any test may take."""


# ------------------------------------------------------------------------------------- notes
def note(log, *words):
    """Write a line: in one go, so that lines of many processes do not mix."""
    with log.open("ab", buffering=0) as file:
        file.write((" ".join(map(str, words)) + "\n").encode())


def notes(log):
    """Return the words of each line that is there."""
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def noted(log):
    """Return the numbers that begin the lines, in the order in which they were written."""
    return [int(words[0]) for words in notes(log)]


def here(log, number):
    """Note who runs which call, and when; return the number."""
    note(log, number, os.getpid(), time.monotonic())
    return number


def here_for(log, seconds, number):
    """Note that, and stay for some time."""
    here(log, number)
    time.sleep(seconds)
    return number


# ------------------------------------------------------------------------------------- deaths
def killed():
    """Die by a signal that nobody can catch."""
    os.kill(os.getpid(), signal.SIGKILL)


def exited():
    """Leave without a word."""
    os._exit(7)


def exited_well():
    """Leave as if all were well."""
    os._exit(0)


def _silenced():
    """Let the crash that comes print no report."""
    import faulthandler  # here, as sub-interpreters cannot import it

    faulthandler.disable()


def crashed():
    """Die as code in C does, without the report that there would be."""
    _silenced()
    ctypes.string_at(0)


def aborted():
    """Give up, as a failed assertion in C does."""
    _silenced()
    os.abort()


def overflowed():
    """Use up the stack, in C: the expression is compiled by a function that calls itself."""
    _silenced()
    depth = 2_000_000
    text = b"(" * depth + b")" * depth
    threading.stack_size(1 << 18)
    thread = threading.Thread(
        target=ctypes.CDLL(None).regcomp, args=(ctypes.create_string_buffer(1024), text, 1)
    )
    thread.start()
    thread.join()


DEATHS = {
    "killed": killed,
    "exited": exited,
    "exited well": exited_well,
    "crashed": crashed,
    "aborted": aborted,
}
if sys.platform == "linux":
    DEATHS["overflowed"] = overflowed

SIGNALS = {
    "killed": signal.SIGKILL,
    "crashed": signal.SIGSEGV,
    "aborted": signal.SIGABRT,
    "overflowed": signal.SIGSEGV,
}


def die_at(positions, how, log, number):
    """Note the call, and kill the worker at some numbers; return ten times the others."""
    here(log, number)
    if number in positions:
        DEATHS[how]()
    return 10 * number


# ------------------------------------------------------------------------------------- staying
def sleeping(seconds):
    """Wait, as code in Python does."""
    time.sleep(seconds)


def computing(seconds):
    """Work, in Python."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def in_c(seconds):
    """Be in C, and never let another thread of Python run."""
    ctypes.PyDLL(None).sleep(int(seconds))


def deaf(seconds):
    """Take no notice of a polite word."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(seconds)


def deaf_in_c(seconds):
    """Take no notice, and compute in C: one call, which keeps the processor and the GIL."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sum(range(int(seconds * 10**8)))  # more than a processor adds up in that time


WAYS_TO_STAY = {
    "sleeping": sleeping,
    "computing": computing,
    "in C": in_c,
    "deaf": deaf,
    "deaf in C": deaf_in_c,
}


def stay_at(positions, how, log, number):
    """Note the call, and stay at some numbers; return ten times the others."""
    here(log, number)
    if number in positions:
        WAYS_TO_STAY[how](LONG)
    return 10 * number


# ------------------------------------------------------------------------------------- failing
class FailedError(Exception):
    """What tasks raise."""


def work(what):
    """Return a number, or raise what is asked for."""
    if what == "exit":
        raise SystemExit(3)
    if isinstance(what, str):
        raise FailedError(what)
    return 10 * what


@parallel(on_error="return")
def decorated(what):
    """Do as `work` does."""
    return work(what)


def fail_at(positions, log, number):
    """Note the call, and raise at some numbers; return ten times the others."""
    here(log, number)
    if number in positions:
        raise FailedError(f"at {number}", number)
    return 10 * number


def fail_first(times, log, number):
    """Note the attempt, and raise in the first ones of each number."""
    here(log, number)
    attempt = noted(log).count(number)
    if attempt <= times:
        raise FailedError(f"{number} failed, attempt {attempt}")
    return 10 * number


def die_first(times, log, number):
    """Note the attempt, and kill the worker in the first ones of number 2."""
    here(log, number)
    if number == 2 and noted(log).count(number) <= times:
        killed()
    return 10 * number


# ------------------------------------------------------------------------------------- others
def own_pid(_=None):
    """Tell which process this is."""
    return os.getpid()


def is_alive(pid):
    """Tell whether a process is there, and not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def take_one(gate):
    """Wait at the gate, a named pipe, for a byte of one's own."""
    with gate.open("rb", buffering=0) as file:
        return file.read(1)


def add_and_die(counter: SharedCounter, number):
    """Add for a while, and be killed within that for 2."""
    for _ in range(1000):
        counter.add()
    if number == 2:
        killed()
    return number
