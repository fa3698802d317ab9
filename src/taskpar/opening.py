"""Executors by words: ``open_executor("thread:8")``, and what ``TASKPAR_EXECUTOR`` says."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple, cast

from taskpar._model.checks import short
from taskpar._model.words import word_of
from taskpar.executor import Executor
from taskpar.executors import (
    AutoExecutor,
    PoolExecutor,
    ProcessExecutor,
    QueueExecutor,
    SerialExecutor,
    ThreadExecutor,
)

_OURS: dict[str, Callable[[int | None], Executor]] = {
    "serial": SerialExecutor,
    "thread": ThreadExecutor,
    "process": ProcessExecutor,
    "pool": PoolExecutor,
    "queue": QueueExecutor,
    "auto": AutoExecutor,
}


class _Engine(NamedTuple):
    """An executor that is imported when it is asked for.

    Args:
        name: The name of its class, in `taskpar.engines`.
        needs: The package that has to be installed; None: none.
    """

    name: str
    needs: str | None = None


_ENGINES = {
    "interpreter": _Engine("InterpreterExecutor"),
    "dask": _Engine("DaskExecutor", "distributed"),
    "ray": _Engine("RayExecutor", "ray"),
}
"""The words are the names of the extras, too."""


def open_executor(word: str) -> Executor:
    """Make the executor that a word names, so that a program can leave the choice to its user.

    **Law**: ``open_executor("thread:8")`` is ``ThreadExecutor(8)``, and the like for each word.

    Args:
        word: ``"serial"``, ``"thread"``, ``"process"``, ``"pool"``, ``"queue"``, ``"auto"`` or
            ``"interpreter"``, alone or followed by ``:N`` for N workers; ``"dask"`` or ``"ray"``,
            alone for a new cluster on this machine, or followed by ``://host:port`` to join one.
            ``TASKPAR_EXECUTOR`` takes the same words.

    Returns:
        An executor, which whoever opened it shuts down.

    Raises:
        TypeError: ``word`` is not text.
        ValueError: There is no such executor, or what follows is not what may follow.
        ModuleNotFoundError: What it needs is not installed; the message says what to install.
    """
    if not isinstance(word, str):
        raise TypeError(f"word must be a string, not {short(word)}")
    return opened("word", word)


def opened(name: str, word: str) -> Executor:
    """Make the executor that a word names, which was given under this name."""
    kind, workers, address = word_of(name, word)
    if kind in _OURS:
        return _OURS[kind](workers)
    engine = _ENGINES[kind]
    if engine.needs is not None and find_spec(engine.needs) is None:
        raise ModuleNotFoundError(
            f"{name} is {word!r}, which needs {engine.needs}: pip install 'taskpar[{kind}]'",
            name=engine.needs,
        )
    make = getattr(import_module("taskpar.engines"), engine.name)
    if kind == "ray" and address is not None:
        address = word  # Ray's own addresses of clusters begin so
    return cast("Executor", make(workers if engine.needs is None else address))
