"""What counts, in threads, forked children and other processes, for the tests of counters."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from itertools import count
from multiprocessing.connection import Connection
from typing import Any

import pytest
from hypothesis import strategies as st

from rig.processes import PATIENCE, receive
from taskpar._model import counter as module
from taskpar._model.counter import SharedCounter

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork or signals")
amounts = st.integers(-(2**40), 2**40)


def forked(work: Callable[[], object]) -> int:
    """Do some work in a forked child; return its process id."""
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(PATIENCE)
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def ended_well(*children: int) -> bool:
    """Wait for forked children; tell whether all had the status 0."""
    return all(os.waitpid(child, 0)[1] == 0 for child in children)


def in_threads(*works: Callable[[], object]) -> None:
    """Do all of it at once, each in a thread; an error in one of them is pytest's to report."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def slots(counter: SharedCounter) -> int:
    """How many slots of a counter have ever had an owner."""
    return sum(counter._words[module._RECORD + module._CLAIMED :: module._RECORD])


def add_all(counter: SharedCounter, numbers: list[int]) -> None:
    """Add some numbers, one after the other."""
    for number in numbers:
        counter.add(number)


def add_ones(counter: SharedCounter, times: int) -> None:
    """Add one, many times."""
    for _ in range(times):
        counter.add()


def serve(pipe: Connection, counter: SharedCounter | None = None) -> None:
    """Do with a counter what is asked for; one that is sent takes the place of the last."""
    while (word := pipe.recv()) is not None:
        if isinstance(word, SharedCounter):
            counter = word
        elif callable(word):
            word()
            pipe.send("done")
        else:
            name, *args = word
            pipe.send(counter.value if name == "value" else getattr(counter, name)(*args))


def asked(pipe: Connection, name: str, *args: int) -> Any:
    """Return the answer of a process that serves."""
    pipe.send((name, *args))
    return receive(pipe)


def add_for_ever(pipe: Connection, counter: SharedCounter) -> None:
    """Report every hundredth add."""
    for number in count(1):
        counter.add()
        if number % 100 == 0:
            pipe.send(number)


def add_and_reset_for_ever(pipe: Connection, counter: SharedCounter) -> None:
    """Add one and reset, and again, until there is a word."""
    pipe.send("started")
    while not pipe.poll():
        counter.add()
        counter.reset()
