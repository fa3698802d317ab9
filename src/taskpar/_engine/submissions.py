"""Calls of ``submit``, as growing jobs: each call has a function and a future of its own."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from time import perf_counter
from typing import TYPE_CHECKING, Any

from taskpar._engine import wire
from taskpar._engine.backend import Backend
from taskpar._engine.engine import Engine
from taskpar._engine.exceptions import is_ctrl_c
from taskpar._engine.futures import HeardFuture, LeanFuture, StoppableFuture, begins, may_end
from taskpar._engine.reply import Reply
from taskpar._engine.tally import Tally
from taskpar._engine.treatment import (
    Attempts,
    context_for,
    finish,
    gives_back,
    manner_of,
    rules_of,
    shown,
)
from taskpar._model.options import Options
from taskpar._model.outcome import Error, Record, attach_to_future

if TYPE_CHECKING:
    from concurrent.futures import Future

    from taskpar._engine.constant import Constants, Reference


class _Call:
    """One call: what to do, who waits for it, and what workers need until it is home."""

    __slots__ = ("args", "context", "function", "future", "kwargs", "name", "reference")

    def __init__(
        self,
        future: LeanFuture,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        name: str,
        context: object,
    ) -> None:
        self.future = future
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.name = name
        self.context = context
        self.reference: object = None
        """A big function is in memory that lives as long as this."""

    def goes_with(self, other: "_Call") -> bool:
        """Whether it may travel in the message of another."""
        return self.function is other.function and self.context is other.context is None


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
        self._rules = rules_of(self._apart(options, engine.backend), fail_fast=False)
        self._manner = manner_of(options.updated(relay=None), engine.backend, None)
        """That of calls without context variables of which nothing is relayed: most of them."""
        self._attempts = Attempts(options)
        self.tally = Tally(engine.tally)
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._number: int | None = None
        self._calls: dict[int, _Call] = {}

    @staticmethod
    def _apart(options: Options, backend: Backend) -> Options:
        """Send every call alone where one that waits behind another could not be given back."""
        return options if gives_back(options, backend) else options.updated(chunksize=1)

    def submit(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        name: str,
    ) -> "Future[Any]":
        """Schedule one call and return its future."""
        context = context_for(self._options, self._engine.backend)
        number = self._number
        if number is None:
            number = self._job()
        index = next(self._numbers)
        future = self._future(number, index)
        self._calls[index] = _Call(future, function, args, kwargs, name, context)
        try:
            if self._engine.backend.inline:
                self._engine.submit(number, index, index + 1, self._rules)
            else:
                self._engine.submit_soon(number, index, self._rules)
        except BaseException:
            self._calls.pop(index, None)
            raise
        if self._engine.backend.inline:
            self._engine.want(number, index)
        return future

    def _job(self) -> int:
        """Return the number of the job, which begins with the first call of any thread."""
        with self._lock:
            if self._number is None:
                self._number = self._engine.add(self)
            return self._number

    def _future(self, number: int, index: int) -> LeanFuture:
        if not self._rules.kill:
            return HeardFuture(self._engine)
        return StoppableFuture(self._engine, lambda: self._engine.cancel(number, index))

    def calls(self, start: int, stop: int) -> wire.Calls | int:
        """Return the first of these calls, with those behind it that have the same function.

        Where the future of the first one was cancelled, nobody wants it.
        """
        first = self._begun(start)
        if first is None:
            return 1
        some = [first]
        for index in range(start + 1, stop):
            call = self._calls.get(index)
            if call is None or not call.goes_with(first) or self._begun(index) is None:
                break
            some.append(call)
        manner = self._manner
        if first.context is not None or self._options.relay is not None:
            manner = manner_of(self._options, self._engine.backend, first.context)
        if any(call.kwargs for call in some):
            items: list[Any] = [(call.args, call.kwargs) for call in some]
            return wire.Calls(first.function, "call", items, start, manner)
        return wire.Calls(first.function, "star", [call.args for call in some], start, manner)

    def _begun(self, index: int) -> _Call | None:
        """Let a call begin; None: its future was cancelled."""
        call = self._calls.get(index)
        if call is not None and not begins(call.future):
            self._calls.pop(index, None)
            return None
        return call

    def reference(self, calls: wire.Calls, constants: "Constants") -> "Reference | wire.Refused":
        """Pickle the calls' function, and keep what workers need of it until they are home."""
        reference = reference_to(calls.function, constants)
        for index in range(calls.start, calls.start + len(calls.items)):
            self._calls[index].reference = reference
        return reference

    def label(self, calls: wire.Calls) -> str:
        """Return the call's name."""
        return self._calls[calls.start].name

    def settle(self, start: int, stop: int, reply: Reply, offset: int) -> None:
        """Put outcomes into futures; there are none of calls that nobody wanted."""
        if self._options.relay:
            self._attempts.replay(start, stop)
            reply.replay()
        interrupt: BaseException | None = None
        began = perf_counter()
        outcomes = reply.outcomes(start, offset, stop - start)
        self.tally.unpacked(perf_counter() - began)
        for index, outcome in enumerate(outcomes, start):
            call = self._calls.pop(index, None)
            try:
                if call is not None:
                    self._settle(index, call, outcome, reply.pid or None)
            except BaseException as error:  # noqa: BLE001  # out of a callback: the others come first
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _settle(self, index: int, call: _Call, outcome: Any, pid: int | None) -> None:
        """Put the outcome into the future."""
        attempt, told = self._attempts.made(index)
        known = (index, call.name, attempt, pid)
        attach_to_future(call.future, known)
        if not may_end(call.future):
            return  # it was cancelled while it ran
        if type(outcome) is Error:
            error = outcome.exception
            text = shown(call.name, "call", (call.args, call.kwargs))
            finish(error, Record(*known), text, told)
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
        self, call: int, attempt: int, error: BaseException, reply: Reply | None
    ) -> float | None:
        """Say after how many seconds the call is tried again."""
        return self._attempts.retry(call, attempt, error, reply)

    def dropped(self, start: int, stop: int, broken: BaseException | None) -> None:
        """Cancel the futures, or tell them that no worker is left."""
        for index in range(start, stop):
            call = self._calls.pop(index, None)
            self._attempts.forget(index, index + 1)
            if call is None:
                continue
            if broken is None:
                call.future.cancel()
            if may_end(call.future):  # running still, as it had been sent, but it came back
                call.future.set_exception(broken or CancelledError("the executor was shut down"))


def reference_to(
    function: Callable[..., object], constants: "Constants"
) -> "Reference | wire.Refused":
    """Pickle a function for workers, or return why that is impossible."""
    try:
        return constants.reference(function)
    except BaseException as error:  # its __reduce__ may raise anything
        if is_ctrl_c(error):
            raise
        from taskpar._engine.culprit import explanation

        return wire.Refused(error, explanation("function", error, thing=function))
