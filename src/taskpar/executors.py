"""The executors by name: each is one backend, with the constructor words of the stdlib."""

import concurrent.futures
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from taskpar._model.checks import check_callable, count_or_none, positive_int, positive_or_none
from taskpar._system.cpus import available_cpus, waitable
from taskpar.errors import CapabilityError
from taskpar.executor import Executor

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from taskpar.backends.link import Hiring
    from taskpar.backends.worker import Worker, current_worker

__all__ = [
    "PoolExecutor",
    "ProcessExecutor",
    "QueueExecutor",
    "SerialExecutor",
    "ThreadExecutor",
    "Worker",
    "current_worker",
]

Initializer = Callable[..., object]
MemoryLimit = int | tuple[int, int] | None


def __getattr__(name: str) -> object:
    """Import a worker's names when they are asked for: multiprocessing is slow to import."""
    if name in ("Worker", "current_worker"):
        from taskpar.backends import worker

        return getattr(worker, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _count(max_workers: int | None) -> int:
    if max_workers is None:
        return available_cpus()
    try:
        return positive_or_none("max_workers", max_workers) or 1
    except ValueError as error:  # in the words of the standard library
        allowed = "must be greater than 0, or None"
        raise ValueError(f"max_workers {allowed}, not {max_workers}") from error


def _checked(initializer: Initializer | None) -> Initializer | None:
    if initializer is not None:
        check_callable("initializer", initializer)
    return initializer


def _most(max_tasks_per_child: int | None) -> int:
    return positive_or_none("max_tasks_per_child", max_tasks_per_child) or 0


def _worker_class(worker_class: "type[Worker] | None") -> "type[Worker]":
    from taskpar.backends.worker import Worker

    if worker_class is None:
        return Worker
    given: object = worker_class  # whatever the annotation promises
    if not (isinstance(given, type) and issubclass(given, Worker)):
        raise TypeError(f"worker_class must be a subclass of taskpar.Worker, not {worker_class!r}")
    return worker_class


def _context(mp_context: "str | BaseContext | None") -> "BaseContext":
    """Return a context of multiprocessing: the one asked for, else forkserver, else spawn."""
    import multiprocessing
    from multiprocessing.context import BaseContext

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


def _startup(initializer: Initializer | None, initargs: tuple[Any, ...]) -> bytes | None:
    """Return the initializer as workers get it.

    Raises:
        TypeError: It cannot be called.
        Exception: It cannot be pickled.
    """
    from taskpar._engine.wire import pack_startup

    return pack_startup(_checked(initializer), initargs)


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
    from taskpar._system import memory

    given = count_or_none("max_shared_bytes", most)
    return memory.total() // 4 if given is None else given


class WorkerWords(TypedDict, total=False):
    """What the constructors of `ProcessExecutor` and `QueueExecutor` take besides; see there."""

    max_tasks_per_child: int | None
    max_memory_per_child: MemoryLimit
    max_shared_bytes: int | None
    worker_class: "type[Worker] | None"


def _hiring(
    slots: int, mp_context: "str | BaseContext | None", startup: bytes | None, more: WorkerWords
) -> "Hiring":
    from taskpar.backends.link import Hiring

    most = _most(more.get("max_tasks_per_child"))
    memory, _ = _memory(more.get("max_memory_per_child"))
    context, cls = _context(mp_context), _worker_class(more.get("worker_class"))
    shared = _shared(more.get("max_shared_bytes"))
    return Hiring(context, cls, startup, most, memory, waitable(slots), shared)


_PROCESSES = "ProcessExecutor, PoolExecutor or QueueExecutor"
_WORKERS = "ProcessExecutor or QueueExecutor"
_ELSEWHERE = {
    "mp_context": _PROCESSES,
    "max_tasks_per_child": _PROCESSES,
    "max_memory_per_child": _WORKERS,
    "max_shared_bytes": _WORKERS,
    "worker_class": _WORKERS,
}
"""Words that some executors cannot do, and which can."""


def _refuse(who: type[Executor], words: Mapping[str, object], known: Collection[str] = ()) -> None:
    """Refuse words that nobody knows, and what only other executors can do; None is nothing."""
    for word, value in words.items():
        if word in known:
            continue
        if word not in _ELSEWHERE:
            raise TypeError(f"{who.__name__}() got an unexpected keyword argument {word!r}")
        if value is not None:
            raise CapabilityError(f"{who.__name__} has no {word}: use {_ELSEWHERE[word]}")


class SerialExecutor(Executor):
    """Runs each call here and now, in the thread that wants its result: the reference.

    A call of `submit` has run when `submit` returns. A call of a `map` runs when its result is
    asked for, or when the executor is shut down, whichever comes first.

    Args:
        max_workers: Checked, so that executors can be exchanged; there is one worker.
        initializer: Called once, before the first call.
        initargs: Its arguments.
        **elsewhere: What only executors with processes can do, as None.

    Raises:
        CapabilityError: Any of these is not None.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        initializer: Initializer | None = None,
        initargs: tuple[Any, ...] = (),
        **elsewhere: None,
    ) -> None:
        from taskpar.backends.serial import SerialBackend

        _refuse(SerialExecutor, elsewhere)
        _count(max_workers)
        super().__init__(SerialBackend(_checked(initializer), initargs))


class ThreadExecutor(Executor):
    """Runs calls in threads of this process: for code that waits, or that frees the GIL.

    Threads share their memory with the caller, so law L8 (own memory) cannot hold here.

    Args:
        max_workers: How many threads; None: as many as `available_cpus`.
        thread_name_prefix: How their names begin.
        initializer: Called in each of them before its first call.
        initargs: Its arguments.
        **elsewhere: What only executors with processes can do, as None.

    Raises:
        CapabilityError: Any of these is not None.

    Source: `concurrent.futures.ThreadPoolExecutor`, on which it runs.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Initializer | None = None,
        initargs: tuple[Any, ...] = (),
        **elsewhere: None,
    ) -> None:
        from taskpar.backends.futures import FuturesBackend

        _refuse(ThreadExecutor, elsewhere)
        slots = _count(max_workers)

        def make(initialize: Callable[[], None]) -> concurrent.futures.Executor:
            return concurrent.futures.ThreadPoolExecutor(
                slots, thread_name_prefix or "taskpar-thread", initialize
            )

        super().__init__(FuturesBackend(make, slots, _checked(initializer), initargs))


class ProcessExecutor(Executor):
    """Runs each call in a fresh process of its own, named after its task.

    Args:
        max_workers: How many processes at once; None: as many as `available_cpus`. On Windows,
            before Python 3.13, more than 15 are taken for 15.
        mp_context: A start method (``"forkserver"``, ``"spawn"``, ``"fork"``) or a context of
            multiprocessing; None: forkserver, or spawn where there is none.
        initializer: Called in each process before its call.
        initargs: Its arguments.
        max_tasks_per_child: 1, if anything: a process runs one call.
        max_memory_per_child: As for `QueueExecutor`; only the second of a pair makes a difference.
        max_shared_bytes: As for `QueueExecutor`.
        worker_class: The `Worker` to start; None: `Worker` itself.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: "str | BaseContext | None" = None,
        initializer: Initializer | None = None,
        initargs: tuple[Any, ...] = (),
        **more: "Unpack[WorkerWords]",
    ) -> None:
        from taskpar.backends.process import ProcessBackend

        _refuse(ProcessExecutor, more, WorkerWords.__annotations__)
        most = _most(more.get("max_tasks_per_child"))
        if most > 1:
            wrong = f"not {most}: a process of ProcessExecutor runs one call"
            raise ValueError(f"max_tasks_per_child must be 1 or None, {wrong}")
        startup = _startup(initializer, initargs)
        hiring = _hiring(_count(max_workers), mp_context, startup, more)
        _, hard = _memory(more.get("max_memory_per_child"))
        super().__init__(ProcessBackend(hiring._replace(most=1), hard))


class PoolExecutor(Executor):
    """Runs calls on a `multiprocessing.Pool`.

    Args:
        max_workers: How many processes; None: as many as `available_cpus`.
        mp_context: As for `ProcessExecutor`.
        initializer: Called in each process before its first call.
        initargs: Its arguments.
        max_tasks_per_child: Calls after which a process is replaced; None: never.
        **elsewhere: What only `ProcessExecutor` and `QueueExecutor` can do, as None.

    Raises:
        CapabilityError: ``max_memory_per_child``, ``max_shared_bytes`` or ``worker_class`` is not
            None.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: "str | BaseContext | None" = None,
        initializer: Initializer | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        **elsewhere: None,
    ) -> None:
        from taskpar.backends.pool import PoolBackend

        _refuse(PoolExecutor, elsewhere)
        slots, context = _count(max_workers), _context(mp_context)
        most = _most(max_tasks_per_child)
        super().__init__(PoolBackend(slots, context, _checked(initializer), initargs, most))


class QueueExecutor(Executor):
    """Runs calls on persistent workers, each fed and heard on queues of its own: the default.

    Args:
        max_workers: How many processes; None: as many as `available_cpus`. On Windows, before
            Python 3.13, more than 15 are taken for 15.
        mp_context: As for `ProcessExecutor`.
        initializer: Called in each process before its first call.
        initargs: Its arguments.
        max_tasks_per_child: Calls after which a process is replaced; None: never.
        max_memory_per_child: Bytes of resident memory above which a process is replaced between
            two calls; a pair: the second is what it is killed above, within a call, which then
            raises `WorkerDiedError`. None: no bound.
        max_shared_bytes: Bytes of memory, shared with the workers, in which arrays and other data
            from 64 KB up lie on their way; what finds no room goes through a pipe. None: a quarter
            of what the machine or the container has.
        worker_class: The `Worker` to start; None: `Worker` itself.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: "str | BaseContext | None" = None,
        initializer: Initializer | None = None,
        initargs: tuple[Any, ...] = (),
        **more: "Unpack[WorkerWords]",
    ) -> None:
        from taskpar.backends.queue import QueueBackend

        _refuse(QueueExecutor, more, WorkerWords.__annotations__)
        startup = _startup(initializer, initargs)
        hiring = _hiring(_count(max_workers), mp_context, startup, more)
        _, hard = _memory(more.get("max_memory_per_child"))
        super().__init__(QueueBackend(hiring, hard))
