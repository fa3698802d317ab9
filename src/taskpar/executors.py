"""The executors by name: each is one backend, with the constructor words of the stdlib."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from taskpar._model.checks import check_callable, positive_or_none
from taskpar._system.cpus import available_cpus
from taskpar.errors import CapabilityError
from taskpar.executor import Executor

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from taskpar.backends.hiring import Hiring, WorkerWords
    from taskpar.backends.worker import Worker, current_worker

__all__ = [
    "AutoExecutor",
    "PoolExecutor",
    "ProcessExecutor",
    "QueueExecutor",
    "SerialExecutor",
    "ThreadExecutor",
    "Worker",
    "current_worker",
]

Initializer = Callable[..., object]


def __getattr__(name: str) -> object:
    """Import a worker's names when they are asked for: multiprocessing is slow to import."""
    if name in ("Worker", "current_worker"):
        from taskpar.backends import worker

        return getattr(worker, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def worker_count(max_workers: int | None) -> int:
    """Return how many workers there shall be.

    Raises:
        TypeError: ``max_workers`` is no number.
        ValueError: It is less than 1.
    """
    if max_workers is None:
        return available_cpus()
    try:
        return positive_or_none("max_workers", max_workers) or 1
    except ValueError as error:  # in the words of the standard library
        allowed = "must be greater than 0, or None"
        raise ValueError(f"max_workers {allowed}, not {max_workers}") from error


def checked(initializer: Initializer | None) -> Initializer | None:
    """Return an initializer, or none, or raise a TypeError."""
    if initializer is not None:
        check_callable("initializer", initializer)
    return initializer


_PROCESSES = "ProcessExecutor, PoolExecutor or QueueExecutor"
_WORKERS = "ProcessExecutor or QueueExecutor"
_ELSEWHERE = {
    "mp_context": _PROCESSES,
    "max_tasks_per_child": _PROCESSES,
    "max_memory_per_child": _WORKERS,
    "max_shared_bytes": _WORKERS,
    "worker_class": _WORKERS,
    "idle_timeout": "QueueExecutor",
    "preload": _WORKERS,
}
"""Words that some executors cannot do, and which can."""


def refuse(who: type[Executor], words: Mapping[str, object], known: Collection[str] = ()) -> None:
    """Refuse words that nobody knows, and what only other executors can do; None is nothing."""
    for word, value in words.items():
        if word in known:
            continue
        if word not in _ELSEWHERE:
            raise TypeError(f"{who.__name__}() got an unexpected keyword argument {word!r}")
        if value is not None:
            raise CapabilityError(f"{who.__name__} has no {word}: use {_ELSEWHERE[word]}")


def _terms(
    who: type[Executor],
    max_workers: int | None,
    mp_context: "str | BaseContext | None",
    startup: "tuple[Initializer | None, tuple[Any, ...]]",
    more: "WorkerWords",
) -> "Hiring":
    """Return what workers are made of, by the words of a constructor.

    Raises:
        TypeError: One of them is not what is allowed, or unknown.
        ValueError: Nor that.
        Exception: The initializer cannot be pickled.
    """
    from taskpar._engine.wire import pack_startup
    from taskpar.backends import hiring

    refuse(who, more, hiring.WorkerWords.__annotations__)
    initializer, initargs = startup
    packed = pack_startup(checked(initializer), initargs)
    return hiring.terms(worker_count(max_workers), mp_context, packed, more)


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
        from taskpar._engine.here import Here
        from taskpar.backends.serial import SerialBackend

        refuse(SerialExecutor, elsewhere)
        worker_count(max_workers)
        super().__init__(SerialBackend(checked(initializer), initargs), Here)


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
        from taskpar.backends.futures import OwnThreadsBackend

        refuse(ThreadExecutor, elsewhere)
        slots, prefix = worker_count(max_workers), thread_name_prefix or "taskpar-thread"
        super().__init__(OwnThreadsBackend(slots, prefix, checked(initializer), initargs))


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
        preload: As for `QueueExecutor`.
        idle_timeout: No matter: its processes are never idle.
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

        terms = _terms(ProcessExecutor, max_workers, mp_context, (initializer, initargs), more)
        if terms.most > 1:
            wrong = f"not {terms.most}: a process of ProcessExecutor runs one call"
            raise ValueError(f"max_tasks_per_child must be 1 or None, {wrong}")
        super().__init__(ProcessBackend(terms._replace(most=1)))


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
        CapabilityError: One of the others is not None.
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
        from taskpar.backends import hiring
        from taskpar.backends.pool import PoolBackend

        refuse(PoolExecutor, elsewhere)
        slots, context = worker_count(max_workers), hiring.context_of(mp_context)
        most = hiring.most_calls(max_tasks_per_child)
        super().__init__(PoolBackend(slots, context, checked(initializer), initargs, most))


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
        idle_timeout: Seconds after which a worker that has nothing to do leaves; another is started
            when there is work for it. None: it stays.
        preload: Names of modules that the fork server imports once, so that no worker has to; it
            must not be running yet. True: what this program has imported, but for what starts
            threads when it is imported. None: none. No matter under other start methods.
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

        terms = _terms(QueueExecutor, max_workers, mp_context, (initializer, initargs), more)
        super().__init__(QueueBackend(terms))


class AutoExecutor(Executor):
    """Runs calls here, in the thread that reads their results, until workers pay.

    A ``map`` starts here, a few milliseconds at a time, and measures. What is left goes to the
    workers of a `QueueExecutor` as soon as that saves more than it costs: to start them, if there
    are none yet, to send the calls, and to have their data cross. ``results.report`` tells what was
    chosen, and why. Each call is run once. Calls of `submit` go to workers: the caller does not
    wait for them.

    A call that runs here holds back the results behind it, also those of `map_unordered`; one that
    waits for another call may wait for ever, as it would in a serial loop.

    What runs here shares the caller's memory, so law L8 (own memory) cannot hold: functions must
    not rely on writing to their arguments, or on not doing so.

    Args:
        max_workers: As for `QueueExecutor`; with one worker, all calls of a ``map`` run here.
        mp_context: As for `ProcessExecutor`.
        initializer: As for `QueueExecutor`. With one, all calls go to workers.
        initargs: Its arguments.
        **more: What `QueueExecutor` takes. With a ``worker_class``, all calls go to workers.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: "str | BaseContext | None" = None,
        initializer: Initializer | None = None,
        initargs: tuple[Any, ...] = (),
        **more: "Unpack[WorkerWords]",
    ) -> None:
        from taskpar._engine.choosing import Choosing
        from taskpar.backends.queue import QueueBackend

        terms = _terms(AutoExecutor, max_workers, mp_context, (initializer, initargs), more)
        anywhere = terms.startup is None and more.get("worker_class") is None
        super().__init__(QueueBackend(terms), Choosing if anywhere else None)
