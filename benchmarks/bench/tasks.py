"""What the calls of the workloads do, by names that every worker can import."""

import os
import signal
import time
from pathlib import Path
from typing import Any

TURNS_A_MILLISECOND = 45_000
"""How often `work` turns for what is about a millisecond; the same number for whoever runs it."""


def double(x: int) -> int:
    """Hardly any work."""
    return x + x


def square(x: int) -> int:
    """Hardly any work, either."""
    return x * x


def nothing(_: object) -> None:
    """No work at all."""


def nap(seconds: float) -> None:
    """Rest."""
    time.sleep(seconds)


def work(milliseconds: float) -> tuple[int, float, float]:
    """Keep a processor busy; return who did it, from when, and until when."""
    begin = time.perf_counter()
    for _ in range(round(milliseconds * TURNS_A_MILLISECOND)):
        pass
    return os.getpid(), begin, time.perf_counter()


def total(array: Any) -> float:
    """Read an array as a whole."""
    return float(array.sum())


def filled(number: float) -> Any:
    """Make an array of a million numbers, 8 MB."""
    import numpy as np

    return np.full(1_000_000, number)


def negated(array: Any) -> Any:
    """Read an array, and make another."""
    return -array


def pick(constant: Any, index: int) -> float:
    """Look into a large constant."""
    return float(constant[index])


def arithmetic(x: Any) -> Any:
    """Compute with one number of an array."""
    return x * x + x


def killed_once(marker: str, item: int) -> int:
    """Take ten milliseconds; the first that does item 100 is killed."""
    time.sleep(0.01)
    if item == 100:
        try:
            Path(marker).touch(exist_ok=False)
        except FileExistsError:
            return item
        os.kill(os.getpid(), signal.SIGKILL)
    return item
