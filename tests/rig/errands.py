"""What tasks do on engines that are not ours, in a module that all of their workers can import."""

import os
import random
import signal
import time
from pathlib import Path


def note(log, *words):
    """Write a line: in one go, so that lines of many processes do not mix."""
    with log.open("ab", buffering=0) as file:
        file.write((" ".join(map(str, words)) + "\n").encode())


def noted(log):
    """Return the numbers that begin the lines, in the order in which they were written."""
    return [int(line.split()[0]) for line in log.read_text().splitlines()] if log.exists() else []


def here(log, number):
    """Note that it runs."""
    note(log, number, os.getpid())
    return number


def die_at(log, deadly, number):
    """Note that it runs; die without a word, if it is the deadly one."""
    note(log, number, os.getpid())
    if number == deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def nap(log, seconds, number):
    """Note that it runs, and in which process; take some time."""
    note(log, number, os.getpid())
    time.sleep(seconds)
    return number


def draw(_):
    """Draw a number: no two calls give the same."""
    return random.SystemRandom().random()


def size_and(data, number):
    """Look at what is bound."""
    return len(data) + number


def spoil(data, number):
    """Write to what is bound; tell what was there."""
    before = data[0]
    data[0] = number
    return before


def wait_for(path, number):
    """Wait until somebody makes a file, if it is call 0; whoever comes last makes it."""
    deadline = time.monotonic() + 30
    while number == 0 and not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if number == 3:
        Path(path).touch()
    return number


def fetched(dask_worker):
    """Tell how many bytes a worker of Dask has fetched from others."""
    return sum(row["total"] for row in dask_worker.transfer_incoming_log)
