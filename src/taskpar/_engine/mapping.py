"""The job of one ``map`` or ``starmap``, ordered or not: its calls, and their outcomes until read.

`Mapping` is what the engine knows; `results.Results` is what the caller holds. They are two, so
that it can be told when nobody looks at the results any more.
"""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from math import inf
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from taskpar._engine import treatment, wire
from taskpar._engine.engine import Engine
from taskpar._engine.reply import Reply
from taskpar._engine.source import Source
from taskpar._engine.submissions import reference_to
from taskpar._model.options import Options
from taskpar._model.outcome import Error, Record
from taskpar._model.stats import Stats
from taskpar._model.task import call, name_of
from taskpar._system import ctrl_c
from taskpar.errors import ExecutorClosedError, InitializerError, TaskparError

if TYPE_CHECKING:
    from taskpar._engine.constant import Constants, Reference

BUFFERSIZE = 1000
"""How many calls an iterator is read ahead of the reader, if not told otherwise: enough for
batches that cost little, and little memory."""

_Home = tuple[int, Reply | BaseException | None, int]
"""What came home, by its first call: its end, what it is, and where in that it begins."""


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
        self.tally = engine.tally.of_job(self._name)
        alike = function is not call  # else each is another function
        known = alike and treatment.gives_back(options, engine.backend)
        guess = self.tally.pace_before if known else None
        self._rules = treatment.rules_of(options, fail_fast=True)._replace(pace=guess)
        self._manner = treatment.manner_of(
            options, engine.backend, treatment.context_for(options, engine.backend)
        )
        self._attempts = treatment.Attempts(options)
        self._reference: Reference | wire.Refused | None = None
        self._pickling = threading.RLock()
        self._mutex = threading.RLock()  # entered in C, so that Ctrl-C cannot leave it held
        self._arrived = threading.Condition(self._mutex)
        self._home: dict[int, _Home] = {}
        self._submitted = self._settled = self._delivered = 0
        self._more = self._unread = self._closed = False
        self._cut_off: TaskparError | None = None
        self._ahead = options.buffersize or (inf if source.whole else BUFFERSIZE)
        self._begin()

    def _begin(self) -> None:
        self._number = self._engine.add(self)
        if not self._engine.backend.inline or self._source.whole:
            self._read()

    def stats(self) -> Stats:
        """Return where the time of its calls went."""
        return self.tally.stats(self._engine.backend)

    @property
    def report(self) -> str:
        """Where its calls run."""
        backend = self._engine.backend
        if backend.inline:
            return "all calls run here: there are no workers"
        return f"all calls go to {backend.slots} workers"

    # ------------------------------------------------------------------- for the engine
    def calls(self, start: int, stop: int) -> wire.Calls | int:
        """Return a batch; nobody wants it when the results were closed in this very moment."""
        most = inf if self._manner.whole else self.tally.most_calls
        try:
            items = self._source.items(start, int(min(stop, start + most)))
        except LookupError:
            return stop - start
        return wire.Calls(self._function, self._shape, items, start, self._manner)

    def reference(self, calls: wire.Calls, constants: "Constants") -> "Reference | wire.Refused":
        """Pickle the function, the first time."""
        with self._pickling:
            if self._reference is None:
                self._reference = reference_to(self._function, constants)
            return self._reference

    def label(self, calls: wire.Calls) -> str:
        """Return the name of the task, where the items are tasks, else the function's."""
        return treatment.name_within(calls.items[0], self._options, self._name)

    def settle(self, start: int, stop: int, reply: Reply, offset: int) -> None:
        """Keep outcomes until their turn comes."""
        self._keep(start, stop, reply, offset)

    def retry(
        self, call: int, attempt: int, error: BaseException, reply: Reply | None
    ) -> float | None:
        """Say after how many seconds a call is tried again."""
        return self._attempts.retry(call, attempt, error, reply)

    def dropped(self, start: int, stop: int, broken: BaseException | None) -> None:
        """Keep the news that calls will never run until their turn comes."""
        self._keep(start, stop, broken, 0)

    def _keep(self, start: int, stop: int, what: Reply | BaseException | None, offset: int) -> None:
        if self._unread:
            self._attempts.replay(start, stop)
            self._relay(what)
        with self._mutex:
            self._home[start] = (stop, what, offset)
            self._settled += stop - start
            self._arrived.notify_all()
            over = self._unread and self._settled >= self._submitted
        if over:
            self._engine.forget(self._number)

    def finish_elsewhere(self) -> None:
        """Have calls run that were not given to workers; these all are."""

    def leave(self) -> None:
        """Know that nobody will read a result: the calls run, and then all is let go."""
        with self._mutex:
            self._unread = True
            over = self._settled >= self._submitted
            home = [what for _, (_, what, _) in sorted(self._home.items())]
        for what in home:
            self._relay(what)
        if over:
            self._engine.forget(self._number)
        else:
            self.passed(None)

    # ------------------------------------------------------------------- for the reader
    def passed(self, call: int | None) -> None:
        """Let calls run behind an error that was seen (None: behind any)."""
        if self._rules.fail_fast:
            self._engine.passed(self._number, call)

    def next_block(self, deadline: float) -> tuple[list[Any], bool]:
        """Return the next outcomes, waiting for them, and whether all are known to be plain values.

        One thread at a time.

        Raises:
            StopIteration: There are no more.
            TimeoutError: The deadline has passed.
            ExecutorClosedError: The executor was shut down before it could read on.
        """
        while True:
            block = self.ready_block()
            try:
                if block is not None:
                    return block
            finally:
                del block  # as in `ready_block`
            if not self.may_read():
                began = perf_counter()
                try:
                    self._wait(deadline)
                finally:
                    if not self._engine.backend.inline:
                        self.tally.waited(perf_counter() - began)

    def ready_block(self) -> tuple[list[Any], bool] | None:
        """Read on, and do as `next_block` if there is something to return; None: not yet.

        Raises:
            StopIteration: There are no more.
            ExecutorClosedError: The executor was shut down before it could read on.
        """
        if self._closed:
            raise StopIteration
        self._engine.check_process()
        self._read()
        if (home := self._next_home()) is not None:
            try:
                return self._opened(*home)
            finally:
                # A serial call's traceback leads to this frame: what an error leads to must not
                # lead back to it, or both stay until the garbage collector comes.
                del home
        return ([self._ended()], False) if self._is_over() else None

    def _is_over(self) -> bool:
        """Tell whether all that was read is delivered, and nothing more is coming by itself."""
        return self._submitted == self._delivered

    def may_read(self) -> bool:
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
        try:
            self._engine.submit(self._number, start, self._submitted, self._rules, more=more)
        except (ExecutorClosedError, InitializerError) as error:
            self._cut_off = error
            self._submitted = start

    def _next_home(self) -> tuple[int, *_Home] | None:
        with self._mutex:
            start = self._delivered if self._ordered else next(iter(self._home), -1)
            found = self._home.get(start)
        return None if found is None else (start, *found)

    def _opened(
        self, start: int, stop: int, what: Reply | BaseException | None, offset: int
    ) -> tuple[list[Any], bool]:
        """Turn what came home into outcomes, and let go of the arguments.

        Only what has been opened is taken: Ctrl-C while it is unpickled loses nothing.
        """
        self._attempts.replay(start, stop)
        self._relay(what)
        if isinstance(what, Reply):
            began = perf_counter()
            outcomes = what.outcomes(start, offset, stop - start)
            self.tally.unpacked(perf_counter() - began)
            plain = what.plain
            if not plain and Error in map(type, outcomes):  # also what could not be unpickled here
                self._mark_all(outcomes, start, what.pid)
            self._attempts.forget(start, stop)
        else:
            reason = what or CancelledError("the executor was shut down before the call started")
            outcomes, plain = [Error(reason)] * (stop - start), False
        with self._mutex:
            self._home.pop(start, None)
        self._delivered += stop - start
        self._source.forget(start, stop)
        return outcomes, plain

    def _relay(self, what: Reply | BaseException | None) -> None:
        """Tell what calls have logged, warned of and printed, if that is wanted."""
        if self._options.relay and isinstance(what, Reply):
            what.replay()

    def _mark_all(self, outcomes: list[Any], start: int, pid: int) -> None:
        """Note on the errors of calls which calls they come from."""
        for index, outcome in enumerate(outcomes, start):
            if type(outcome) is Error:
                outcome.index = index
                (item,) = self._source.items(index, index + 1)
                attempt, told = self._attempts.made(index)
                name = treatment.name_within(item, self._options, self._name)
                record = Record(index, name, attempt, pid or None)
                text = treatment.shown(name, self._shape, item)
                treatment.finish(outcome.exception, record, text, told)

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
        self._engine.hear(self._has_come, None if deadline == inf else deadline)
        with self._mutex:
            if self._has_come():
                return
            seconds = None if deadline == inf else deadline - monotonic()
            if seconds is not None and seconds <= 0:
                raise TimeoutError(f"call {self._delivered} was not done in time")
            self._arrived.wait(ctrl_c.patience(seconds))

    def _has_come(self) -> bool:
        """Tell whether there is something for the reader."""
        come = self._delivered in self._home if self._ordered else bool(self._home)
        return come or self._closed

    def close(self, *, source: bool) -> None:
        """Let the job go: run no more of it, and close the input, if that is wanted."""
        with self._mutex:
            self._closed = True
            self._arrived.notify_all()
        self._engine.forget(self._number)
        if source:
            self._source.close()
