"""Mistakes that type checkers find: each ``type: ignore`` is needed, by mypy and by pyright."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from taskpar import Options, SerialExecutor, Task, backoff, open_executor, parallel, use


@parallel
def square(x: int) -> float:
    """A parallel function."""
    return float(x * x)


def plus(x: int, y: int) -> int:
    """A plain one."""
    return x + y


def text(attempt: int) -> str:
    """No number of seconds."""
    return str(attempt)


class Shop:
    """Has a method."""

    @parallel
    def price(self, item: str) -> float:
        """A method."""
        return float(len(item))


def decorated(shop: Shop) -> None:
    """Arguments, keywords and names are checked through the decorator."""
    square("a")  # type: ignore[arg-type]
    square.submit("a")  # type: ignore[arg-type]
    square.submit(1, 2)  # type: ignore[call-arg]
    square.task()  # type: ignore[call-arg]
    square.map(["a"])  # type: ignore[list-item]
    square.map([1], [2])  # type: ignore[call-overload]
    square.map(5)  # type: ignore[call-overload]
    square.map([1], chunks=2)  # type: ignore[call-overload]
    square.mpa([1])  # type: ignore[attr-defined]
    shop.price.map([1])  # type: ignore[list-item]
    parallel(3)  # type: ignore[call-overload]
    parallel(chunksize="a")  # type: ignore[call-overload]
    parallel(workers=2)  # type: ignore[call-overload]


def others(executor: SerialExecutor) -> None:
    """So they are by executors, tasks and options."""
    executor.submit(plus, 1, "a")  # type: ignore[arg-type]
    SerialExecutor(mp_context="spawn")  # type: ignore[arg-type]
    executor.options(chunks=2)  # type: ignore[call-arg]
    Task(plus, 1)  # type: ignore[call-arg]
    Task(plus, 1, y="a")  # type: ignore[arg-type]
    Task(plus, 1, 2).name = "n"  # type: ignore[misc]
    Options().updated(chunks=1)  # type: ignore[call-arg]
    Options(on_error="ignore")  # type: ignore[arg-type]
    Options(retry_on=3)  # type: ignore[arg-type]
    Options(retry_delay=text)  # type: ignore[arg-type]
    executor.options(retries="3")  # type: ignore[arg-type]
    executor.options(time_limit="1s")  # type: ignore[arg-type]
    executor.amap(plus, [1], [2], buffer=3)  # type: ignore[call-overload]
    executor.amap(plus, 5)  # type: ignore[call-overload]
    executor.arun(5)  # type: ignore[arg-type, unused-coroutine]
    open_executor(4)  # type: ignore[arg-type]
    backoff(0.1, 2.0)  # type: ignore[call-arg]
    use(3)  # type: ignore[type-var]
