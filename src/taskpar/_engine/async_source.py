"""Numbered calls out of asynchronous iterables: what ``amap`` reads, by a task of the event loop.

Where some inputs of a job are asynchronous, an `AsyncStream` is its source. It may be read no
further than the reader of the results allows, as any `Stream`; but it is read beside him, as he may
have to wait for an input and for a result at the same time, and whichever comes first counts.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from io import IOBase
from time import monotonic
from typing import Any, cast

from taskpar._engine.source import READING_SECONDS, Source, Stream, source_of

_END = object()


class AsyncStream(Stream):
    """Calls out of iterators of which some are asynchronous, read a bounded way ahead.

    Args:
        columns: One iterator for every argument; the shortest tells how many calls there are.
        rows: Whether what is read are rows of arguments.
    """

    def __init__(self, columns: Sequence[Any], *, rows: bool) -> None:
        super().__init__(columns, rows=rows)
        self._awaited = [isinstance(column, AsyncIterator) for column in columns]
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._limit: float = 0
        self._fresh: list[Any] = []
        self._closed = False
        self._within = False
        """Whether an input is being waited for, which only a cancellation ends."""

    def start(self, news: Callable[[], None], enough: Callable[[], bool]) -> None:
        """Begin to read, as far as is allowed.

        Args:
            news: Called when something was read, or the input raised or ended.
            enough: Tells whether workers have enough to do, so that more can wait for company.
        """
        self._news = news
        self._enough: Callable[[], bool] = enough
        self._task = self._loop.create_task(self._read_all(), name="taskpar-read")

    def advance(self, limit: float) -> None:
        """Allow to read on, to ``limit`` calls at the most."""
        self._limit = max(limit, self._limit)
        self._room.set()

    def passed(self) -> None:
        """Read on behind the error."""
        super().passed()
        self._room.set()

    def in_loop(self, do: Callable[[], None]) -> None:
        """Do something in the thread of the event loop, soon; or here, if the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(do)
        except RuntimeError:
            do()

    def close(self) -> None:
        """Read no more; `closed` waits until the inputs are closed."""
        self.leave()
        self._slabs.clear()

    def leave(self) -> None:
        """Read no more, but keep what was read."""
        self._lay_down()
        self._closed = self.exhausted = True
        with suppress(RuntimeError):  # the loop is closed, and its tasks were cancelled before
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        self._room.set()
        if self._within:
            self._task.cancel()

    async def closed(self) -> None:
        """Wait until the inputs are closed; raise what that raises."""
        await asyncio.wait((self._task,))
        if not self._task.cancelled():
            self._task.result()

    # --------------------------------------------------------------------------- the task
    async def _read_all(self) -> None:
        try:
            while not self.exhausted:
                if self.error is None and self.stop < self._limit:
                    await self._read_slab()
                    await asyncio.sleep(0)  # an input that never waits keeps nobody else waiting
                else:
                    self._room.clear()
                    await self._room.wait()
        except BaseException as error:  # the loop ends; whoever waits for a result shall know
            self.error, self.exhausted = error, True
            if self._closed and isinstance(error, asyncio.CancelledError):
                return
            self._news()
            raise
        finally:
            await self._close_columns()
            self._news, self._enough = _nothing, bool  # the job is theirs: it may go now

    async def _read_slab(self) -> None:
        """Read for a while; what is there goes on its way when an input has to be waited for."""
        until = monotonic() + READING_SECONDS
        error, ended = None, False
        self._within = True
        try:
            while self.stop + len(self._fresh) < self._limit and monotonic() < until:
                row = await self._next_row()
                self._fresh.append(row)
                if len(self._fresh) == 1:
                    self._loop.call_soon(self.pour)
        except StopAsyncIteration:
            ended = True
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise
        except BaseException as raised:  # noqa: BLE001  # the input's, told at its position
            error = raised
        finally:
            self._within = False
        self._lay_down()
        if error is not None or ended:
            self.error, self.exhausted = error, ended or self._closed
            self._news()

    async def _next_row(self) -> Any:
        """Read the arguments of one call, as ``map`` does: each iterator in its turn."""
        if len(self._columns) == 1:
            item = await anext(cast("AsyncIterator[Any]", self._columns[0]))
            return tuple(item) if self._rows else item
        row: list[Any] = []
        for column, awaited in zip(self._columns, self._awaited, strict=True):
            item = await anext(cast("Any", column)) if awaited else next(column, _END)
            if item is _END:
                raise StopAsyncIteration
            row.append(item)
        return tuple(row)

    def pour(self) -> None:
        """Let what has been read go on its way, unless more may join it meanwhile."""
        if not self._enough():
            self._lay_down()

    @property
    def filling(self) -> bool:
        """Whether something was read that is not on its way yet."""
        return bool(self._fresh)

    def _lay_down(self) -> None:
        """Let what has been read go on its way."""
        slab, self._fresh = self._fresh, []
        if slab and not self._closed:
            self._add(slab)
            self._news()

    async def _close_columns(self) -> None:
        """Close the asynchronous inputs; the others, as after any ``map``, only when told to."""
        async with AsyncExitStack() as stack:
            for column, awaited in zip(self._columns, self._awaited, strict=True):
                close = getattr(column, "aclose" if awaited else "close", None)
                if not callable(close):
                    continue
                if awaited:
                    stack.push_async_callback(cast("Any", close))
                elif self._closed and not isinstance(column, IOBase):
                    stack.callback(close)


def _nothing() -> None:
    """There is no news any more."""


def is_async(column: object) -> bool:
    """Tell whether an iterable is to be read by ``async for``."""
    return hasattr(type(column), "__aiter__")


def async_source_of(columns: Sequence[Any], *, rows: bool = False) -> Source:
    """Make the source for the iterables of one ``amap``, of which any may be asynchronous."""
    if not any(map(is_async, columns)):
        return source_of(cast("Sequence[Iterable[Any]]", columns), rows=rows)
    iterators = [aiter(column) if is_async(column) else iter(column) for column in columns]
    return AsyncStream(iterators, rows=rows)
