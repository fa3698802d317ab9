"""Calls of ``submit``, as growing jobs: each call has a function and a future of its own."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, NamedTuple

from taskpar._engine import wire
from taskpar._engine.engine import Engine
from taskpar._engine.exceptions import is_ctrl_c
from taskpar._engine.treatment import Attempts, context_for, finish, manner_of, rules_of, shown
from taskpar._model.options import Options
from taskpar._model.outcome import Error, Record, attach

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference


class StoppableFuture(Future[Any]):
    """A future whose call can be cancelled while it runs.

    For `concurrent.futures` it is pending until its call is home, as that is what can be cancelled.
    """

    begun = False
    """Whether the call was given to a worker."""

    def __init__(self, stop: Callable[[], object]) -> None:
        super().__init__()
        self._stop = stop

    def running(self) -> bool:
        """Tell whether the call is being run."""
        return self.begun and not self.done()

    def cancel(self) -> bool:
        """Cancel the call, and stop it if it runs; False: it has ended."""
        cancelled = super().cancel()
        if cancelled:
            self._stop()
        return cancelled


class _Call(NamedTuple):
    future: "Future[Any]"
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    name: str
    context: object


class Submissions:
    """The job of those submits of an executor that have the same options.

    Args:
        engine: Where they run.
        options: How.
        numbers: Gives the calls their numbers, in the order of all submits of the executor.
    """

    def __init__(self, engine: Engine, options: Options, numbers: Iterator[int]) -> None:
        self._engine = engine
        self._options = options
        self._numbers = numbers
        self._rules = rules_of(options.updated(chunksize=1), fail_fast=False)
        self._attempts = Attempts(options)
        self._lock = threading.Lock()
        self._number: int | None = None
        self._calls: dict[int, _Call] = {}
        self._references: dict[int, Reference | wire.Refused] = {}
        """What a batch on its way refers to: a big function is in memory that lives as long."""

    def submit(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        name: str,
    ) -> "Future[Any]":
        """Schedule one call and return its future."""
        context = context_for(self._options, self._engine.backend)
        with self._lock:
            if self._number is None:
                self._number = self._engine.add(self)
            number, index = self._number, next(self._numbers)
            future = self._future(number, index)
            self._calls[index] = _Call(future, function, args, kwargs, name, context)
        try:
            self._engine.submit(number, index, index + 1, self._rules)
        except BaseException:
            self._calls.pop(index, None)
            raise
        if self._engine.backend.inline:
            self._engine.want(number, index)
        return future

    def _future(self, number: int, index: int) -> "Future[Any]":
        if not self._rules.kill:
            return Future()
        return StoppableFuture(lambda: self._engine.cancel(number, index))

    def calls(self, start: int, stop: int) -> wire.Calls | None:
        """Return the call, unless its future was cancelled."""
        call = self._calls[start]
        if not _begins(call.future):
            del self._calls[start]
            return None
        item = (call.args, call.kwargs)
        manner = manner_of(self._options, self._engine.backend, call.context)
        return wire.Calls(call.function, "call", [item], start, manner)

    def reference(self, calls: wire.Calls) -> "Reference | wire.Refused":
        """Pickle the call's function, and keep what workers need of it until the call is home."""
        reference = self._references[calls.start] = reference_to(calls.function)
        return reference

    def label(self, calls: wire.Calls) -> str:
        """Return the call's name."""
        return self._calls[calls.start].name

    def settle(self, start: int, stop: int, reply: wire.Reply, offset: int) -> None:
        """Put the outcome into the future."""
        call = self._calls.pop(start, None)
        self._references.pop(start, None)
        if call is None:
            return  # it was cancelled before it was sent
        if self._options.relay:
            self._attempts.replay(start, stop)
            reply.replay()
        (outcome,) = reply.outcomes(start, offset, 1)
        attempt, told = self._attempts.made(start)
        record = Record(start, call.name, attempt, reply.pid or None)
        attach(call.future, record)
        if not _may_end(call.future):
            return  # it was cancelled while it ran
        if type(outcome) is Error:
            error = outcome.exception
            text = shown(call.name, "call", (call.args, call.kwargs))
            finish(error, record, text, told)
            self._fail(call.future, error)
        else:
            call.future.set_result(outcome)

    def _fail(self, future: "Future[Any]", error: BaseException) -> None:
        policy = self._options.on_error
        if policy == "return":
            future.set_result(error)
        elif policy == "group":
            future.set_exception(BaseExceptionGroup("1 call failed", [error]))
        else:
            future.set_exception(error)

    def retry(
        self, call: int, attempt: int, error: BaseException, reply: wire.Reply | None
    ) -> float | None:
        """Say after how many seconds the call is tried again."""
        return self._attempts.retry(call, attempt, error, reply)

    def dropped(self, start: int, stop: int, broken: BaseException | None) -> None:
        """Cancel the futures, or tell them that no worker is left."""
        for index in range(start, stop):
            call = self._calls.pop(index, None)
            self._references.pop(index, None)
            self._attempts.forget(index, index + 1)
            if call is None:
                continue
            if broken is None:
                call.future.cancel()
            if _may_end(call.future):  # running still, as it had been sent, but it came back
                call.future.set_exception(broken or CancelledError("the executor was shut down"))


def _begins(future: "Future[Any]") -> bool:
    """Let a future's call run, if it was not cancelled; it may have been sent before."""
    if isinstance(future, StoppableFuture) and not future.cancelled():
        future.begun = True
        return True
    return _may_end(future)


def _may_end(future: "Future[Any]") -> bool:
    """Let a future come to an end, if it was not cancelled."""
    return Future.running(future) or future.set_running_or_notify_cancel()


def reference_to(function: Callable[..., object]) -> "Reference | wire.Refused":
    """Pickle a function for workers, or return why that is impossible."""
    from taskpar._engine.constant import Constant  # here, as only processes need it

    try:
        return Constant(function).reference
    except BaseException as error:  # its __reduce__ may raise anything
        if is_ctrl_c(error):
            raise
        from taskpar._engine.culprit import explanation

        return wire.Refused(error, explanation("function", error, thing=function))
