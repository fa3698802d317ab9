"""The lazy result iterator: all of ``map`` and ``starmap``, ordered or not.

`Mapping` is the job that the engine knows; `Results` is what the caller holds. They are two, so
that it can be told when nobody looks at the results any more.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from taskpar._engine import wire
from taskpar._engine.engine import Engine
from taskpar._engine.source import Source
from taskpar._engine.submissions import reference_to
from taskpar._model.options import Options
from taskpar._model.outcome import Error, Record, attach
from taskpar._model.task import Task, name_of
from taskpar.errors import ExecutorClosedError, InitializerError, TaskparError

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference

R = TypeVar("R")

BUFFERSIZE = 1000
"""How many calls an iterator is read ahead of the reader, if not told otherwise: enough for
batches that cost little, and little memory."""


class Mapping:
    """The job of one ``map``: calls of one function, and their outcomes until they are read.

    Args:
        engine: Where they run.
        function: What to call.
        shape: How it takes its items.
        source: Where the items come from.
        options: The name, and what the user asked for of chunks and buffers.
        ordered: Whether results come in the order of the calls.
    """

    def __init__(
        self,
        engine: Engine,
        function: Callable[..., Any],
        shape: wire.Shape,
        source: Source,
        options: Options,
        *,
        ordered: bool,
    ) -> None:
        self._engine = engine
        self._function = function
        self._shape: wire.Shape = shape
        self._source = source
        self._options = options
        self._ordered = ordered
        self._name = options.name or name_of(function)
        self._reference: Reference | BaseException | None = None
        self._pickling = threading.RLock()
        self._mutex = threading.RLock()  # entered in C, so that Ctrl-C cannot leave it held
        self._arrived = threading.Condition(self._mutex)
        self._home: dict[int, tuple[int, wire.Reply | BaseException | None]] = {}
        self._submitted = 0
        self._more = False
        self._settled = 0
        self._unread = False
        self._delivered = 0
        self._cut_off: TaskparError | None = None
        self._ahead = options.buffersize or (inf if source.whole else BUFFERSIZE)
        self._closed = False
        self._number = engine.add(self)
        if not engine.backend.inline or source.whole:
            self._read()

    # ------------------------------------------------------------------- for the engine
    def calls(self, start: int, stop: int) -> wire.Calls | None:
        """Return a batch; None when the results were closed in this very moment."""
        try:
            items = self._source.items(start, stop)
        except LookupError:
            return None
        return wire.Calls(self._function, self._shape, items, start)

    def reference(self, calls: wire.Calls) -> "Reference | BaseException":
        """Pickle the function, the first time."""
        with self._pickling:
            if self._reference is None:
                self._reference = reference_to(self._function)
            return self._reference

    def label(self, calls: wire.Calls) -> str:
        """Return the name of the task, where the items are tasks, else the function's."""
        return self._name_of(calls.items[0])

    def settle(self, start: int, stop: int, reply: wire.Reply) -> None:
        """Keep outcomes until their turn comes."""
        self._keep(start, stop, reply)

    def dropped(self, start: int, stop: int, broken: BaseException | None) -> None:
        """Keep the news that calls will never run until their turn comes."""
        self._keep(start, stop, broken)

    def _keep(self, start: int, stop: int, what: wire.Reply | BaseException | None) -> None:
        with self._mutex:
            self._home[start] = (stop, what)
            self._settled += stop - start
            self._arrived.notify_all()
            over = self._unread and self._settled >= self._submitted
        if over:
            self._engine.forget(self._number)

    def leave(self) -> None:
        """Know that nobody will read a result: the calls run, and then all is let go."""
        with self._mutex:
            self._unread = True
            over = self._settled >= self._submitted
        if over:
            self._engine.forget(self._number)

    # ------------------------------------------------------------------- for the reader
    def next_block(self, deadline: float) -> list[Any]:
        """Return the next outcomes, waiting for them; one thread at a time.

        Raises:
            StopIteration: There are no more.
            TimeoutError: The deadline has passed.
            ExecutorClosedError: The executor was shut down before it could read on.
        """
        while True:
            if self._closed:
                raise StopIteration
            self._read()
            found = self._next_home()
            if found is not None:
                return self._opened(*found)
            if self._submitted == self._delivered:
                return [self._ended()]
            if not self._may_read():
                self._wait(deadline)

    def _may_read(self) -> bool:
        """Tell whether reading on is allowed and may bring something."""
        source = self._source
        return not (
            source.exhausted
            or source.error is not None
            or self._cut_off is not None
            or self._engine.backend.inline
            or not self._is_low()
        )

    def _is_low(self) -> bool:
        """Tell whether so little has been read ahead that it is time to read on."""
        return self._source.stop - self._delivered <= self._ahead / 2

    def _read(self) -> None:
        """Read on, in the caller's thread; half a buffer at a time, so that batches stay big."""
        source = self._source
        if source.error is not None or (source.exhausted and source.stop == self._submitted):
            return
        limit = self._delivered + self._ahead
        if self._engine.backend.inline and self._ahead is not inf:
            limit = self._delivered + 1
        if self._cut_off is None and self._is_low():
            source.advance(limit)
        self._submit()

    def _submit(self) -> None:
        more = not (self._source.exhausted or self._source.whole)
        if self._submitted == self._source.stop and more == self._more:
            return
        start, self._submitted, self._more = self._submitted, self._source.stop, more
        chunksize = self._options.chunksize
        try:
            self._engine.submit(self._number, start, self._submitted, chunksize, more=more)
        except (ExecutorClosedError, InitializerError) as error:
            self._cut_off = error
            self._submitted = start

    def _next_home(self) -> tuple[int, int, wire.Reply | BaseException | None] | None:
        with self._mutex:
            start = self._delivered if self._ordered else next(iter(self._home), -1)
            found = self._home.get(start)
        return None if found is None else (start, *found)

    def _opened(self, start: int, stop: int, what: wire.Reply | BaseException | None) -> list[Any]:
        """Turn what came home into outcomes, and let go of the arguments.

        Only what has been opened is taken: Ctrl-C while it is unpickled loses nothing.
        """
        if isinstance(what, wire.Reply):
            outcomes = what.outcomes(start)
            for index, outcome in enumerate(outcomes, start):
                if type(outcome) is Error:
                    name = self._name_of(self._source.items(index, index + 1)[0])
                    attach(outcome.exception, Record(index, name, 1, what.pid or None))
        else:
            reason = what or CancelledError("the executor was shut down before the call started")
            outcomes = [Error(reason)] * (stop - start)
        with self._mutex:
            self._home.pop(start, None)
        self._delivered += stop - start
        self._source.forget(start, stop)
        return outcomes

    def _name_of(self, item: object) -> str:
        """Return the name of an item that is a task, else the function's."""
        if issubclass(type(item), Task) and not self._options.name:  # what __class__ says may raise
            return cast("Task[object]", item).name
        return self._name

    def _ended(self) -> Error:
        """Return the input's own error, or raise: all that was read is delivered."""
        source = self._source
        if self._cut_off is not None:
            raise self._cut_off
        if source.error is not None:
            error = source.error
            source.passed()
            self._submitted = self._delivered = source.stop
            return Error(error)
        raise StopIteration

    def _wait(self, deadline: float) -> None:
        if self._engine.backend.inline:
            self._engine.want(self._number, self._delivered)
            if self._delivered in self._home:
                return
        with self._mutex:
            come = self._delivered in self._home if self._ordered else bool(self._home)
            if come or self._closed:
                return
            seconds = None if deadline == inf else deadline - monotonic()
            if seconds is not None and seconds <= 0:
                raise TimeoutError(f"call {self._delivered} was not done in time")
            self._arrived.wait(seconds)

    def close(self, *, source: bool) -> None:
        """Let the job go: run no more of it, and close the input, if that is wanted."""
        with self._mutex:
            self._closed = True
            self._arrived.notify_all()
        self._engine.forget(self._number)
        if source:
            self._source.close()


class Results(Iterator[R], Generic[R]):
    """The results of a ``map`` or ``starmap``, one by one.

    **Law** (L1): what `next` returns and raises, time after time, is what ``next(map(f, *its))``
    does; after an exception it goes on with the next call.

    Args:
        job: Where outcomes come from.
        owner: The executor, kept alive as long as its results are.
        timeout: Seconds from now after which `next` raises `TimeoutError`; None: never.
    """

    def __init__(self, job: Mapping, owner: object, timeout: float | None) -> None:
        self._job = job
        self._owner = owner
        self._deadline = inf if timeout is None else monotonic() + timeout
        self._ready: deque[Any] = deque()
        self._reading = threading.Lock()
        self._begun = False
        self._closed = False

    def __iter__(self) -> "Results[R]":
        """Return itself."""
        return self

    def __next__(self) -> R:
        """Return the next result, waiting for it.

        Raises:
            StopIteration: There are no more.
            BaseException: What the call raised, at its position; `next` goes on after it.
            TimeoutError: The result was not there in time; it can be asked for again.
        """
        # Not by `except IndexError`: what a serial call raises would have that as its context.
        outcome = self._ready.popleft() if self._ready else self._fetch()
        if type(outcome) is not Error:
            return outcome  # type: ignore[no-any-return]  # what the function returned
        try:
            raise outcome.exception
        finally:
            del outcome  # else the traceback and this frame keep each other alive

    def _fetch(self) -> Any:
        self._begun = True
        with self._reading:
            while not self._ready:
                try:
                    self._ready.extend(self._job.next_block(self._deadline))
                except StopIteration:
                    self._end(source=False)
                    raise
            return self._ready.popleft()

    def _end(self, *, source: bool) -> None:
        if not self._closed:
            self._closed = True
            self._ready.clear()
            self._job.close(source=source)

    def drained(self) -> list[R]:
        """Return all that is left, or raise the first error, whatever its type, and close.

        Unlike ``list``, this does not take a `StopIteration` that a call raises for the end.
        """
        values: list[R] = []
        while True:
            try:
                outcome = self._ready.popleft() if self._ready else self._fetch()
            except StopIteration:
                return values
            if type(outcome) is Error:
                self.close()
                raise outcome.exception
            values.append(outcome)

    def close(self) -> None:
        """Read no more: calls that wait are not run, and the input is closed.

        Returns at once; calls that are running run on, but nobody gets their results.
        """
        self._end(source=True)

    def __del__(self) -> None:
        """Close, if reading had begun; calls of which nobody read a result run to the end."""
        if getattr(self, "_begun", False):
            self.close()
        elif hasattr(self, "_closed") and not self._closed:
            self._job.leave()
