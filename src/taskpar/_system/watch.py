"""Waiting for any of many things: ends of pipes, and processes that end."""

import os
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from taskpar._system.eager import MOMENT, Eager


class Watch:
    """Things that are waited for again and again, kept by the system from one time to the next.

    Things may be added by any thread at any time; who waits may have to be woken to heed them. Only
    whoever waits may drop things.
    """

    def __init__(self) -> None:
        self._tags: dict[Any, object] = {}
        self._selector: Any = None
        self._eager = Eager()
        if os.name == "posix":  # elsewhere processes are no files, and multiprocessing knows how
            import selectors

            self._selector = selectors.DefaultSelector()

    def add(self, thing: Connection | int, tag: object) -> None:
        """Wait for one more thing, too.

        Args:
            thing: A readable end of a pipe, or a process's sentinel.
            tag: What is returned when it is ready.
        """
        if self._selector is None:
            self._tags[thing] = tag
        else:
            self._selector.register(thing, 1, tag)  # 1: readable

    def drop(self, thing: Connection | int) -> None:
        """Wait for it no more; it must not have been closed yet."""
        if self._selector is None:
            del self._tags[thing]
        else:
            self._selector.unregister(thing)

    def wait(self, seconds: float | None, *, eager: bool = False) -> list[Any]:
        """Wait until something is ready, or the time is up; return the tags of what is.

        Args:
            seconds: How long; None: as long as it takes.
            eager: Whether this thread has nothing else to do, and may look before it sleeps.
        """
        if self._selector is None:
            return [self._tags[thing] for thing in wait(list(self._tags), seconds)]
        select = self._selector.select
        if eager and (seconds is None or seconds > MOMENT):
            ready = self._eager.wait(partial(select, 0), partial(select, seconds))
        else:
            ready = select(seconds)
        return [key.data for key, _ in ready]

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._selector is not None:
            self._selector.close()
