"""What type checkers make of taskpar: each line is checked by mypy and by pyright, and runs too."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import assert_type

from taskpar import (
    AsyncResults,
    Executor,
    FuturesExecutor,
    Options,
    Parallel,
    Placeholder,
    Record,
    Results,
    SerialExecutor,
    SharedCounter,
    Task,
    TaskTimeoutError,
    WorkerDiedError,
    WorkerInfo,
    backoff,
    call,
    open_executor,
    parallel,
    partial,
    record_of,
    use,
)


def text(x: int, times: float = 1, *, end: str = "") -> str:
    """A plain function."""
    return str(x) * int(times) + end


def pair(x: int, y: str) -> tuple[int, str]:
    """Another one."""
    return x, y


@parallel
def square(x: int) -> float:
    """A parallel function."""
    return float(x * x)


@parallel(chunksize=2, name="named", buffersize=None)
def named(x: int, y: str = "", *, z: bool = False) -> bytes:
    """A parallel function with options."""
    return f"{x}{y}{z}".encode()


@parallel
@functools.lru_cache
def cached(x: int) -> str:
    """A cached parallel function."""
    return str(x)


class Shop:
    """Has methods of all kinds."""

    @parallel
    def price(self, item: str, count: int = 1) -> float:
        """A method."""
        return float(len(item) * count)

    @parallel(chunksize=1)
    def total(self, *items: str) -> float:
        """A method with options."""
        return sum(map(self.price, items))

    @parallel
    @classmethod
    def opened(cls, name: str) -> "Shop":
        """A class method."""
        return cls()

    @parallel
    @staticmethod
    def tax(price: float) -> float:
        """A static method."""
        return price * 0.2

    @staticmethod
    @parallel
    def other_tax(price: float) -> float:
        """A static method, in the other order."""
        return price * 0.1


def decorated() -> None:
    """The decorator keeps arguments and results."""
    assert_type(square(2), float)
    assert_type(square.map([1, 2]), Results[float])
    assert_type(list(square.map(range(3), timeout=1.0, chunksize=None, buffersize=4)), list[float])
    assert_type(square.map_unordered({1, 2}), Results[float])
    assert_type(square.starmap([(1,), (2,)]), Results[float])
    assert_type(square.starmap_unordered([(1,)], timeout=9.0), Results[float])
    assert_type(square.submit(2), Future[float])
    assert_type(square.submit(x=2).result(), float)
    assert_type(square.task(2), Task[float])
    assert_type(square.task(x=2)(), float)

    assert_type(named(1, "a", z=True), bytes)
    assert_type(named.map([1]), Results[bytes])
    assert_type(named.map([1], ["a"]), Results[bytes])
    assert_type(next(named.map_unordered([1], "ab")), bytes)
    assert_type(named.submit(1, y="a", z=False), Future[bytes])
    assert_type(named.task(1, "a").named("other"), Task[bytes])
    assert_type(cached.submit(1), Future[str])
    assert_type(cached.map([1]), Results[str])
    assert_type(parallel(text).map([1], [2.5]), Results[str])
    assert_type(parallel(pair, chunksize=3).submit(1, "a"), Future[tuple[int, str]])

    plain: Callable[[int], float] = square
    assert_type(plain(3), float)
    assert_type(list(map(square, [1, 2])), list[float])


def methods() -> None:
    """A bound method has one parameter less; static and class methods have none to lose."""
    shop = Shop()
    assert_type(shop.price("tea", 2), float)
    assert_type(shop.price.map(["tea", "cup"]), Results[float])
    assert_type(shop.price.map(["tea", "cup"], [1, 2]), Results[float])
    assert_type(shop.price.submit("tea", count=2), Future[float])
    assert_type(shop.total.submit("tea", "cup"), Future[float])
    assert_type(Shop.price(shop, "tea"), float)
    assert_type(Shop.price.map([shop, shop], ["tea", "cup"]), Results[float])
    assert_type(Shop.opened("a"), Shop)
    assert_type(Shop.opened.map(["a", "b"]), Results[Shop])
    assert_type(shop.opened.submit("a"), Future[Shop])
    assert_type(Shop.tax.map([1.0, 2.0]), Results[float])
    assert_type(shop.tax.submit(2.0), Future[float])
    assert_type(Shop.other_tax.map([1.0, 2.0]), Results[float])
    assert_type(shop.other_tax.submit(2.0), Future[float])


def executors() -> None:
    """An executor infers results from the function, and checks its arguments."""
    with ThreadPoolExecutor(1) as threads, FuturesExecutor(threads) as lent:
        assert_type(lent.map(square, [1, 2]), Results[float])
    with SerialExecutor(2) as executor:
        assert_type(executor, SerialExecutor)
        assert_type(executor.submit(text, 1, times=2, end="!"), Future[str])
        assert_type(executor.submit(square, 2), Future[float])
        assert_type(executor.submit(len, "abc").result(), int)
        assert_type(executor.map(square, [1, 2]), Results[float])
        assert_type(executor.map(text, [1, 2]), Results[str])
        assert_type(list(executor.map(pair, [1, 2], ["a", "b"])), list[tuple[int, str]])
        assert_type(executor.map(Shop().price, ["tea"]), Results[float])
        assert_type(executor.map_unordered(text, [1, 2]), Results[str])
        assert_type(executor.starmap(pair, [(1, "a"), (2, "b")]), Results[tuple[int, str]])
        assert_type(executor.starmap_unordered(pair, [(1, "a")]), Results[tuple[int, str]])
        assert_type(executor.run([Task(text, 4), Task(text, 2, 3)]), list[str])
        assert_type(executor.run([square.task(2)]), list[float])
        assert_type(executor.options(name="n", chunksize=2), SerialExecutor)
        view = executor.options(
            retries=3,
            retry_on=(OSError, TaskTimeoutError),
            retry_delay=backoff(0.1, longest=5),
            on_error="group",
            relay="log",
            context=False,
        )
        assert_type(view, SerialExecutor)
        assert_type(executor.options(retry_on=OSError, retry_delay=2), SerialExecutor)
        assert_type(executor.workers(), tuple[WorkerInfo, ...])
        with use(executor) as used:
            assert_type(used, SerialExecutor)


async def some() -> AsyncIterator[int]:
    """An asynchronous input."""
    yield 1
    yield 2


async def awaited() -> None:
    """What is awaited has the same types; any input may be asynchronous."""
    async with SerialExecutor(2) as executor:
        assert_type(executor, SerialExecutor)
        assert_type(executor.amap(square, [1, 2]), AsyncResults[float])
        assert_type(executor.amap(text, some()), AsyncResults[str])
        assert_type(executor.amap(pair, some(), ["a", "b"]), AsyncResults[tuple[int, str]])
        assert_type(executor.amap(pair, [1], ["a"], timeout=2), AsyncResults[tuple[int, str]])
        assert_type(executor.amap_unordered(text, some()), AsyncResults[str])
        assert_type(executor.astarmap(pair, [(1, "a")]), AsyncResults[tuple[int, str]])
        assert_type(executor.astarmap_unordered(pair, [(1, "a")]), AsyncResults[tuple[int, str]])
        assert_type(square.amap([1, 2]), AsyncResults[float])
        assert_type(square.amap_unordered(some()), AsyncResults[float])
        assert_type(square.astarmap([(1.0,)], timeout=2), AsyncResults[float])
        assert_type(named.amap(some(), ["a"]), AsyncResults[bytes])
        assert_type([each async for each in executor.amap(text, [1, 2])], list[str])
        assert_type(await anext(executor.amap(text, [1])), str)
        assert_type(await executor.arun([Task(text, 4), Task(text, 2, 3)]), list[str])
    assert_type(open_executor("serial"), Executor)


def result_of_any(task: Task[object]) -> None:
    """A task of something special is a task of something general."""
    assert_type(task(), object)


def tasks() -> None:
    """A task knows what it will return; so does a partial."""
    task = Task(text, 1, times=2.5, end="!")
    assert_type(task, Task[str])
    assert_type(task(), str)
    assert_type(task.named("n"), Task[str])
    assert_type(task.partial(), functools.partial[str])
    assert_type(Task(pair, 1, "a").fn, Callable[..., tuple[int, str]])
    result_of_any(task)
    assert_type(call(pair, 1, "a"), tuple[int, str])
    bound = partial(text, 1, end="!")
    assert_type(bound(2.5), str)
    assert_type(partial(bound, 2.5)(), str)
    assert_type(partial(text, Placeholder, 2.5)(1), str)
    assert_type(SharedCounter(3).value, int)


def options_and_errors() -> None:
    """What may be asked for of a call, and what is known of one that failed."""
    options = Options(time_limit=1.5, cancel_running=True, relay="all")
    assert_type(options.time_limit, float | None)
    assert_type(options.retry_on, tuple[type[BaseException], ...] | None)
    assert_type(options.updated(on_error="skip", retries=None), Options)
    assert_type(backoff(), Callable[[int], float])
    died = WorkerDiedError("it died")
    assert_type(died.index, int | None)
    assert_type(died.input, str | None)
    assert_type(died.exitcode, int | None)
    assert_type(died.signal, str | None)
    assert_type(died.peak_memory, int | None)
    assert_type(TaskTimeoutError().seconds, float | None)
    record = record_of(died)
    assert_type(record, Record | None)
    if record is not None:
        assert_type(record.attempt, int)
        assert_type(record.input, str | None)


def annotations() -> None:
    """What is decorated has a type that can be written down."""

    def takes(function: Parallel[[int], float]) -> Future[float]:
        return function.submit(1)

    assert_type(takes(parallel(lambda x: x * 0.5)), Future[float])


if __name__ == "__main__":
    with SerialExecutor() as everywhere, use(everywhere):
        decorated()
        methods()
        annotations()
    executors()
    asyncio.run(awaited())
    tasks()
    options_and_errors()
