"""Ctrl-C at the wrong moment: while something is under way that must not be left half done."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import Any

# As C has them. `signal` wraps both to make names of numbers, which takes ten times longer than all
# the rest, several times for each call that is submitted.
try:
    _functions: Any = import_module("_signal")
except ImportError:  # only what is public is sure to be there
    _functions = signal
getsignal: Callable[[int], Any] = _functions.getsignal
_setsignal: Callable[[int, Any], Any] = _functions.signal
_CTRL_C = int(signal.SIGINT)


class _Note:
    """A handler that notes Ctrl-C for later; pressed again, it is obeyed at once.

    Args:
        handler: Who is to handle it.
    """

    def __init__(self, handler: Callable[[int, FrameType | None], object]) -> None:
        self.handler = handler
        self.pressed: list[tuple[int, FrameType | None]] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.pressed.append((number, frame))
        if len(self.pressed) > 1:
            self.handler(number, frame)


class later:  # noqa: N801  # a context manager, called like a function
    """Keep Ctrl-C from a block until it is done.

    For what must not be left half done: a process that is being started, which else knows nothing
    and says so at length; a fork, in which the interpreter loses exceptions; an action that was
    taken off a list and would be done by nobody.
    """

    __slots__ = ("_note",)

    def __enter__(self) -> None:
        self._note: _Note | None = None
        if not in_main_thread():
            return  # nothing is raised here
        handler = getsignal(_CTRL_C)
        if not callable(handler) or isinstance(handler, _Note):
            return  # ignored, or this is within another such block
        note = _Note(handler)
        _setsignal(_CTRL_C, note)
        self._note = note

    def __exit__(self, *exc: object) -> None:
        note = self._note
        if note is not None:
            _setsignal(_CTRL_C, note.handler)
            if len(note.pressed) == 1:
                note.handler(*note.pressed[0])


_main: int | None = None


def _see_main_thread() -> None:
    """Note which thread is the main one, as asking `threading` takes ten times as long."""
    global _main
    _main = threading.main_thread().ident


_see_main_thread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_see_main_thread)  # there it is the one that forked


def in_main_thread() -> bool:
    """Tell whether Ctrl-C is raised in this thread."""
    return threading.get_ident() == _main


LOOK_UP_SECONDS = 1.0
"""A signal that comes just as the main thread goes to sleep does not wake it, nor one that another
thread gets: so it looks up once a second, or Ctrl-C would wait for the end of a call (on a busy
machine, 1 in 130 did)."""


def patience(seconds: float | None) -> float | None:
    """Return how many of these seconds this thread may sleep at once; None: as long as it takes."""
    if not in_main_thread():
        return seconds
    return LOOK_UP_SECONDS if seconds is None else min(seconds, LOOK_UP_SECONDS)


def wait_for(event: threading.Event) -> None:
    """Wait for an event, and see Ctrl-C meanwhile."""
    while not event.wait(patience(None)):
        pass


def aside(start: Callable[[], None]) -> None:
    """Start something with Ctrl-C masked, as it would die of it before it can ignore it.

    Not in the main thread: while that masks a signal, another thread gets it, and then the main
    thread may go to sleep and not wake up for it.
    """
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with _masked():
                start()
        except BaseException as error:  # noqa: BLE001  # raised again, where somebody waits
            failed.append(error)

    if in_main_thread():
        thread = threading.Thread(target=run, name="taskpar-start", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread is left: then as well as can be
            run()
        else:
            thread.join()
    else:
        run()
    if failed:
        raise failed.pop()


@contextmanager
def _masked() -> Generator[None]:
    """Mask Ctrl-C in this thread, and in what it starts in the block, where the system has that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
