"""The job of an ``amap``: a `Mapping` whose reader is a coroutine.

The reader takes what is there, and else waits for a future of his event loop, which the thread that
brings an outcome resolves. No call runs in the loop's thread: where calls run in the thread that
wants their result, that is another one.
"""

import asyncio
from contextlib import suppress
from functools import partial
from math import inf
from time import monotonic, perf_counter
from typing import Any

from taskpar._engine.async_source import AsyncStream
from taskpar._engine.mapping import Mapping
from taskpar._engine.reply import Reply


class AsyncMapping(Mapping):
    """The job of an ``amap``."""

    _fed: AsyncStream | None = None
    _waiter: "asyncio.Future[None] | None" = None

    def _begin(self) -> None:
        if isinstance(self._source, AsyncStream):
            self._fed = self._source
        super()._begin()
        if self._fed is not None:
            self._fed.start(self._news_of_input, self._is_busy)

    # -------------------------------------------------------------------- for the reader
    async def arrival(self, deadline: float) -> None:
        """Wait until there may be something to take.

        Raises:
            TimeoutError: The deadline has passed.
        """
        began = perf_counter()
        if self._engine.backend.inline and self._delivered < self._submitted:
            await asyncio.to_thread(self._engine.want, self._number, self._delivered)
        waiter = asyncio.get_running_loop().create_future()
        with self._mutex:
            if self._has_come():
                return
            self._waiter = waiter
        # Not `wait_for`: who is cancelled there looks as if his time was up, and the reverse.
        seconds = None if deadline == inf else max(0.0, deadline - monotonic())
        await asyncio.wait((waiter,), timeout=seconds)
        self.tally.waited(perf_counter() - began)
        if not waiter.done():
            raise TimeoutError(f"call {self._delivered} was not done in time")

    def may_read(self) -> bool:
        """Tell whether reading on may bring something: not where an input comes by itself."""
        return self._fed is None and super().may_read()

    async def closed(self) -> None:
        """Wait until the input is closed, where that takes time."""
        if self._fed is not None:
            await self._fed.closed()

    # ------------------------------------------------------------------------- for waking
    def _news_of_input(self) -> None:
        if not self._closed:
            self._submit()
            self._wake(always=True)  # a call that runs in the reader's thread has to be wanted

    def _keep(self, start: int, stop: int, what: Reply | BaseException | None, offset: int) -> None:
        super()._keep(start, stop, what, offset)
        if self._fed is not None and self._fed.filling:
            self._fed.in_loop(self._fed.pour)
        self._wake()

    def _is_busy(self) -> bool:
        """Tell whether every worker has a call, and another one to go on with."""
        return self._submitted - self._settled >= 2 * self._engine.backend.slots

    def _wake(self, *, always: bool = False) -> None:
        """Wake the reader, if there is something for him; from any thread."""
        with self._mutex:
            if self._waiter is None or not (always or self._has_come()):
                return
            waiter, self._waiter = self._waiter, None
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            waiter.get_loop().call_soon_threadsafe(_resolve, waiter)

    def _has_come(self) -> bool:
        return super()._has_come() or self._is_over()

    def _is_over(self) -> bool:
        more = self._fed is not None and not (
            self._fed.exhausted or self._fed.error is not None or self._cut_off is not None
        )
        return super()._is_over() and not more

    # ------------------------------------------------------------------------- the end
    def close(self, *, source: bool) -> None:
        """Let the job go."""
        super().close(source=source)
        self._wake()

    def leave(self) -> None:
        """Know that nobody will read a result: what was read of the input is run, and no more."""
        if self._fed is not None:
            self._fed.leave()
        super().leave()

    def let_go(self, *, read: bool) -> None:
        """Close, or leave if no result was read, wherever the garbage collector happens to run.

        What an input brings is taken in by the thread of the event loop: so it is ended there.
        """
        end: Any = partial(self.close, source=True) if read else self.leave
        if self._fed is None:
            end()
        else:
            self._fed.in_loop(end)


def _resolve(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
