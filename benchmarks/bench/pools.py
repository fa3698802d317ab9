"""Each library, opened with two workers and nothing tuned: what its documentation shows first."""

import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import taskpar

WORKERS = 2

Fn = Callable[[Any], Any]


class Pool(NamedTuple):
    """An open pool.

    Args:
        map: Returns the results of a function for a sequence, in order.
        submit: Starts one call and returns what waits for its result; None: it has no such thing.
        stream: Maps an iterator, and yields results as they come; None: it has no such thing.
    """

    map: Callable[[Fn, Any], Iterable[Any]]
    submit: Callable[[Fn, object], Callable[[], object]] | None = None
    stream: Callable[[Fn, Iterator[Any]], Iterator[Any]] | None = None


Method = str | None
"""How workers are to be started; None: as the library does."""
Opener = Callable[[Method], AbstractContextManager[Pool]]


class Library(NamedTuple):
    """One that takes part.

    Args:
        title: Its name in tables.
        package: What must be installed for it, and whose version is told.
        module: What its users import.
        open: Opens a pool of it.
    """

    title: str
    package: str
    module: str
    open: Opener

    @property
    def ours(self) -> bool:
        """Whether it is taskpar."""
        return self.package == "taskpar"

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return find_spec(self.package.partition(".")[0].lower()) is not None


def _of_futures(executor: Any) -> Pool:
    """Whatever has the methods of ``concurrent.futures.Executor``."""
    return Pool(
        executor.map,
        lambda fn, item: executor.submit(fn, item).result,
        lambda fn, items: iter(executor.map(fn, items)),
    )


def _words(method: Method) -> dict[str, Any]:
    return {"mp_context": multiprocessing.get_context(method)} if method else {}


# --------------------------------------------------------------------------------------- taskpar's
def _ours(name: str) -> Opener:
    executor_class = getattr(taskpar, name)  # imported here, as those of others are

    @contextmanager
    def opened(method: Method) -> Generator[Pool, None, None]:
        with executor_class(WORKERS, **_words(method)) as executor:
            yield _of_futures(executor)

    return opened


# ---------------------------------------------------------------------------------------- the peers
@contextmanager
def _serial(_: Method) -> Generator[Pool, None, None]:
    def submit(fn: Fn, item: object) -> Callable[[], object]:
        result = fn(item)
        return lambda: result

    yield Pool(map, submit, map)


@contextmanager
def _multiprocessing(method: Method) -> Generator[Pool, None, None]:
    with multiprocessing.get_context(method).Pool(WORKERS) as pool:
        yield Pool(pool.map, lambda fn, item: pool.apply_async(fn, (item,)).get, pool.imap)


@contextmanager
def _concurrent_futures(method: Method) -> Generator[Pool, None, None]:
    with ProcessPoolExecutor(WORKERS, **_words(method)) as executor:
        yield _of_futures(executor)


@contextmanager
def _loky(_: Method) -> Generator[Pool, None, None]:
    with import_module("loky").get_reusable_executor(max_workers=WORKERS) as executor:
        yield _of_futures(executor)


@contextmanager
def _joblib(_: Method) -> Generator[Pool, None, None]:
    joblib = import_module("joblib")

    def stream(fn: Fn, items: Iterator[Any]) -> Iterator[Any]:
        lazily = joblib.Parallel(n_jobs=WORKERS, return_as="generator")
        return iter(lazily(joblib.delayed(fn)(item) for item in items))

    with joblib.Parallel(n_jobs=WORKERS) as pool:
        yield Pool(
            lambda fn, items: pool(joblib.delayed(fn)(item) for item in items), stream=stream
        )


@contextmanager
def _mpire(_: Method) -> Generator[Pool, None, None]:
    with import_module("mpire").WorkerPool(n_jobs=WORKERS) as pool:
        yield Pool(
            # Without this it makes one large array of arrays, which nobody asked for.
            lambda fn, items: pool.map(fn, items, concatenate_numpy_output=False),
            lambda fn, item: pool.apply_async(fn, args=(item,)).get,
            # Without a length or a chunk size it makes a list of its input.
            lambda fn, items: pool.imap(fn, items, chunk_size=1),
        )


@contextmanager
def _pebble(_: Method) -> Generator[Pool, None, None]:
    with import_module("pebble").ProcessPool(WORKERS) as pool:
        yield Pool(
            lambda fn, items: pool.map(fn, items).result(),
            lambda fn, item: pool.schedule(fn, args=[item]).result,
            lambda fn, items: pool.map(fn, items).result(),
        )


@contextmanager
def _dask(_: Method) -> Generator[Pool, None, None]:
    client = import_module("distributed").Client(
        n_workers=WORKERS, threads_per_worker=1, dashboard_address=None
    )
    with client:
        yield Pool(
            lambda fn, items: client.gather(client.map(fn, list(items), pure=False)),
            lambda fn, item: client.submit(fn, item, pure=False).result,
        )


@contextmanager
def _ray(_: Method) -> Generator[Pool, None, None]:
    ray = import_module("ray")
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)

    def submit(fn: Fn, item: object) -> Callable[[], object]:
        reference = ray.remote(fn).remote(item)
        return lambda: ray.get(reference)

    def map_(fn: Fn, items: Sequence[Any]) -> Iterable[Any]:
        remote = ray.remote(fn)
        return ray.get([remote.remote(item) for item in items])  # type: ignore[no-any-return]

    try:
        yield Pool(map_, submit)
    finally:
        ray.shutdown()


LIBRARIES: dict[str, Library] = {
    "serial": Library("serial", "taskpar", "", _serial),
    "queue": Library("`QueueExecutor`", "taskpar", "taskpar", _ours("QueueExecutor")),
    "auto": Library("`AutoExecutor`", "taskpar", "taskpar", _ours("AutoExecutor")),
    "pool": Library("`PoolExecutor`", "taskpar", "taskpar", _ours("PoolExecutor")),
    "process": Library("`ProcessExecutor`", "taskpar", "taskpar", _ours("ProcessExecutor")),
    "thread": Library("`ThreadExecutor`", "taskpar", "taskpar", _ours("ThreadExecutor")),
    "mp": Library("multiprocessing", "multiprocessing", "multiprocessing.pool", _multiprocessing),
    "cf": Library(
        "concurrent.futures", "concurrent", "concurrent.futures.process", _concurrent_futures
    ),
    "loky": Library("loky", "loky", "loky", _loky),
    "joblib": Library("joblib", "joblib", "joblib", _joblib),
    "mpire": Library("mpire", "mpire", "mpire", _mpire),
    "pebble": Library("Pebble", "Pebble", "pebble", _pebble),
    "dask": Library("Dask", "distributed", "distributed", _dask),
    "ray": Library("Ray", "ray", "ray", _ray),
}
"""All that take part, by the words of ``--contenders``."""

COMPARED = "queue"
"""Which of ours has targets, and sets the pace."""

OURS = (COMPARED, "auto", "pool", "process", "thread")
PEERS = ("mp", "cf", "loky", "joblib", "mpire", "pebble", "dask", "ray")
