"""Seeing to it that engines end their work before the interpreter ends."""

import os
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Protocol

from taskpar.errors import InitializerError


class Engine(Protocol):
    """What is known of an engine here."""

    @property
    def trouble(self) -> InitializerError | None:
        """Why no worker is left; None: there are some, or can be."""
        ...

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
    started, which functions registered with `atexit` cannot do. Except in Python 3.12, which then
    starts neither a thread nor a fork: if a worker is needed for that, it is told what is undone.
    """
    global _watching
    _open.add(engine)
    with _watch_lock:
        if _watching is None or not _watching():
            _come_before_thread_pools()
            watcher = threading.Thread(target=_close_all, name="taskpar-exit")
            watcher.start()
            _watching = watcher.is_alive


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open.clear)  # they are the parent's


def _come_before_thread_pools() -> None:
    """Cancel what waits in an interrupted program before the stdlib waits for its thread pools.

    It does so before the main thread has ended, and as long as our calls come to their threads.
    There is no public way to come earlier: what was registered last is called first.
    """
    import_module("concurrent.futures.thread")  # which registers its own waiting
    register = vars(threading).get("_register_atexit")
    if register is not None:
        with suppress(RuntimeError):  # it is too late: the interpreter ends
            register(_cancel_if_interrupted)


def _cancel_if_interrupted() -> None:
    for engine in list(_open) if was_interrupted() else ():
        engine.shutdown(wait=False, cancel_futures=True, kill=True)


def _close_all() -> None:
    threading.main_thread().join()
    interrupted = was_interrupted()
    for engine in list(_open):
        before = engine.trouble
        engine.shutdown(wait=not interrupted, cancel_futures=interrupted, kill=interrupted)
        if engine.trouble is not None and before is None:
            _tell(engine.trouble)
    for engine in list(_open) if interrupted else ():
        engine.shutdown()


def _tell(trouble: InitializerError) -> None:
    """Say what is undone: nobody may be there any more who looks at futures."""
    if sys.stderr is not None:
        text = f"taskpar: calls that waited at the end of the program were not run: {trouble}"
        print(f"{text} ({trouble.__cause__})", file=sys.stderr)  # noqa: T201


def was_interrupted() -> bool:
    """Tell whether the program has ended by Ctrl-C: then its workers must not work on.

    In an interactive session that one may have been long ago.
    """
    last = getattr(sys, "last_type", None)
    interactive = hasattr(sys, "ps1") or sys.flags.interactive
    return not interactive and isinstance(last, type) and issubclass(last, KeyboardInterrupt)
