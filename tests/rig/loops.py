"""Event loops to run a test in, and what an asynchronous iterator does, written down as data."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import pytest

from laws.oracle import END, Outcome, error_as_data, outcome_of

T = TypeVar("T")

LOOPS = ("asyncio", "uvloop")


def new_loop(kind: str) -> asyncio.AbstractEventLoop:
    """A loop of that kind; skips the test where there is none."""
    if kind == "asyncio":
        return asyncio.new_event_loop()
    if importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed: it has no wheel for this platform")
    import uvloop

    return uvloop.new_event_loop()


def run(main: Callable[[], Coroutine[Any, Any, T]], kind: str = "asyncio") -> T:
    """Run a coroutine function to its end, in a loop of its own, of which nothing is left then."""
    with asyncio.Runner(loop_factory=lambda: new_loop(kind)) as runner:
        return runner.run(main())


async def async_outcomes(results: AsyncIterator[Any], times: int) -> list[Outcome]:
    """Call ``anext()`` so many times and note each outcome, as `outcomes` does of ``next()``."""
    return [await async_outcome_of(results) for _ in range(times)]


async def async_outcome_of(results: AsyncIterator[Any]) -> Outcome:
    """The outcome of one ``anext()``; the end is what it is for ``next()``."""
    try:
        value = await anext(results)
    except StopAsyncIteration:
        return END
    except BaseException as error:
        return ("error", error_as_data(error))
    return outcome_of(lambda: value)


class Awaited:
    """An asynchronous iterator over what an iterable gives, errors included.

    Args:
        items: Iterated over.
        waits: Tells for each item whether it lets the loop go on before it comes.
    """

    def __init__(self, items: Iterable[Any], waits: Callable[[int], bool] = bool) -> None:
        self._items = iter(items)
        self._waits = waits
        self.read = 0
        self.closed = 0

    def __aiter__(self) -> "Awaited":
        return self

    async def __anext__(self) -> Any:
        self.read += 1
        if self._waits(self.read):
            await asyncio.sleep(0)
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """As that of an asynchronous generator, it may take a while."""
        await asyncio.sleep(0)
        self.closed += 1


INPUTS: dict[str, Callable[[Iterable[Any]], Any]] = {
    "plain": lambda items: items,
    "never waits": lambda items: Awaited(items, lambda _: False),
    "waits": Awaited,
    "waits at times": lambda items: Awaited(items, lambda number: number % 3 == 0),
}
"""How an input may be given: as it is, or as an asynchronous one."""
