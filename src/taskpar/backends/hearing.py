"""Who hears the workers: a thread of its own, or whoever waits for a result himself.

A result that is heard by a thread must be told to the one that waits for it, which takes longer
than all the rest of a short call. So where somebody waits for one result after the other, with
nothing else under way, the thread steps back, and he hears his result himself. As soon as he goes,
and something is under way, the thread is called back.
"""

import signal
import threading
from collections.abc import Callable
from time import monotonic

from taskpar._system import ctrl_c

GRACE = 0.002
"""Seconds for which nobody may hear the workers, where guests have come so far."""


class Hearing:
    """Lets one thread at a time hear.

    Args:
        hear: Waits for news, so many seconds at the most (None: as long as it takes), and takes
            them in; eagerly, if that is so.
        over: Tells whether nothing is to be heard any more.
        quiet: Tells whether nothing is under way.
    """

    def __init__(
        self,
        hear: Callable[[float | None, bool], None],
        over: Callable[[], bool],
        quiet: Callable[[], bool],
    ) -> None:
        self._hear = hear
        self._over = over
        self._quiet = quiet
        self._ears = threading.Lock()
        self._called = threading.Event()
        self._missed = False
        """Whether a guest came while the thread was hearing."""
        self._guests = 0
        self._asked_back = False
        """Whether the thread wants to know when the guest goes."""
        self._urgent = False
        """Whether the thread is to hear at once."""

    def run(self) -> None:
        """Hear until it is over; the body of the thread."""
        while True:
            with self._ears:  # also to see that it is over, as a guest may be about to end it
                self._hear_on()
                if self._over():
                    return
            self._rest()

    def _hear_on(self) -> None:
        """Hear until it is over, or a guest may."""
        self._missed = self._asked_back = False
        while not self._over():
            self._hear(None, False)
            if self._missed and self._quiet():
                return

    def _rest(self) -> None:
        """Let guests hear, as long as some come again and again."""
        while True:
            guests = self._guests
            asks = not self._called.wait(GRACE) and self._ears.locked()
            if asks:
                # First this is written, then that is read: the guest does it the other way round.
                self._asked_back = True
                if self._ears.locked():
                    self._called.wait()
                self._asked_back = False
            self._called.clear()
            urgent = self._urgent
            if urgent:  # else it may just be becoming so, and that must not be forgotten
                self._urgent = False
            # Who was told only that a guest has gone looks whether another one comes.
            if urgent or (not asks and guests == self._guests):
                return

    def as_guest(self, enough: Callable[[], bool], deadline: float | None) -> None:
        """Hear in the calling thread until it is enough, or too late; not at all if another hears.

        Args:
            enough: Tells whether what was waited for has come.
            deadline: By `time.monotonic`; None: there is none.
        """
        if ctrl_c.in_main_thread() and _has_handlers():
            return  # they may raise anywhere, also between reading a result and keeping it
        hearing = False
        try:
            if self.rests:
                with ctrl_c.later():
                    hearing = self._ears.acquire(blocking=False)
            if not hearing:
                self._missed = True
                return
            self._guests += 1
            while not (enough() or self._over()):
                seconds = None if deadline is None else deadline - monotonic()
                if seconds is not None and seconds <= 0:
                    break
                self._hear(ctrl_c.patience(seconds), True)
        finally:
            if hearing:
                with ctrl_c.later():
                    self._ears.release()
                    if not self._quiet() or self._over():
                        self.call()
                    elif self._asked_back:
                        self._called.set()

    def call(self) -> None:
        """Call the thread back: there may be no guest any more."""
        self._urgent = True
        self._called.set()

    @property
    def rests(self) -> bool:
        """Whether nobody hears at this moment."""
        return not self._ears.locked()


_SIGNALS = [
    int(getattr(signal, name))
    for name in ("SIGALRM", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGPROF")
    if hasattr(signal, name)
]


def _has_handlers() -> bool:
    """Whether a signal but Ctrl-C may run code of the user in this thread."""
    return any(map(callable, map(ctrl_c.getsignal, _SIGNALS)))
