"""``@parallel``: functions that also run in parallel, on the ambient executor.

A decorated function stays what it is, and gets the methods of an executor besides. It crosses to
workers under its own name, where it has one there, else with the function inside it. What runs in a
worker is always the plain call.
"""

import functools
import sys
from collections.abc import Callable, Iterable
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from taskpar._engine.results import Results
from taskpar._model.checks import check_callable
from taskpar._model.known import find, known, outermost
from taskpar._model.options import How, Options, OptionWords
from taskpar._model.task import Task, name_of
from taskpar.ambient import ambient, use
from taskpar.async_parallel import AsyncParallel
from taskpar.executor import Executor

if TYPE_CHECKING:
    from concurrent.futures import Future

    from typing_extensions import Unpack

__all__ = ["Parallel", "parallel", "use"]

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
S = TypeVar("S")

Its = Iterable[object]

_NOTHING = object()
_ASYNC = 0x80 | 0x200  # inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR, without that import


# ------------------------------------------------------------------------------ the function
class Parallel(AsyncParallel[P, R_co]):
    """A function that also runs in parallel; made by `parallel`.

    **Law:** ``f(*args, **kwargs)`` is the call of the function itself. The methods are those of
    the ambient executor, with this function in the first place: ``f.map(xs)`` is
    ``executor.map(f, xs)``, ``f.submit(x)`` is ``executor.submit(f, x)``, and so on.

    Works as a method too: ``obj.f.map(xs)`` is ``executor.map(obj.f, xs)``. What else the function
    has, say the ``cache_info`` of ``lru_cache``, is still there.
    """

    __slots__ = ("__dict__", "__weakref__", "_fn", "_options")

    def __init__(self, fn: Callable[P, R_co], options: Options) -> None:
        functools.update_wrapper(self, fn, updated=())
        self._fn = fn
        self._options = options

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function, here and now."""
        return self._fn(*args, **kwargs)

    def submit(self, /, *args: P.args, **kwargs: P.kwargs) -> "Future[R_co]":
        """Schedule one call; see `Executor.submit`."""
        return self._executor().submit(self, *args, **kwargs)

    def task(self, /, *args: P.args, **kwargs: P.kwargs) -> Task[R_co]:
        """Return a call as a value: ``Task(f, *args, **kwargs)``, with the name of the options."""
        self._check_bound()
        return Task(self, *args, **kwargs).named(self._options.name)

    # The function's own type is asked for, so that the iterables are checked against it.
    @overload
    def map(self: Callable[[A], R], a: Iterable[A], /, **how: "Unpack[How]") -> Results[R]: ...
    @overload
    def map(
        self: Callable[[A, B], R], a: Iterable[A], b: Iterable[B], /, **how: "Unpack[How]"
    ) -> Results[R]: ...
    @overload
    def map(
        self: Callable[[A, B, C], R],
        a: Iterable[A],
        b: Iterable[B],
        c: Iterable[C],
        /,
        **how: "Unpack[How]",
    ) -> Results[R]: ...
    @overload
    def map(
        self, a: Its, b: Its, c: Its, d: Its, /, *more: Its, **how: "Unpack[How]"
    ) -> Results[R_co]: ...
    def map(self, *iterables: Its, **how: Any) -> Results[Any]:
        """Call the function for every item, in parallel; see `Executor.map`."""
        return self._executor().map(self, *iterables, **how)

    @overload
    def map_unordered(
        self: Callable[[A], R], a: Iterable[A], /, **how: "Unpack[How]"
    ) -> Results[R]: ...
    @overload
    def map_unordered(
        self: Callable[[A, B], R], a: Iterable[A], b: Iterable[B], /, **how: "Unpack[How]"
    ) -> Results[R]: ...
    @overload
    def map_unordered(
        self: Callable[[A, B, C], R],
        a: Iterable[A],
        b: Iterable[B],
        c: Iterable[C],
        /,
        **how: "Unpack[How]",
    ) -> Results[R]: ...
    @overload
    def map_unordered(
        self, a: Its, b: Its, c: Its, d: Its, /, *more: Its, **how: "Unpack[How]"
    ) -> Results[R_co]: ...
    def map_unordered(self, *iterables: Its, **how: Any) -> Results[Any]:
        """Do as `map` does, with results as they come; see `Executor.map_unordered`."""
        return self._executor().map_unordered(self, *iterables, **how)

    def starmap(self, rows: Iterable[Its], /, **how: "Unpack[How]") -> Results[R_co]:
        """Call the function for every row of arguments; see `Executor.starmap`."""
        return self._executor().starmap(self, rows, **how)

    def starmap_unordered(self, rows: Iterable[Its], /, **how: "Unpack[How]") -> Results[R_co]:
        """Do as `starmap` does, with results as they come; see `Executor.starmap_unordered`."""
        return self._executor().starmap_unordered(self, rows, **how)

    def _executor(self) -> Executor:
        self._check_bound()
        executor = ambient(self._options.executor)
        given = self._options.updated(executor=None).given()
        return executor.options(**given) if given else executor

    def _check_bound(self) -> None:
        # From Python 3.13 on, classmethod no longer asks what it wraps to bind itself.
        if sys.version_info >= (3, 13) and isinstance(outermost(self), classmethod):
            raise TypeError(
                f"{self.__qualname__}: write @parallel above @classmethod, not below: "
                "since Python 3.13 it does not learn its class otherwise"
            )

    # ---------------------------------------------------------------------- as a method
    # Callable as the type of self tells methods from static and class methods, in both orders of
    # the decorators, to mypy and to pyright; that Parallel is one, mypy does not see in time.
    @overload
    def __get__(  # type: ignore[misc]
        self: Callable[Concatenate[type[S], Q], R], instance: S | None, owner: type[S]
    ) -> "Parallel[Q, R]": ...
    @overload
    def __get__(self, instance: None, owner: type[Any]) -> "Parallel[P, R_co]": ...
    @overload
    def __get__(
        self: Callable[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = None
    ) -> "Parallel[Q, R]": ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> "Parallel[P, R_co]": ...
    def __get__(self, instance: object, owner: type[Any] | None = None) -> "Parallel[..., Any]":
        """Bind to an instance, as the function would."""
        if instance is None or not hasattr(self._fn, "__get__"):
            return self
        return _Bound(self._fn.__get__(instance, owner), self._options, (self, instance, owner))

    @property
    def __isabstractmethod__(self) -> bool:
        """Whether the function is an abstract method."""
        return getattr(self._fn, "__isabstractmethod__", False)

    if not TYPE_CHECKING:  # type checkers shall tell a misspelt name

        def __getattr__(self, name: str) -> object:
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return getattr(self._fn, name)

    def __repr__(self) -> str:
        return f"<parallel {name_of(self._fn)}>"

    def __reduce__(self) -> str | tuple[object, ...]:
        """Travel as a name, else with the function inside.

        A name in ``__main__`` will do for plain pickle, as it does for any function; `cloudpickle`,
        ours and other libraries', is there to do without it.
        """
        caller = vars(sys)["_getframe"](1)  # the pickler itself is in C, and has no frame
        name = known(self, here="cloudpickle" not in str(caller.f_globals.get("__name__")))
        if name is None:
            return _blank, (type(self),), (self.__dict__, self._fn, self._options)
        if name.depth == 0 and "." not in name.qualname:
            return name.qualname
        return find, tuple(name)

    def __taskpar_parts__(self) -> tuple[object, ...]:
        """Tell the engine what is in it: where none of it can be written to, it is made once."""
        return (self._fn,)

    def __setstate__(self, state: tuple[dict[str, Any], Callable[P, R_co], Options]) -> None:
        attributes, self._fn, self._options = state
        self.__dict__.update(attributes)


class _Bound(Parallel[P, R_co]):
    """A decorated method with the instance, or the class, that it was taken from."""

    __slots__ = ("_origin",)

    def __init__(
        self,
        fn: Callable[P, R_co],
        options: Options,
        origin: "tuple[Parallel[..., Any], object, type[Any] | None]",
    ) -> None:
        self._fn = fn
        self._options = options
        self._origin = origin
        # Not update_wrapper: a plain call of a method passes here, and shall stay cheap.
        self.__dict__.update(origin[0].__dict__, __wrapped__=fn)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bound) and self._fn == other._fn

    def __hash__(self) -> int:
        return hash(self._fn)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel as the method and what it is bound to."""
        return _bound, self._origin


def _bound(
    method: Parallel[..., Any], instance: object, owner: type[Any] | None
) -> Parallel[..., Any]:
    return method.__get__(instance, owner)


class _Static(Parallel[P, R_co]):
    """What `parallel` makes of a static method."""

    __slots__ = ()

    def __get__(  # type: ignore[override]
        self, instance: object, owner: type[Any] | None = None
    ) -> Parallel[P, R_co]:
        """Stay unbound."""
        return self


class _OfClass(Parallel[P, R_co]):
    """What `parallel` makes of a class method."""

    __slots__ = ()

    def __get__(  # type: ignore[override]
        self, instance: object, owner: type[Any] | None = None
    ) -> Parallel[P, R_co]:
        """Bind to the class."""
        owner = type(instance) if owner is None else owner
        return _Bound(self._fn.__get__(None, owner), self._options, (self, None, owner))


_KINDS: dict[type[Any], type[Parallel[..., Any]]] = {classmethod: _OfClass, staticmethod: _Static}


def _blank(cls: type[Parallel[..., object]]) -> Parallel[..., object]:
    """Make one that gets its state later: the function inside may refer to it."""
    return cls.__new__(cls)


class Decorator(Protocol):
    """What ``parallel(...)`` returns: does the same as `parallel`, with the options given."""

    @overload
    def __call__(self, fn: "classmethod[Any, P, R]", /) -> _OfClass[P, R]: ...
    @overload
    def __call__(self, fn: "staticmethod[P, R]", /) -> _Static[P, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Parallel[P, R]: ...


@overload
def parallel(
    fn: "classmethod[Any, P, R]", /, **options: "Unpack[OptionWords]"
) -> _OfClass[P, R]: ...
@overload
def parallel(fn: "staticmethod[P, R]", /, **options: "Unpack[OptionWords]") -> _Static[P, R]: ...
@overload
def parallel(fn: Callable[P, R], /, **options: "Unpack[OptionWords]") -> Parallel[P, R]: ...
@overload
def parallel(**options: "Unpack[OptionWords]") -> Decorator: ...
def parallel(fn: Any = _NOTHING, /, **options: Any) -> Any:
    """Let a function run in parallel too: ``@parallel`` or ``@parallel(chunksize=10)``.

    **Law:** ``f(x)`` is what it was; ``list(f.map(xs))`` is ``list(map(f, xs))``.

    Args:
        fn: A function or method, also a static or class method, above or below its own decorator
            (a class method from Python 3.13 on: ``@parallel`` above ``@classmethod``).
        options: What `Options` has: ``name``, ``executor``, ``chunksize``, ``time_limit``, ...

    Returns:
        A `Parallel`; it has the function's name, docstring and signature. Without ``fn``: a
        decorator.

    Raises:
        TypeError: ``fn`` is not callable, or is an ``async def``; an option is of the wrong type,
            or unknown.
        ValueError: A size is less than 1.
    """
    chosen = Options().updated(**options)
    if fn is _NOTHING:
        return functools.partial(parallel, **options)
    kind = _KINDS.get(type(fn), Parallel)
    inner = fn if kind is Parallel else fn.__func__
    _check_sync(inner)
    return kind(fn if kind is _OfClass else inner, chosen)


def _check_sync(fn: object) -> None:
    check_callable("fn", fn)
    code = getattr(fn, "__code__", None)
    if getattr(code, "co_flags", 0) & _ASYNC:
        raise TypeError(
            f"fn must be a plain function, not an async def like {name_of(fn)}: decorate a plain "
            "one that does its work, and await asyncio.wrap_future(f.submit(...))"
        )
