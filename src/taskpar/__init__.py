"""taskpar: run ordinary functions in parallel, and get exactly what the serial program gives."""

TYPE_CHECKING = False
"""True for type checkers, as they know the name; to import it from typing takes milliseconds."""

if TYPE_CHECKING:
    from taskpar._engine.async_results import AsyncResults
    from taskpar._engine.backend import WorkerInfo
    from taskpar._engine.results import Results
    from taskpar._model.counter import SharedCounter
    from taskpar._model.options import Options
    from taskpar._model.outcome import Record, record_of
    from taskpar._model.partial import Placeholder, partial
    from taskpar._model.retrying import backoff
    from taskpar._model.stats import Stats
    from taskpar._model.task import Task, call
    from taskpar._system.cpus import available_cpus
    from taskpar.ambient import use
    from taskpar.decorator import Parallel, parallel
    from taskpar.engines import (
        DaskExecutor,
        FuturesExecutor,
        InterpreterExecutor,
        RayExecutor,
    )
    from taskpar.errors import (
        CapabilityError,
        CrossingError,
        DescribedError,
        ExecutorClosedError,
        InitializerError,
        TaskparError,
        TaskTimeoutError,
        WorkerDiedError,
    )
    from taskpar.executor import Executor
    from taskpar.executors import (
        AutoExecutor,
        PoolExecutor,
        ProcessExecutor,
        QueueExecutor,
        SerialExecutor,
        ThreadExecutor,
        Worker,
        current_worker,
    )
    from taskpar.opening import open_executor

__version__ = "0.1.0"

__all__ = [
    "AsyncResults",
    "AutoExecutor",
    "CapabilityError",
    "CrossingError",
    "DaskExecutor",
    "DescribedError",
    "Executor",
    "ExecutorClosedError",
    "FuturesExecutor",
    "InitializerError",
    "InterpreterExecutor",
    "Options",
    "Parallel",
    "Placeholder",
    "PoolExecutor",
    "ProcessExecutor",
    "QueueExecutor",
    "RayExecutor",
    "Record",
    "Results",
    "SerialExecutor",
    "SharedCounter",
    "Stats",
    "Task",
    "TaskTimeoutError",
    "TaskparError",
    "ThreadExecutor",
    "Worker",
    "WorkerDiedError",
    "WorkerInfo",
    "available_cpus",
    "backoff",
    "call",
    "current_worker",
    "open_executor",
    "parallel",
    "partial",
    "record_of",
    "use",
]

_HOMES = {
    "_engine.async_results": "AsyncResults",
    "_engine.backend": "WorkerInfo",
    "_engine.results": "Results",
    "_model.counter": "SharedCounter",
    "_model.options": "Options",
    "_model.outcome": "Record record_of",
    "_model.partial": "Placeholder partial",
    "_model.retrying": "backoff",
    "_model.stats": "Stats",
    "_model.task": "Task call",
    "_system.cpus": "available_cpus",
    "ambient": "use",
    "decorator": "Parallel parallel",
    "engines": "DaskExecutor FuturesExecutor InterpreterExecutor RayExecutor",
    "errors": "CapabilityError CrossingError DescribedError ExecutorClosedError InitializerError "
    "TaskparError TaskTimeoutError WorkerDiedError",
    "executor": "Executor",
    "executors": "AutoExecutor PoolExecutor ProcessExecutor QueueExecutor SerialExecutor "
    "ThreadExecutor Worker current_worker",
    "opening": "open_executor",
}
"""Where the names above are at home: the same as what type checkers read at the top.

No module has the name of a function here: it would take its place when it is imported.
"""


def __getattr__(name: str) -> object:
    """Import a name's module when it is asked for: a program that only imports us pays nothing."""
    for module, names in _HOMES.items():
        if name in names.split():
            from importlib import import_module

            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found  # the next time it is simply there
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
