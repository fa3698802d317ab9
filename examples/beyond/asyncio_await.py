"""Awaiting calls that compute, while the event loop stays free: futures of taskpar are awaitable.

Many calls are awaited by `amap`. One is awaited as asyncio does it with those of
`concurrent.futures`: it takes the executor, or wraps a future.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable

from taskpar import AsyncResults, QueueExecutor


def divisors(number: int) -> int:
    """Count them, the slow way."""
    return sum(number % divisor == 0 for divisor in range(1, number + 1))


def inverse(number: int) -> float:
    return 1 / number


async def numbers() -> AsyncIterator[int]:
    """Come from elsewhere, one after the other."""
    for number in (720_720, 1_000_000, 999_983):
        await asyncio.sleep(0.01)
        yield number


async def listed(results: AsyncResults[int]) -> list[int]:
    return [result async for result in results]


async def ticking(work: Awaitable[object]) -> int:
    """Count the turns of the loop until the work is done."""
    task = asyncio.ensure_future(work)
    ticks = 0
    while not task.done():
        await asyncio.sleep(0.01)
        ticks += 1
    return ticks


async def main() -> None:
    """Compute in other processes; wait here."""
    loop = asyncio.get_running_loop()
    async with QueueExecutor() as executor:
        print("one:", await loop.run_in_executor(executor, math.factorial, 20))

        results = executor.amap(divisors, numbers())
        counting = asyncio.ensure_future(listed(results))
        ticks = await ticking(counting)
        print("many:", await counting)
        print("the loop went on meanwhile:", ticks > 1)

        try:
            await asyncio.wrap_future(executor.submit(inverse, 0))
        except ZeroDivisionError as error:
            print("an exception:", error)


asyncio.run(main())
