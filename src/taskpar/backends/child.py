"""What every new worker process does first, whatever starts it."""

import os
import signal
import sys

from taskpar._engine import place
from taskpar._system import lifeline
from taskpar.backends.surroundings import Surroundings

_IGNORED = (
    "SIGINT",  # Ctrl-C is the parent's
    "SIGPIPE",  # as in every new Python
    "SIGXFSZ",  # so is this
    "SIGTTIN",  # a worker is in the background: a look at the terminal is an error, and no stop
    "SIGTTOU",  # it may write there, whatever `stty tostop` says
)

_worker: int | None = None
"""The process that has become a worker; a forked child of it has not."""


def become_worker(surroundings: Surroundings) -> None:
    """Make this process a worker: it leaves Ctrl-C to its parent, and dies with it.

    Once is enough: nothing happens the second time.

    Args:
        surroundings: What was around its parent.
    """
    global _worker
    if _worker == os.getpid():
        return
    _worker = os.getpid()
    place.enter()
    _reset_signals()
    _report_crashes()
    lifeline.hold(surroundings.lifeline)
    surroundings.enter()
    _draw_anew()


class Arrival:
    """Makes a process a worker in the moment in which this is unpickled there.

    Put before the user's objects in what a process is given, it comes before the imports that
    these bring about: numeric libraries read the environment only then. Under fork nothing is
    unpickled, nor imported: there `become_worker` is called.

    Args:
        surroundings: What was around its parent.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings

    def __reduce__(self) -> tuple[object, ...]:
        return (become_worker, (self.surroundings,))


def _reset_signals() -> None:
    """Let no handler of another process run here, nor any signal be held back.

    Whatever was ignored still is (who uses ``nohup`` means the workers, too), except SIGTERM.
    """
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number == signal.SIGTERM or callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    for name in _IGNORED:
        if hasattr(signal, name):  # each platform has its own
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _draw_anew() -> None:
    """Let no two workers draw the same random numbers; `random` sees to that itself, at a fork."""
    numbers = sys.modules.get("numpy.random")
    if numbers is not None:
        numbers.seed()


def _report_crashes() -> None:
    """Let the traceback of a crash go to the real standard error, whatever ``sys.stderr`` is."""
    if sys.__stderr__ is not None:  # else the descriptor may be anything
        import faulthandler

        faulthandler.enable(2)
