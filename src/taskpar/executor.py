"""What every executor does: `submit`, `map` and their kin, in the terms of the engine.

It is a `concurrent.futures.Executor`; which kind of worker it has is said by `taskpar.executors`.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, TypeVarTuple, overload

from taskpar._engine.backend import Backend, WorkerInfo
from taskpar._engine.results import Results
from taskpar._model.checks import check_callable, check_iterable, seconds_or_none
from taskpar._model.options import Options
from taskpar._model.stats import Stats
from taskpar._model.task import Task, call, name_of
from taskpar.asynchronous import AsyncMethods

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Unpack

    from taskpar._engine.mapping import Mapping
    from taskpar._engine.submissions import Submissions
    from taskpar._model.options import OptionWords

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Ts = TypeVarTuple("Ts")


class Executor(AsyncMethods):
    """Runs tasks somewhere: the common part of all executors.

    **Law** (L6): where tasks run, on how many workers, and in batches of which size, changes
    nothing but time.

    Args:
        backend: The kind of worker to run them on.
        job: What a ``map`` becomes; None: calls that all run on those workers.

    Source: `concurrent.futures.Executor`, whose methods and words these are.
    """

    def __init__(self, backend: Backend, job: "type[Mapping] | None" = None) -> None:
        from taskpar._engine.core import Core  # here, as it is slow to import

        self._core = Core(backend, job)
        self._options = Options()
        self._submitting: Submissions | None = None

    def options(self, **changes: "Unpack[OptionWords]") -> "Self":
        """Return a view of the same workers with other options.

        **Law**: a view does what the executor does, with the options as the default of each call.

        Args:
            **changes: What `Options` takes: ``time_limit``, ``retries``, ``on_error``, ``name``
                and others; None takes an option back.

        Returns:
            An executor of the same class; shutting either of the two down shuts both down.

        Raises:
            TypeError: There is no such option, or its value is not what is allowed.
            ValueError: A number is too small, or a word is none of those allowed.
            CapabilityError: Workers of this kind cannot do that.
        """
        view = object.__new__(type(self))
        view._core = self._core
        view._options = self._options.updated(**changes)
        if view._options.executor is not None:
            raise TypeError("executor is an option of @parallel alone: an executor is one already")
        view._submitting = None
        self._core.check(view._options, type(self).__name__)
        return view

    # ------------------------------------------------------------------------------- one call
    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Schedule ``fn(*args, **kwargs)``.

        **Law**: ``ex.submit(f, *a, **k).result()`` is ``f(*a, **k)``.

        Returns:
            A future; when it is done, `record_of` tells where the call ran.

        Raises:
            ExecutorClosedError: The executor was shut down.
            TypeError: ``fn`` cannot be called.
        """
        check_callable("fn", fn)
        name = self._options.name or (fn.name if isinstance(fn, Task) else name_of(fn))
        return self._submissions().submit(fn, args, kwargs, name)

    def _submissions(self) -> "Submissions":
        """Find the job for submits; the same one each time, unless the options were changed."""
        if self._submitting is None:
            if self._options.on_error == "skip":
                raise ValueError("on_error='skip' is for many calls: a future cannot be left out")
            self._submitting = self._core.submissions(self._options)
        return self._submitting

    # ----------------------------------------------------------------------------- many calls
    @overload
    def map(
        self,
        fn: Callable[[A], R],
        iterable: Iterable[A],
        /,
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]: ...
    @overload
    def map(
        self,
        fn: Callable[[A, B], R],
        iterable1: Iterable[A],
        iterable2: Iterable[B],
        /,
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]: ...
    @overload
    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]: ...
    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]:
        """Call ``fn`` with items of each iterable, in parallel; the results come in order.

        **Law** (L1): it is the builtin ``map(fn, *iterables)``: the same values in the same order,
        the same exception at the same position; the iterator goes on after it.

        The calls are started at once. Containers with a length are scheduled whole. Other
        iterables are read by the calling thread alone, here and in each ``next``, at most
        ``buffersize`` calls ahead of the reader (L5).

        Args:
            fn: What to call.
            *iterables: One for each argument; the shortest ends it.
            timeout: Seconds from now after which ``next`` raises; None: never.
            chunksize: Calls sent to a worker together; None: measured.
            buffersize: Calls ahead of the reader; None: 1000 for what has no length.

        Returns:
            An iterator, which can be closed.

        Raises:
            TypeError: ``fn`` cannot be called, or an iterable cannot be iterated over.
            ValueError: A size is less than 1.
            ExecutorClosedError: The executor was shut down.

        Source: `concurrent.futures.Executor.map`.
        """
        sizes = self._options.sized(chunksize, buffersize)
        return self._map(fn, iterables, sizes, timeout)

    def map_unordered(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]:
        """Do as `map`, but let each result come as soon as it is there.

        **Law** (L9): it yields a permutation of what `map` yields.
        """
        sizes = self._options.sized(chunksize, buffersize)
        return self._map(fn, iterables, sizes, timeout, ordered=False)

    @overload
    def starmap(
        self,
        fn: Callable[[*Ts], R],
        iterable: Iterable[tuple[*Ts]],
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]: ...
    @overload
    def starmap(
        self,
        fn: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]: ...
    def starmap(
        self,
        fn: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]:
        """Call ``fn(*item)`` for each item, in parallel; the results come in order.

        **Law** (L2): it is ``itertools.starmap(fn, iterable)``. All else is as with `map`.
        """
        sizes = self._options.sized(chunksize, buffersize)
        return self._map(fn, (iterable,), sizes, timeout, rows=True)

    def starmap_unordered(
        self,
        fn: Callable[..., R],
        iterable: Iterable[Iterable[Any]],
        *,
        timeout: float | None = None,
        chunksize: int | None = None,
        buffersize: int | None = None,
    ) -> Results[R]:
        """Do as `starmap`, but let each result come as soon as it is there (L9)."""
        sizes = self._options.sized(chunksize, buffersize)
        return self._map(fn, (iterable,), sizes, timeout, rows=True, ordered=False)

    def run(self, tasks: Iterable[Callable[[], R]]) -> list[R]:
        """Run unlike tasks, in parallel.

        **Law** (L3): ``ex.run(tasks)`` is ``[task() for task in tasks]``.

        Args:
            tasks: Any number of `Task`, or of other things to be called without arguments.

        Returns:
            Their results, in order.

        Raises:
            BaseException: What the first task that fails raised.
        """
        check_iterable("tasks", tasks)
        return self._map(call, (tasks,), self._options, None).drained()

    def _map(
        self,
        fn: Callable[..., R],
        iterables: tuple[Iterable[Any], ...],
        options: Options,
        timeout: float | None,
        *,
        rows: bool = False,
        ordered: bool = True,
    ) -> Results[R]:
        check_callable("fn", fn)
        seconds_or_none("timeout", timeout)
        if not iterables:
            raise TypeError("iterables must be at least one: map() has nothing to iterate over")
        for number, iterable in enumerate(iterables):
            check_iterable(f"iterables[{number}]" if len(iterables) > 1 else "iterable", iterable)
        job = self._core.mapping(fn, iterables, options, rows=rows, ordered=ordered)
        return Results(job, self, timeout, options.on_error or "raise")

    # -------------------------------------------------------------------------------- the end
    @property
    def closed(self) -> bool:
        """Whether the executor was shut down."""
        return self._core.engine.closed

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and let the workers go when those that were taken are done.

        **Law** (L14): when it has waited, no process, thread, descriptor or shared memory of the
        executor is left.

        Args:
            wait: Whether to return only then.
            cancel_futures: Whether to cancel the calls that have not been started.
        """
        self._core.shutdown(wait, cancel_futures=cancel_futures)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Shut down: wait for all calls, or after an exception only for those that run.

        What ends the program, as Ctrl-C or SystemExit do, is not kept waiting: calls that run are
        stopped where that is possible.
        """
        kill = kind is not None and not issubclass(kind, Exception)
        self._core.shutdown(wait=True, cancel_futures=kind is not None, kill=kill)

    def stats(self) -> Stats:
        """Return where the time of all calls of this executor, and of its views, went so far."""
        return self._core.engine.tally.stats(self._core.engine.backend)

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell which workers there are now: their names, process ids, and whether they live."""
        return self._core.engine.workers()
