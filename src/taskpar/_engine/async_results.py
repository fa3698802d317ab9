"""The lazy result iterator that ``amap`` and ``astarmap`` return."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from taskpar._engine.results import rest, see, treated
from taskpar._model.options import OnError
from taskpar._model.outcome import Error

if TYPE_CHECKING:
    from taskpar._engine.async_mapping import AsyncMapping
    from taskpar._model.stats import Stats

R = TypeVar("R")


class AsyncResults(AsyncIterator[R], Generic[R]):
    """The results of an ``amap`` or ``astarmap``, one by one, for ``async for``.

    **Law** (L1): what `anext` returns and raises, time after time, is what ``next(map(f, *its))``
    does; after an exception it goes on with the next call. Only a call that raises `StopIteration`
    is a `RuntimeError`, as in any coroutine; one that raises `StopAsyncIteration` ends a loop.

    Several tasks may share it: each result goes to one of them. Whoever is cancelled while he waits
    for a result closes it, as `aclose` does.

    Args:
        job: Where outcomes come from.
        owner: The executor, kept alive as long as its results are.
        timeout: Seconds from now after which `anext` raises `TimeoutError`; None: never.
        on_error: What becomes of errors of calls (see `Options`).
    """

    def __init__(
        self, job: "AsyncMapping", owner: object, timeout: float | None, on_error: OnError = "raise"
    ) -> None:
        self._job = job
        self._owner = owner
        self._deadline = inf if timeout is None else monotonic() + timeout
        self._on_error: OnError = on_error
        self._errors: list[BaseException] = []
        self._ready: deque[Any] = deque()
        self._reading = asyncio.Lock()
        self._begun = False
        self._closed = False

    async def __anext__(self) -> R:
        """Return the next result, waiting for it.

        Raises:
            StopAsyncIteration: There are no more.
            BaseException: What the call raised, at its position; `anext` goes on after it.
            TimeoutError: The result was not there in time; it can be asked for again.
        """
        outcome = self._ready.popleft() if self._ready else await self._fetch()
        if type(outcome) is not Error:
            return outcome  # type: ignore[no-any-return]  # what the function returned
        try:
            see(self._job, outcome)
            raise outcome.exception
        finally:
            del outcome, self  # else the traceback and this frame keep each other alive

    async def _fetch(self) -> Any:
        self._begun = True
        try:
            async with self._reading:
                while not self._ready:
                    self._ready.extend(await self._next_block())
                return self._ready.popleft()
        except (asyncio.CancelledError, GeneratorExit):
            self._end(source=True)
            raise

    async def _next_block(self) -> list[Any]:
        while True:
            await asyncio.sleep(0)  # also where results are always there, others have their turn
            try:
                found = self._job.ready_block()
            except StopIteration:
                break
            if found is not None:
                block, plain = found
                return block if plain else treated(block, self._on_error, self._errors)
            if not self._job.may_read():
                await self._job.arrival(self._deadline)
        self._end(source=False)
        if self._errors:
            return rest(self._errors)
        await self._job.closed()
        raise StopAsyncIteration

    def _end(self, *, source: bool) -> None:
        if not self._closed:
            self._closed = True
            self._ready.clear()
            self._job.close(source=source)

    async def drained(self) -> list[R]:
        """Return all that is left, or raise the first error, whatever its type, and close."""
        values: list[R] = []
        while True:
            try:
                outcome = self._ready.popleft() if self._ready else await self._fetch()
            except StopAsyncIteration:
                return values
            if type(outcome) is Error:
                try:
                    await self.aclose()
                    raise outcome.exception
                finally:
                    del outcome, self  # as in `__anext__`
            values.append(outcome)

    def stats(self) -> "Stats":
        """Return where the time of these calls went, so far."""
        return self._job.stats()

    @property
    def report(self) -> str:
        """Where the calls run, in a sentence."""
        return self._job.report

    async def aclose(self) -> None:
        """Read no more: calls that wait are not run, and the input is closed.

        Waits until an asynchronous input is closed, not for calls that are running: they run on,
        or are stopped if `Options` ask for ``cancel_running``; nobody gets their results.
        """
        self._end(source=True)
        await self._job.closed()

    def __del__(self) -> None:
        """Close, if reading had begun; calls of which nobody read a result run to the end."""
        if hasattr(self, "_closed") and not self._closed:
            self._job.let_go(read=self._begun)
