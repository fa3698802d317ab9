"""Seeing to it that engines end their work before the interpreter ends."""

import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Protocol


class Engine(Protocol):
    """What is known of an engine here."""

    def shutdown(
        self, wait: bool = True, *, cancel_futures: bool = False, kill: bool = False
    ) -> None:
        """End it."""


_open: "weakref.WeakSet[Engine]" = weakref.WeakSet()
_watching: Callable[[], bool] | None = None
_watch_lock = threading.Lock()


def close_at_exit(engine: Engine) -> None:
    """See to it that an engine ends its work and lets its workers go before the interpreter ends.

    One thread waits for the main thread to end: at that time threads and processes can still be
    started, which functions registered with `atexit` cannot do.
    """
    global _watching
    _open.add(engine)
    with _watch_lock:
        if _watching is None or not _watching():
            watcher = threading.Thread(target=_close_all, name="taskpar-exit")
            watcher.start()
            _watching = watcher.is_alive


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)  # they are the parent's


def _close_all() -> None:
    threading.main_thread().join()
    interrupted = was_interrupted()
    for engine in list(_open):
        engine.shutdown(wait=not interrupted, cancel_futures=interrupted, kill=interrupted)
    for engine in list(_open) if interrupted else ():
        engine.shutdown()


def was_interrupted() -> bool:
    """Tell whether the program has ended by Ctrl-C: then its workers must not work on.

    In an interactive session that one may have been long ago.
    """
    last = getattr(sys, "last_type", None)
    interactive = hasattr(sys, "ps1") or sys.flags.interactive
    return not interactive and isinstance(last, type) and issubclass(last, KeyboardInterrupt)
