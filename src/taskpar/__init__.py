"""taskpar: run ordinary functions in parallel, and get exactly what the serial program gives."""

from typing import TYPE_CHECKING

from taskpar._engine.backend import WorkerInfo
from taskpar._engine.results import Results
from taskpar._model.options import Options
from taskpar._model.outcome import Record, record_of
from taskpar._model.partial import Placeholder, partial
from taskpar._model.retrying import backoff
from taskpar._model.stats import Stats
from taskpar._model.task import Task, call
from taskpar._system.cpus import available_cpus
from taskpar.ambient import use
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
)
from taskpar.opening import open_executor
from taskpar.parallel import Parallel, parallel

if TYPE_CHECKING:
    from taskpar._engine.async_results import AsyncResults
    from taskpar._model.counter import SharedCounter
    from taskpar.executors import Worker, current_worker

__version__ = "0.1.0"

__all__ = [
    "AsyncResults",
    "AutoExecutor",
    "CapabilityError",
    "CrossingError",
    "DescribedError",
    "Executor",
    "ExecutorClosedError",
    "InitializerError",
    "Options",
    "Parallel",
    "Placeholder",
    "PoolExecutor",
    "ProcessExecutor",
    "QueueExecutor",
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


def __getattr__(name: str) -> object:
    """Import what needs processes, shared memory or asyncio when it is asked for: it is slow."""
    from importlib import import_module

    if name in ("Worker", "current_worker"):
        return getattr(import_module("taskpar.executors"), name)
    if name == "AsyncResults":
        return import_module("taskpar._engine.async_results").AsyncResults
    if name == "SharedCounter":
        return import_module("taskpar._model.counter").SharedCounter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
