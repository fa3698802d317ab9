"""What every executor does for asyncio: ``amap`` and its kin, in the terms of the engine.

The calls are those of ``map``; only who waits for them is another one. asyncio is imported when the
first of these is called.
"""

import concurrent.futures
from collections.abc import AsyncIterable, Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, overload

from taskpar._model.checks import check_any_iterable, check_callable, seconds_or_none
from taskpar._model.options import Options
from taskpar._model.task import call

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from typing_extensions import Unpack

    from taskpar._engine.async_results import AsyncResults
    from taskpar._engine.core import Core
    from taskpar._model.options import How

R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
Ts = TypeVarTuple("Ts")

Input = Iterable[A] | AsyncIterable[A]
"""What can be read by ``for`` or by ``async for``."""


class AsyncMethods(concurrent.futures.Executor):
    """The part of an `Executor` that is awaited."""

    _core: "Core"
    _options: Options

    @overload
    def amap(
        self, fn: Callable[[A], R], iterable: Input[A], /, **how: "Unpack[How]"
    ) -> "AsyncResults[R]": ...
    @overload
    def amap(
        self,
        fn: Callable[[A, B], R],
        iterable1: Input[A],
        iterable2: Input[B],
        /,
        **how: "Unpack[How]",
    ) -> "AsyncResults[R]": ...
    @overload
    def amap(
        self, fn: Callable[..., R], *iterables: Input[Any], **how: "Unpack[How]"
    ) -> "AsyncResults[R]": ...
    def amap(
        self,
        fn: Callable[..., R],
        *iterables: Input[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> "AsyncResults[R]":
        """Do as `map` does, for ``async for``; any of the iterables may be asynchronous.

        **Law** (L1): it is the builtin ``map(fn, *iterables)``: the same values in the same order,
        the same exception at the same position; the iterator goes on after it.

        No call runs in the thread of the event loop, and none holds it up: those of a
        `SerialExecutor` run one by one in another thread, those of an `AutoExecutor` go to workers.

        An asynchronous iterable is read by a task of its own, at most ``buffersize`` calls ahead of
        the reader (L5). It is closed, by its ``aclose`` if it has one, when the results end, are
        closed, or are not held any more. Other iterables are read in the loop's thread, as `map`
        reads them in the caller's: one that has to wait should be an asynchronous one.

        Args:
            fn: What to call; a plain function, not a coroutine function.
            *iterables: One for each argument; the shortest ends it.
            timeout: Seconds from now after which `anext` raises; None: never.
            chunksize: Calls sent to a worker together; None: measured.
            buffersize: Calls ahead of the reader; None: 1000 for what has no length.

        Returns:
            An asynchronous iterator, which can be closed.

        Raises:
            TypeError: ``fn`` cannot be called, or an iterable cannot be iterated over.
            ValueError: A size is less than 1.
            RuntimeError: No event loop is running.
            ExecutorClosedError: The executor was shut down.

        Source: PEP 525, `asyncio`.
        """
        options = self._options.sized(chunksize, buffersize)
        return self._amap(fn, iterables, options, timeout)

    def amap_unordered(
        self,
        fn: Callable[..., R],
        *iterables: Input[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> "AsyncResults[R]":
        """Do as `amap`, but let each result come as soon as it is there.

        **Law** (L9): it yields a permutation of what `amap` yields.
        """
        options = self._options.sized(chunksize, buffersize)
        return self._amap(fn, iterables, options, timeout, ordered=False)

    @overload
    def astarmap(
        self, fn: Callable[[*Ts], R], iterable: Input[tuple[*Ts]], **how: "Unpack[How]"
    ) -> "AsyncResults[R]": ...
    @overload
    def astarmap(
        self, fn: Callable[..., R], iterable: Input[Iterable[Any]], **how: "Unpack[How]"
    ) -> "AsyncResults[R]": ...
    def astarmap(
        self,
        fn: Callable[..., R],
        iterable: Input[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> "AsyncResults[R]":
        """Call ``fn(*item)`` for each item, in parallel; the results come in order.

        **Law** (L2): it is ``itertools.starmap(fn, iterable)``. All else is as with `amap`.
        """
        options = self._options.sized(chunksize, buffersize)
        return self._amap(fn, (iterable,), options, timeout, rows=True)

    def astarmap_unordered(
        self,
        fn: Callable[..., R],
        iterable: Input[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> "AsyncResults[R]":
        """Do as `astarmap`, but let each result come as soon as it is there.

        **Law** (L9): it yields a permutation of what `astarmap` yields.
        """
        options = self._options.sized(chunksize, buffersize)
        return self._amap(fn, (iterable,), options, timeout, rows=True, ordered=False)

    async def arun(self, tasks: Input[Callable[[], R]]) -> list[R]:
        """Run unlike tasks, in parallel.

        **Law** (L3): ``await ex.arun(tasks)`` is ``[task() for task in tasks]``.

        Args:
            tasks: Any number of `Task`, or of other things to be called without arguments.

        Returns:
            Their results, in order.

        Raises:
            BaseException: What the first task that fails raised.
        """
        check_any_iterable("tasks", tasks)
        return await self._amap(call, (tasks,), self._options, None).drained()

    def _amap(
        self,
        fn: Callable[..., R],
        iterables: tuple[Input[Any], ...],
        options: Options,
        timeout: float | None,
        *,
        rows: bool = False,
        ordered: bool = True,
    ) -> "AsyncResults[R]":
        import asyncio

        from taskpar._engine.async_results import AsyncResults

        check_callable("fn", fn)
        seconds_or_none("timeout", timeout)
        if not iterables:
            raise TypeError("iterables must be at least one: amap() has nothing to iterate over")
        for number, iterable in enumerate(iterables):
            name = f"iterables[{number}]" if len(iterables) > 1 else "iterable"
            check_any_iterable(name, iterable)
        asyncio.get_running_loop()
        job = self._core.async_mapping(fn, iterables, options, rows=rows, ordered=ordered)
        return AsyncResults(job, self, timeout, options.on_error or "raise")

    async def __aenter__(self) -> "Self":
        """Do as ``with`` does."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Shut down as ``with`` does, but wait for the calls without holding up the event loop."""
        import asyncio

        await asyncio.to_thread(self.__exit__, kind, error, traceback)
