"""The executors under test: how each is made, and those that tests share for a whole session."""

import importlib.util
import multiprocessing
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

from rig.engines import OTHERS, STANDARD, WANTED
from rig.leaks import Resource, resources
from taskpar import (
    AutoExecutor,
    Executor,
    PoolExecutor,
    ProcessExecutor,
    QueueExecutor,
    SerialExecutor,
    ThreadExecutor,
)
from taskpar._engine.choosing import Choosing
from taskpar._engine.core import Core
from taskpar._system import lifeline


class _Restless(Choosing):
    """Hands over after so many calls, whatever they cost: after none, then after one, ..."""

    _number_of_them = count()

    def _begin(self) -> None:
        self._patience = next(self._number_of_them) % 7
        super()._begin()

    def next_block(self, deadline: float) -> tuple[list[Any], bool]:
        if self._delivered >= self._patience:
            self.hand_over()
        return super().next_block(deadline)


class RestlessExecutor(AutoExecutor):
    """An `AutoExecutor` that does not look at what pays, so that every way to go is gone."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._core = Core(self._core.engine.backend, _Restless)


CLASSES: dict[str, type[Executor]] = {
    "serial": SerialExecutor,
    "thread": ThreadExecutor,
    "process": ProcessExecutor,
    "pool": PoolExecutor,
    "queue": QueueExecutor,
    "auto": RestlessExecutor,
    **STANDARD,
    **OTHERS,
}
INTERPRETER = "interpreter"
KINDS = ("serial", "thread", "process", "pool", "queue")
PROCESS_KINDS = ("process", "pool", "queue")
LAW_KINDS = tuple(WANTED) or (*KINDS, "auto", *STANDARD)
"""Those that the laws are tested on: also what is in front of an engine that is not ours."""

_wanted = tuple(kind for kind in WANTED if kind != "futures-threads")
OWN_MEMORY_KINDS = _wanted if WANTED else (*PROCESS_KINDS, "futures-processes")


def _is_there(method: str) -> bool:
    # Not `get_all_start_methods`: it asks for the default, for which newer Pythons make a temporary
    # file. A worker that imports this and is killed meanwhile would leave it.
    with suppress(ValueError):
        return bool(multiprocessing.get_context(method))
    return False


START_METHODS = tuple(filter(_is_there, ("fork", "forkserver", "spawn")))


@dataclass(frozen=True)
class Bench:
    """An executor to be made: its kind, how many workers, how they start."""

    kind: str
    workers: int = 2
    start: str | None = None

    def make(self, **options: Any) -> Executor:
        """A new executor, with ``options`` of its own."""
        if self.start is not None:
            options["mp_context"] = self.start
        return CLASSES[self.kind](self.workers, **options)

    @property
    def in_processes(self) -> bool:
        """Whether its tasks have their own memory."""
        return self.kind in PROCESS_KINDS

    def __str__(self) -> str:
        return "-".join(str(part) for part in (self.kind, self.workers, self.start) if part)


def benches(kinds: tuple[str, ...] = KINDS, workers: int = 2) -> list[Bench]:
    """Every kind, those that start processes once for each start method."""
    return [
        Bench(kind, workers, start)
        for kind in kinds
        for start in (START_METHODS if kind in PROCESS_KINDS else (None,))
    ]


def quick(kind: str) -> Bench:
    """Choose the bench for the properties, which make hundreds of calls.

    A fresh process for each of them is affordable by fork alone; law L6 has its own benches, of
    every start method.
    """
    return Bench(kind, 2, START_METHODS[0] if kind == "process" else None)


def is_of_engines(thing: Resource) -> bool:
    """Tell whether engines keep such a thing: threads, sockets, the folder of Ray's logs."""
    return thing.kind in ("thread", "descriptor") or thing.key == ("ray",)


def of_engines(*, alive: bool = False) -> frozenset[Resource]:
    """What engines that are not ours start and open whenever they like, if the laws are on some.

    Some of it they keep as long as they are imported. While they are alive they start workers, too.
    """
    if not OTHERS.keys() & set(WANTED):
        return frozenset()
    found = resources()
    ray = ("ray::", "/ray/_private/workers/")
    workers = {each for each in found if any(word in each.label for word in ray)}
    return frozenset(filter(is_of_engines, found)) | (workers if alive else set())


class SharedExecutors:
    """Executors that live from their first use to the end of the session.

    Starting workers for each example of each property would take most of the time of the tests.
    What a warm executor holds is known, and is no leak of the test that came first.
    """

    def __init__(self) -> None:
        self._live: dict[Bench, Executor] = {}
        self._held: frozenset[Resource] = frozenset()

    def of(self, bench: Bench) -> Executor:
        """The shared executor of this bench, all its workers started."""
        if bench.kind != INTERPRETER:
            self.end_interpreters()
        if bench not in self._live:
            before = resources()
            self._live[bench] = executor = bench.make()
            _start_all_workers(executor, bench.workers)
            self._held |= resources() - before
        return self._live[bench]

    def end_interpreters(self) -> None:
        """End those that run on sub-interpreters: Python cannot fork beside them."""
        for bench in [bench for bench in self._live if bench.kind == INTERPRETER]:
            self._live.pop(bench).shutdown()

    def held(self) -> frozenset[Resource]:
        """What belongs to the executors that are alive."""
        return self._held | of_engines(alive=True)

    def forget_constants(self) -> None:
        """Let go what they keep of functions for the next map: it is no leak either."""
        for executor in self._live.values():
            executor._core.engine._actor._constants.clear()

    def shutdown(self) -> None:
        """End them all; what they held is a leak from now on."""
        for executor in self._live.values():
            executor.shutdown()
        self._live.clear()
        self._held = frozenset()


def _start_all_workers(executor: Executor, workers: int) -> None:
    """Occupy every worker at once, so that a lazy executor has to start each of them."""
    naps = [executor.submit(time.sleep, 0.2) for _ in range(workers)]
    for nap in naps:
        nap.result()
    assert list(executor.map(abs, range(-workers, 0))) == list(range(workers, 0, -1))
    trying = executor.options(retries=1, retry_delay=0.001, on_error="return")
    assert type(trying.submit(int, "x").result()) is ValueError  # the alarm has a thread by now


def start_the_services() -> None:
    """Start what multiprocessing, taskpar and uvloop start once for a process, and keep.

    The fork server, the resource tracker and their pipes are there from now on, and the line on
    which workers hang.
    """
    lifeline.read_end()
    if importlib.util.find_spec("uvloop") is not None:
        import uvloop

        uvloop.new_event_loop().close()  # libuv keeps a pipe for the signals of the process
    if "loky" in WANTED:
        OTHERS["loky"](1).shutdown()  # its resource tracker, which it keeps
    for start in START_METHODS:
        with Bench("queue", 1, start).make() as executor:
            assert executor.submit(abs, -1).result() == 1
