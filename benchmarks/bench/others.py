"""What is no map of one pool: imports, starts, the counter, deaths, and several at once."""

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import taskpar

from . import tasks
from .limit import lean
from .pools import LIBRARIES, WORKERS, Library, Opener
from .workload import WORKLOADS, Figures, Run, Target, Workload, seconds

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

COUNTS = 200_000
ITEMS = 200
TOGETHER = 8
CALLS = 400_000


def _register(key: str, title: str, target: Target, **runs: Run) -> None:
    able = {name: run for name, run in runs.items() if _installed(name)}
    WORKLOADS[key] = Workload(title, able, target)


def _installed(name: str) -> bool:
    return name not in LIBRARIES or LIBRARIES[name].installed


# -------------------------------------------------------------------------------- before anything
PROBE = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
NAMES = "from taskpar import parallel, QueueExecutor"


def _import(statement: str) -> Iterator[Figures]:
    """Measure an import in a bare interpreter, after one that compiles."""
    command = [sys.executable, "-c", PROBE.format(statement)]
    done = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(2)]
    yield {"seconds": float(done[-1].stdout)}


imports: dict[str, Run] = {
    name: partial(_import, f"import {library.module}")
    for name, library in LIBRARIES.items()
    if library.module and name not in ("pool", "process", "thread")
}
_register("import", "the import, in a bare interpreter", Target(peer=0.5), **imports)
imports |= {name: partial(_import, NAMES) for name in imports if LIBRARIES[name].ours}
_register("import-names", "the same, of ours with names that are used", Target(), **imports)


# ------------------------------------------------------------------------------------------- starts
def _start(opener: Opener, method: str | None, *modules: str) -> Iterator[Figures]:
    """Measure from nothing to the first result, and until both workers have brought one.

    What has to be imported is there: what that takes, the rows above tell.
    """
    for module in modules:
        import_module(module)
    begin = time.perf_counter()
    with opener(method) as pool:
        list(pool.map(tasks.double, [1]))
        yield {"first": time.perf_counter() - begin}
        seen: set[int] = set()
        while len(seen) < WORKERS:
            seen |= {pid for pid, _, _ in pool.map(tasks.work, [1.0] * WORKERS)}
        yield {"seconds": time.perf_counter() - begin}


_QUEUE = ("taskpar._engine.constant", "taskpar._engine.core", "taskpar.backends.queue")
_POOL = ("taskpar._engine.constant", "taskpar._engine.core", "taskpar.backends.pool")


_register(
    "start-fresh",
    "from nothing to results of both workers, which are fresh interpreters",
    Target(peer=0.45, to="loky"),
    queue=partial(_start, LIBRARIES["queue"].open, None, *_QUEUE),
    pool=partial(_start, LIBRARIES["pool"].open, None, *_POOL),
    mp=partial(_start, LIBRARIES["mp"].open, "forkserver"),
    cf=partial(_start, LIBRARIES["cf"].open, "forkserver"),
    loky=partial(_start, LIBRARIES["loky"].open, None, "loky"),
    joblib=partial(_start, LIBRARIES["joblib"].open, None, "joblib"),
)
_register(
    "start-fork",
    "the same where they are forks of the caller",
    Target(peer=1.3, to="cf"),
    queue=partial(_start, LIBRARIES["queue"].open, "fork", *_QUEUE),
    pool=partial(_start, LIBRARIES["pool"].open, "fork", *_POOL),
    mp=partial(_start, LIBRARIES["mp"].open, "fork"),
    cf=partial(_start, LIBRARIES["cf"].open, "fork"),
    limit=partial(_start, lean(1), None),
)


# ---------------------------------------------------------------------------------------- a counter
def _add(add: Callable[[], object]) -> float:
    """Count, and return how long that took."""
    return seconds(lambda: [add() for _ in range(COUNTS)])


def _value_add(value: "Synchronized[int]") -> None:
    with value.get_lock():
        value.value += 1


def _in_two_processes(add: Callable[[], object]) -> Iterator[Figures]:
    """Count in two forked processes at once; yield what one call takes."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    workers = [context.Process(target=lambda: queue.put(_add(add))) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    taken = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    yield {"seconds": max(taken) / (WORKERS * COUNTS)}


def _our_counter() -> Iterator[Figures]:
    counter = taskpar.SharedCounter()
    yield from _in_two_processes(counter.add)
    assert counter.value == WORKERS * COUNTS


def _value() -> Iterator[Figures]:
    value = multiprocessing.get_context("fork").Value("q", 0)
    yield from _in_two_processes(partial(_value_add, value))
    assert value.value == WORKERS * COUNTS


_register(
    "counter",
    "a counter that two processes count up, one step",
    Target(peer=1 / 8),
    queue=_our_counter,
    mp=_value,
)


# ------------------------------------------------------------------------------------------ a death
def _deadly(library: Library) -> Iterator[Figures]:
    """Let a worker be killed once; the time counts only if all results arrive."""
    with tempfile.TemporaryDirectory() as folder, library.open(None) as pool:
        list(pool.map(tasks.nap, [0.01] * 2 * WORKERS))
        yield _with_a_death(pool.map, folder)


def _survives() -> Iterator[Figures]:
    with taskpar.QueueExecutor(WORKERS) as executor, tempfile.TemporaryDirectory() as folder:
        list(executor.map(tasks.nap, [0.01] * 2 * WORKERS))
        again = executor.options(retries=1, retry_on=taskpar.WorkerDiedError)
        yield _with_a_death(again.map, folder)


def _with_a_death(map_: Callable[..., Iterable[int]], folder: str) -> Figures:
    fn = partial(tasks.killed_once, str(Path(folder, "marker")))
    results: list[int] = []
    taken = seconds(lambda: results.extend(map_(fn, range(ITEMS))))
    return {"seconds": taken, "results": len(results)}


_register(
    "killed",
    f"{ITEMS} calls of 10 ms, a worker is killed in the middle, all results",
    Target(most=1.2),
    queue=_survives,
    **{
        name: partial(_deadly, LIBRARIES[name])
        for name in ("mp", "cf", "loky", "joblib", "mpire", "pebble", "dask", "ray")
    },
)


# ---------------------------------------------------------------------------------- several at once
def _map_some(executor: taskpar.Executor, calls: int) -> None:
    assert len(list(executor.map(tasks.square, range(calls)))) == calls


def _alone() -> Iterator[Figures]:
    with taskpar.QueueExecutor(WORKERS) as executor:
        _map_some(executor, 1_000)
        yield {"seconds": seconds(lambda: _map_some(executor, CALLS))}


def _threads() -> Iterator[Figures]:
    with taskpar.QueueExecutor(WORKERS) as executor, ThreadPoolExecutor(TOGETHER) as threads:
        _map_some(executor, 1_000)
        shares = [CALLS // TOGETHER] * TOGETHER
        yield {"seconds": seconds(lambda: list(threads.map(partial(_map_some, executor), shares)))}


def _two() -> Iterator[Figures]:
    with (
        taskpar.QueueExecutor(WORKERS) as one,
        taskpar.QueueExecutor(WORKERS) as other,
        ThreadPoolExecutor(2) as threads,
    ):
        both = [one, other]
        for executor in both:
            _map_some(executor, 1_000)
        yield {"seconds": seconds(lambda: list(threads.map(_map_some, both, [CALLS // 2] * 2)))}


_register(
    "threads",
    f"{CALLS:,} calls of {TOGETHER} threads at once; the limit: of one thread",
    Target(limit=1.1),
    queue=_threads,
    limit=_alone,
)
_register(
    "two-executors",
    f"{CALLS:,} calls of two executors at once; the limit: of one",
    Target(limit=1.1),
    queue=_two,
    limit=_alone,
)
