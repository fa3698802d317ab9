"""What workers are made of, and the words of constructors that say so, checked."""

import multiprocessing
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from multiprocessing.context import BaseContext
from typing import NamedTuple, TypedDict

from taskpar._model.checks import (
    check_iterable,
    count_or_none,
    positive_int,
    positive_or_none,
    positive_seconds_or_none,
)
from taskpar._system import memory
from taskpar._system.cpus import waitable
from taskpar.backends.worker import Worker

MemoryLimit = int | tuple[int, int] | None


class Hiring(NamedTuple):
    """What all workers of a backend are made of.

    Args:
        context: How to start a process.
        worker_class: The `Worker` to run.
        startup: The pickled initializer; None where there is none.
        most: How many calls a worker may run; 0: no bound.
        memory: Bytes of resident memory with which it ends, and is killed; 0: no bound.
        slots: How many workers there may be: among so many the processors are shared.
        shared: Bytes of memory in which what is big lies: half of it for what goes to workers, half
            for what comes from all of them.
        idle: Seconds after which a worker that has nothing to do leaves; 0: it stays.
        preload: Modules that a fork server imports before it makes workers.
    """

    context: BaseContext
    worker_class: type[Worker]
    startup: bytes | None
    most: int
    memory: tuple[int, int]
    slots: int
    shared: int = 0
    idle: float = 0.0
    preload: tuple[str, ...] = ()


class WorkerWords(TypedDict, total=False):
    """What the constructors of `ProcessExecutor` and `QueueExecutor` take besides; see there."""

    max_tasks_per_child: int | None
    max_memory_per_child: MemoryLimit
    max_shared_bytes: int | None
    worker_class: type[Worker] | None
    idle_timeout: float | None
    preload: bool | Iterable[str] | None


def terms(
    slots: int, mp_context: "str | BaseContext | None", startup: bytes | None, words: WorkerWords
) -> Hiring:
    """Check the words of a constructor.

    Raises:
        TypeError: One of them is not what is allowed.
        ValueError: Nor that.
    """
    return Hiring(
        context_of(mp_context),
        _worker_class(words.get("worker_class")),
        startup,
        most_calls(words.get("max_tasks_per_child")),
        _memory(words.get("max_memory_per_child")),
        waitable(slots),
        _shared(words.get("max_shared_bytes")),
        positive_seconds_or_none("idle_timeout", words.get("idle_timeout")) or 0.0,
        _preload(words.get("preload")),
    )


def most_calls(max_tasks_per_child: int | None) -> int:
    """Return how many calls a worker may run; 0: no bound."""
    return positive_or_none("max_tasks_per_child", max_tasks_per_child) or 0


def _worker_class(given: object) -> type[Worker]:
    if given is None:
        return Worker
    if not (isinstance(given, type) and issubclass(given, Worker)):
        raise TypeError(f"worker_class must be a subclass of taskpar.Worker, not {given!r}")
    return given


def context_of(mp_context: "str | BaseContext | None") -> BaseContext:
    """Return a context of multiprocessing: the one asked for, else forkserver, else spawn."""
    methods = multiprocessing.get_all_start_methods()
    if mp_context is None:
        return multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if isinstance(mp_context, BaseContext):
        return multiprocessing.get_context(mp_context.get_start_method())
    allowed = f"mp_context must be one of {methods}, a multiprocessing context, or None"
    if not isinstance(mp_context, str):
        raise TypeError(f"{allowed}, not {mp_context!r}")
    if mp_context not in methods:
        raise ValueError(f"{allowed}, not {mp_context!r}")
    return multiprocessing.get_context(mp_context)


def _memory(limit: MemoryLimit) -> tuple[int, int]:
    """Return the bytes above which a worker is replaced, and killed; 0: never."""
    name = "max_memory_per_child"
    if limit is None:
        return 0, 0
    if not isinstance(limit, tuple):
        return positive_int(name, limit), 0
    if len(limit) != 2:
        raise ValueError(f"{name} must be a number of bytes, two of them, or None, not {limit!r}")
    soft, hard = (positive_int(f"{name}[{place}]", each) for place, each in enumerate(limit))
    if hard < soft:
        raise ValueError(f"{name} must be a pair of which the second is no less, not {limit!r}")
    return soft, hard


def _shared(most: int | None) -> int:
    """Return the bytes of memory in which big data may lie on its way; a quarter of what there is.

    Nothing of it is taken before it is used.
    """
    given = count_or_none("max_shared_bytes", most)
    return memory.total() // 4 if given is None else given


def _preload(names: bool | Iterable[str] | None) -> tuple[str, ...]:
    """Return the modules that a fork server is to import; True: those that are imported here."""
    if names is None or isinstance(names, bool):
        return _imported() if names else ()
    check_iterable("preload", names)
    found = (names,) if isinstance(names, str) else tuple(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"preload must be True, None or names of modules, not {name!r}")
        if sys.modules.get(name) is None and find_spec(name) is None:
            raise ValueError(f"preload must be names of modules that can be found, not {name!r}")
    return found


_NOT_TO_BE_FORKED = frozenset(("grpc", "jax", "tensorflow", "torch", "cupy", "pyarrow"))
"""Packages that start threads, or open devices, when they are imported: a fork loses those."""


def _imported() -> tuple[str, ...]:
    """Return the packages that are imported here, can be found, and bear being forked."""
    tops = [name for name in list(sys.modules) if "." not in name]
    return tuple(
        name
        for name in tops
        if name not in _NOT_TO_BE_FORKED
        and name not in sys.builtin_module_names
        and name != "__main__"
        and getattr(sys.modules.get(name), "__spec__", None) is not None
    )
