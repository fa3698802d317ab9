"""A call as a value, to be run here, or anywhere, now or later."""

import functools
from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType
from typing import Generic, ParamSpec, TypeVar

from taskpar._model.checks import check_callable, text_or_none
from taskpar._model.partial import Placeholder, partial

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

__all__ = ["Placeholder", "Task", "call", "name_of", "partial"]


def call(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function: what to ``starmap`` over rows of functions and their arguments.

    **Law:** ``call(fn, *args, **kwargs)`` is ``fn(*args, **kwargs)``.

    Args:
        fn: What to call.
        args: Its positional arguments.
        kwargs: Its keyword arguments.

    Returns:
        What ``fn`` returns.
    """
    return fn(*args, **kwargs)


def name_of(fn: object) -> str:
    """Return what a function is called: its own name, that of a partial's function, or its type's.

    Args:
        fn: Anything that can be called.
    """
    if type(fn) is FunctionType:  # nearly always
        return fn.__qualname__
    while isinstance(fn, functools.partial):
        fn = fn.func
    for attribute in ("__qualname__", "__name__"):
        name = getattr(fn, attribute, None)
        if isinstance(name, str):
            return name
    return type(fn).__qualname__


class Task(Generic[R_co]):
    """A function with all its arguments and a name: a value that can be compared, hashed, pickled.

    **Law:** ``Task(fn, *args, **kwargs)()`` is ``fn(*args, **kwargs)``.

    Tasks are equal when their functions, arguments and names are; a task can be hashed where its
    parts can.

    Args:
        fn: What to call.
        args: All its positional arguments.
        kwargs: All its keyword arguments; each goes to ``fn``, whatever its name.

    Raises:
        TypeError: ``fn`` is not callable.
    """

    __slots__ = ("_args", "_fn", "_kwargs", "_name")

    def __init__(self, fn: Callable[P, R_co], /, *args: P.args, **kwargs: P.kwargs) -> None:
        check_callable("fn", fn)
        self._fn: Callable[..., R_co] = fn
        self._args: tuple[object, ...] = args
        self._kwargs: dict[str, object] = kwargs
        self._name: str | None = None

    @property
    def fn(self) -> Callable[..., R_co]:
        """The function."""
        return self._fn

    @property
    def args(self) -> tuple[object, ...]:
        """The positional arguments."""
        return self._args

    @property
    def kwargs(self) -> Mapping[str, object]:
        """The keyword arguments; they can be read only."""
        return MappingProxyType(self._kwargs)

    @property
    def name(self) -> str:
        """The name that was given, else that of the function."""
        return name_of(self._fn) if self._name is None else self._name

    def named(self, name: str | None) -> "Task[R_co]":
        """Return the same task under another name.

        Args:
            name: What reports, logs and workers call it; None: as the function is called.

        Raises:
            TypeError: ``name`` is neither a string nor None.
        """
        task = Task(self._fn, *self._args, **self._kwargs)
        task._name = text_or_none("name", name)
        return task

    def __call__(self) -> R_co:
        """Run the task here, and return its result."""
        return self._fn(*self._args, **self._kwargs)

    def partial(self, /, *args: object, **kwargs: object) -> functools.partial[R_co]:
        """Return a partial of the function, with the task's arguments bound first, then these.

        **Law:** ``task.partial(*a, **k)(*b, **m)`` is
        ``fn(*task.args, *a, *b, **{**task.kwargs, **k, **m})``.

        Args:
            args: Positional arguments to bind behind the task's own.
            kwargs: Keyword arguments to bind; they win over the task's own.

        Raises:
            TypeError: The last positional argument is a `Placeholder`, or a keyword argument is.
        """
        return partial(self._fn, *self._args, *args, **{**self._kwargs, **kwargs})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        mine = (self._fn, self._args, self._kwargs, self.name)
        return mine == (other._fn, other._args, other._kwargs, other.name)

    def __hash__(self) -> int:
        return hash((self._fn, self._args, frozenset(self._kwargs.items()), self.name))

    def __repr__(self) -> str:
        words = (f"{key}={value!r}" for key, value in self._kwargs.items())
        shown = ", ".join([name_of(self._fn), *map(repr, self._args), *words])
        return f"Task({shown})" + (f".named({self._name!r})" if self._name is not None else "")
