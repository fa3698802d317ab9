"""Each library, opened with two workers, and asked by its own best documented means.

Best is what lets the most results arrive: a future for each call where there are futures, else an
iterator that is asked for the next result after an error too.
"""

import multiprocessing
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any, NamedTuple

import taskpar

WORKERS = 2

Fn = Callable[[Any], object]


class Wish(NamedTuple):
    """How a pool is to be opened: with which initializer, and how many seconds for each call."""

    initializer: Callable[[], object] | None = None
    limit: float | None = None


class Pool(NamedTuple):
    """An open pool.

    Args:
        each: Yields what becomes of each call, in order: its result, or the exception that asking
            for it raised. It ends early where the library lets nothing more be asked for.
        stream: The same for an input which may have no end.
    """

    each: Callable[[Fn, Sequence[object]], Iterator[object]]
    stream: Callable[[Fn, Iterator[int]], Iterator[object]]


Opener = Callable[[Wish], AbstractContextManager[Pool]]


class Peer(NamedTuple):
    """A column of the table.

    Args:
        title: Its heading.
        package: What must be installed for it, and whose version is told.
        open: Opens a pool of it.
        limits: Whether it knows a time limit for a call that runs.
    """

    title: str
    package: str
    open: Opener
    limits: bool

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return find_spec(self.package.lower()) is not None


# ------------------------------------------------------------------------------ asking for results
def outcome(ask: Callable[[], object]) -> object:
    """Return what a call returns, or the exception that it raises."""
    try:
        return ask()
    except BaseException as error:  # noqa: BLE001  # whatever it is: it is an answer
        return error


def read(results: Iterator[object]) -> Iterator[object]:
    """Yield what an iterator yields and raises, to its end."""
    end = object()
    while (answer := outcome(partial(next, results, end))) is not end:
        yield answer


def ask_each(submit: Callable[[Fn, object], Callable[[], object]]) -> Callable[..., Any]:
    """Make an ``each`` of what submits one call and returns what waits for its result."""

    def each(fn: Fn, items: Sequence[object]) -> Iterator[object]:
        waiting = [outcome(partial(submit, fn, item)) for item in items]
        for wait in waiting:
            yield outcome(wait) if callable(wait) else wait

    return each


def _bound(method: Callable[..., object]) -> dict[str, Any]:
    """Ask for no more to be read ahead than taskpar does, where this Python can be asked."""
    return {"buffersize": 1000} if "buffersize" in signature(method).parameters else {}


# ------------------------------------------------------------------------------------ the libraries
def _ours(name: str) -> Opener:
    @contextmanager
    def opened(wish: Wish) -> Generator[Pool, None, None]:
        with getattr(taskpar, name)(WORKERS, initializer=wish.initializer) as executor:
            asked = executor.options(time_limit=wish.limit) if wish.limit else executor

            def answers(fn: Fn, items: Iterator[object] | Sequence[object]) -> Iterator[object]:
                return read(asked.map(fn, items))

            yield Pool(answers, answers)

    return opened


@contextmanager
def _multiprocessing(wish: Wish) -> Generator[Pool, None, None]:
    with multiprocessing.Pool(WORKERS, wish.initializer) as pool:
        words = _bound(pool.imap)
        yield Pool(
            lambda fn, items: read(pool.imap(fn, items)),
            lambda fn, items: read(pool.imap(fn, items, **words)),
        )


@contextmanager
def _concurrent_futures(wish: Wish) -> Generator[Pool, None, None]:
    with ProcessPoolExecutor(WORKERS, initializer=wish.initializer) as pool:
        words = _bound(pool.map)
        yield Pool(
            ask_each(lambda fn, item: pool.submit(fn, item).result),
            lambda fn, items: read(pool.map(fn, items, **words)),
        )


@contextmanager
def _loky(wish: Wish) -> Generator[Pool, None, None]:
    get_executor = import_module("loky").get_reusable_executor
    with get_executor(max_workers=WORKERS, initializer=wish.initializer) as pool:
        yield Pool(
            ask_each(lambda fn, item: pool.submit(fn, item).result),
            lambda fn, items: read(pool.map(fn, items)),
        )


@contextmanager
def _joblib(wish: Wish) -> Generator[Pool, None, None]:
    joblib = import_module("joblib")
    words = {"timeout": wish.limit, "initializer": wish.initializer}
    words = {name: value for name, value in words.items() if value is not None}
    with joblib.Parallel(n_jobs=WORKERS, return_as="generator", **words) as pool:

        def answers(fn: Fn, items: Iterator[object] | Sequence[object]) -> Iterator[object]:
            yield from read(pool(joblib.delayed(fn)(item) for item in items))

        yield Pool(answers, answers)


@contextmanager
def _mpire(wish: Wish) -> Generator[Pool, None, None]:
    with import_module("mpire").WorkerPool(n_jobs=WORKERS) as pool:
        words = {"worker_init": wish.initializer, "task_timeout": wish.limit}
        yield Pool(
            ask_each(lambda fn, item: pool.apply_async(fn, args=(item,), **words).get),
            # Without a length or a chunk size it makes a list of its input.
            lambda fn, items: read(pool.imap(fn, items, chunk_size=1)),
        )


@contextmanager
def _pebble(wish: Wish) -> Generator[Pool, None, None]:
    with import_module("pebble").ProcessPool(WORKERS, initializer=wish.initializer) as pool:
        yield Pool(
            ask_each(lambda fn, item: pool.schedule(fn, args=[item], timeout=wish.limit).result),
            lambda fn, items: read(pool.map(fn, items).result()),
        )


PEERS: dict[str, Peer] = {
    "process": Peer("`ProcessExecutor`", "taskpar", _ours("ProcessExecutor"), limits=True),
    "pool": Peer("`PoolExecutor`", "taskpar", _ours("PoolExecutor"), limits=True),
    "queue": Peer("`QueueExecutor`", "taskpar", _ours("QueueExecutor"), limits=True),
    "mp": Peer("multiprocessing", "multiprocessing", _multiprocessing, limits=False),
    "cf": Peer("concurrent.futures", "concurrent", _concurrent_futures, limits=False),
    "loky": Peer("loky", "loky", _loky, limits=False),
    "joblib": Peer("joblib", "joblib", _joblib, limits=True),
    "mpire": Peer("mpire", "mpire", _mpire, limits=True),
    "pebble": Peer("Pebble", "Pebble", _pebble, limits=True),
}
"""The columns, by the words of ``--executors``."""
