"""What a task finds around it in a worker: what it would find in the process of the caller.

Multiprocessing gives a new process little of that under fork server (which has the environment of
the day when it was started), more under spawn, and under fork too much: the caller's signal
handlers run there as well. So it is captured in the parent, as plain data, and entered in the
worker before anything of the user's is imported there.

What differs on purpose: the share of the processors. Each worker may use as many as there are for
it, which nested executors and numeric libraries read from the environment when they are loaded.
"""

import builtins
import os
import re
import sys
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Literal, NamedTuple, Self, TypeAlias, cast

from taskpar._engine import place
from taskpar._system import lifeline
from taskpar._system.cpus import available_cpus

_WORKERS = "TASKPAR_WORKERS"

_NUMERIC = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
)

Action: TypeAlias = Literal["default", "error", "ignore", "always", "all", "module", "once"]
Filter: TypeAlias = tuple[Action, str, str, str, str, int]
"""A filter of warnings: what to do, with which messages, of which category (its module and its
name), of which modules, and of which line."""

_shares: dict[str, str] = {}
"""The variables that this process has from us: what the user has not chosen."""


class Surroundings(NamedTuple):
    """What is around the caller, for a worker to have as well; made by `here`.

    It is pickled only on the way to a process that is being started.

    Args:
        lifeline: The end to hold on to.
        environment: The parent's environment variables.
        shares: Those that differ in the worker, as it is one of several.
        path: Where modules are looked for.
        folder: The working directory; None: the parent's has been removed.
        filters: The filters of warnings.
    """

    lifeline: Connection
    environment: dict[str, str]
    shares: dict[str, str]
    path: list[str]
    folder: str | None
    filters: list[Filter]

    @classmethod
    def here(cls, slots: int) -> Self:
        """Capture what is around us, for one of so many workers.

        Raises:
            ValueError: ``TASKPAR_WORKERS`` is not a positive integer.
        """
        return cls(
            lifeline.read_end(),
            dict(os.environ),
            _shares_of(slots),
            list(sys.path),
            _folder(),
            _filters(),
        )

    def enter(self) -> None:
        """Be surrounded by it, for good."""
        global _shares
        _shares = self.shares
        _set_environment(self.environment | self.shares)
        sys.path[:] = self.path
        if self.folder is not None:
            with suppress(OSError):  # removed meanwhile: then we are where multiprocessing put us
                os.chdir(self.folder)
        _set_filters(self.filters)


def _shares_of(slots: int) -> dict[str, str]:
    """The variables that give each of so many workers its share; never those the user has set."""
    share = str(max(1, available_cpus() // slots))
    free = [name for name in _NUMERIC if os.environ.get(name, "") in ("", _shares.get(name))]
    return {_WORKERS: share} | dict.fromkeys(free, share)


def _set_environment(wanted: dict[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # what `os.chdir` takes
    except FileNotFoundError:
        return None


def _filters() -> list[Filter]:
    return [
        (cast("Action", action), _regex(message), *_name_of(each), _regex(module), line)
        for action, message, category, module, line in warnings.filters
        for each in (category if isinstance(category, tuple) else (category,))
    ]


def _name_of(category: type[Warning]) -> tuple[str, str]:
    return category.__module__, category.__name__


def _regex(pattern: "re.Pattern[str] | str | None") -> str:
    """A pattern as the text that makes it; the interpreter's own filters have whole names."""
    if isinstance(pattern, str):
        return re.escape(pattern) + r"\Z"
    return "" if pattern is None else pattern.pattern


def _set_filters(filters: list[Filter]) -> None:
    warnings.resetwarnings()
    for action, message, home, name, module, line in filters:
        category = _category(home, name)
        warnings.filterwarnings(action, message, category, module, line, append=True)
    place.given_filters[:] = warnings.filters


def _category(home: str, name: str) -> type[Warning]:
    if home == "builtins":
        return cast("type[Warning]", vars(builtins)[name])
    return cast("type[Warning]", _ByName(name, (Warning,), {"__module__": home}))


class _ByName(type):
    """Of a category that stands for those of its name.

    A worker need not load a library, which may take seconds, for a warning that only the library
    can give. And a class of ``__main__`` comes to a worker by value, with the first task that has
    it.
    """

    def __subclasscheck__(cls, category: type) -> bool:
        names = [(each.__module__, each.__name__) for each in category.__mro__]
        return (cls.__module__, cls.__name__) in names
