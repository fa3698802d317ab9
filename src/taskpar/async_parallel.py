"""What a function that runs in parallel has for asyncio: the methods that are awaited."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from taskpar.asynchronous import AsyncMethods, Input

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from taskpar._engine.async_results import AsyncResults
    from taskpar._model.options import How

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")

Rows = Input[Iterable[object]]


class AsyncParallel(Generic[P, R_co]):
    """The part of a `Parallel` that is awaited."""

    __slots__ = ()

    @abstractmethod
    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function."""

    @abstractmethod
    def _executor(self) -> AsyncMethods: ...

    @overload
    def amap(self: Callable[[A], R], a: Input[A], /, **how: "Unpack[How]") -> "AsyncResults[R]": ...
    @overload
    def amap(
        self: Callable[[A, B], R], a: Input[A], b: Input[B], /, **how: "Unpack[How]"
    ) -> "AsyncResults[R]": ...
    @overload
    def amap(
        self,
        a: Input[Any],
        b: Input[Any],
        c: Input[Any],
        /,
        *more: Input[Any],
        **how: "Unpack[How]",
    ) -> "AsyncResults[R_co]": ...
    def amap(self: Any, *iterables: Input[Any], **how: Any) -> "AsyncResults[Any]":
        """Call the function for every item, for ``async for``; see `Executor.amap`."""
        executor: AsyncMethods = self._executor()
        return executor.amap(self, *iterables, **how)

    def amap_unordered(self, *iterables: Input[Any], **how: "Unpack[How]") -> "AsyncResults[R_co]":
        """Do as `amap` does, with results as they come; see `Executor.amap_unordered`."""
        return self._executor().amap_unordered(self, *iterables, **how)

    def astarmap(self, rows: Rows, /, **how: "Unpack[How]") -> "AsyncResults[R_co]":
        """Call the function for every row of arguments; see `Executor.astarmap`."""
        return self._executor().astarmap(self, rows, **how)

    def astarmap_unordered(self, rows: Rows, /, **how: "Unpack[How]") -> "AsyncResults[R_co]":
        """Do as `astarmap` does, with results as they come."""
        return self._executor().astarmap_unordered(self, rows, **how)
