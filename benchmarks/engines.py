"""What taskpar saves on an engine that is not ours, beside that engine alone, on one local cluster.

    python benchmarks/engines.py dask
    python benchmarks/engines.py ray

Three figures, each with what it has to be: how much quicker a hundred thousand tiny calls are than
one task of the engine for each; how much quicker two thousand calls of a millisecond are than a
serial loop; how often 64 MB that are bound to a function cross. Exits with 1 if one is missed.
"""

import argparse
import importlib
import multiprocessing
import os
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import taskpar

TINY, ALONE, MIDDLING, ROUNDS = 100_000, 5_000, 2_000, 9
MEBI = 2**20


class Engine(NamedTuple):
    """An engine at work.

    Args:
        executor: Ours, in front of it.
        alone: Makes a task of the engine for each of so many calls of `abs`, and gets the results.
        crossed: Tells how many bytes of constants have been handed to the engine.
    """

    executor: taskpar.Executor
    alone: Callable[[int], object]
    crossed: Callable[[], int]


def spin(rounds: int, number: int) -> int:
    """Compute for a while."""
    for _ in range(rounds):
        number ^= 1
    return number


def rounds_of(seconds: float) -> int:
    """How many rounds take so long, when nobody disturbs."""
    least = min(seconds_of(lambda: spin(100_000, 0)) for _ in range(20))
    return int(100_000 * seconds / least)


def size_and(data: bytes, number: int) -> int:
    """Look at what is bound."""
    return len(data) + number


def seconds_of(call: Callable[[], object]) -> float:
    """Measure a call."""
    began = perf_counter()
    call()
    return perf_counter() - began


def tiny(engine: Engine) -> float:
    """How many times quicker a tiny call is than a task of the engine."""
    ours = seconds_of(lambda: list(engine.executor.map(abs, range(TINY)))) / TINY
    theirs = seconds_of(lambda: engine.alone(ALONE)) / ALONE
    print(f"a tiny call: {ours * 1e6:.1f} us, as a task of its own {theirs * 1e6:.0f} us")
    return theirs / ours


def middling(engine: Engine) -> float:
    """How many times quicker calls of a millisecond are than in a loop."""
    work = partial(spin, rounds_of(0.001))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(abs, range(2))  # they are there
        ways: list[Callable[[], object]] = [
            lambda: list(engine.executor.map(work, range(MIDDLING))),
            lambda: list(map(work, range(MIDDLING))),
            lambda: pool.map(work, range(MIDDLING), 50),
        ]
        rounds = [[seconds_of(way) for way in ways] for _ in range(ROUNDS)]
    ours, serial, bare = (float(median(times)) for times in zip(*rounds, strict=True))
    took = f"{ours:.2f} s, in a loop {serial:.2f} s, in two bare processes {bare:.2f} s"
    print(f"{MIDDLING} calls of 1 ms: {took}")
    return serial / ours


def constant(engine: Engine) -> float:
    """How often what is bound to a function is handed over, for two thousand calls."""
    before = engine.crossed()
    list(engine.executor.map(partial(size_and, bytes(64 * MEBI)), range(MIDDLING)))
    return (engine.crossed() - before) / (64 * MEBI)


def on_dask() -> Engine:
    """Dask, two workers."""
    distributed: Any = importlib.import_module("distributed")
    cluster = distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    client = distributed.Client(cluster.scheduler_address, set_as_default=False)
    sizes: list[int] = []
    scatter = distributed.Client.scatter

    def counting(client: Any, data: bytes, **options: Any) -> Any:
        sizes.append(len(data))
        return scatter(client, data, **options)

    distributed.Client.scatter = counting
    executor = taskpar.DaskExecutor(cluster.scheduler_address)
    assert executor.submit(abs, -1).result() == 1
    return Engine(
        executor,
        lambda calls: client.gather(client.map(abs, range(calls), pure=False)),
        lambda: sum(sizes) + sum(client.run(fetched).values()),
    )


def fetched(dask_worker: Any) -> int:
    """Tell how many bytes a worker of Dask has fetched from others."""
    return sum(row["total"] for row in dask_worker.transfer_incoming_log)


def plain(number: int) -> int:
    """A function that Ray takes: no builtin."""
    return abs(number)


def on_ray() -> Engine:
    """Ray, two workers."""
    ray: Any = importlib.import_module("ray")
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    sizes: list[int] = []
    put = ray.put

    def counting(data: bytes) -> Any:
        sizes.append(len(data))
        return put(data)

    ray.put = counting
    executor = taskpar.RayExecutor()
    assert executor.submit(abs, -1).result() == 1
    task = ray.remote(plain)
    return Engine(
        executor,
        lambda calls: ray.get([task.remote(number) for number in range(calls)]),
        lambda: sum(sizes),
    )


ENGINES = {"dask": on_dask, "ray": on_ray}


def main() -> None:
    """Measure, print, and say whether all is as it has to be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("engine", choices=ENGINES)
    engine = ENGINES[parser.parse_args().engine]()
    workers = len(engine.executor.workers())
    with engine.executor:
        figures = [
            ("tiny calls, beside a task for each", tiny(engine), 20.0, True),
            ("calls of 1 ms, beside a loop", middling(engine), 1.7, True),
            (f"64 MB cross, for {workers} workers", constant(engine), workers * 1.01, False),
        ]
    missed = 0
    for name, figure, bound, at_least in figures:
        good = figure >= bound if at_least else figure <= bound
        missed += not good
        sign = "at least" if at_least else "at most"
        print(f"{name}: {figure:.2f} times, to be {sign} {bound:g}{'' if good else '  MISSED'}")
    os._exit(bool(missed))  # engines may have threads that stay


if __name__ == "__main__":
    main()
