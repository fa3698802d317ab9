"""All calls of ``submit``, as one growing job: each call has a function and a future of its own."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, NamedTuple

from taskpar._engine import wire
from taskpar._engine.engine import Engine
from taskpar._model.outcome import Error, Record, attach

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference


class _Call(NamedTuple):
    future: "Future[Any]"
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    name: str


class Submissions:
    """The job of an executor's submits.

    Args:
        engine: Where they run.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._number: int | None = None
        self._next = 0
        self._calls: dict[int, _Call] = {}
        self._references: dict[int, Reference | BaseException] = {}
        """What a batch on its way refers to: a big function is in memory that lives as long."""

    def submit(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        name: str,
    ) -> "Future[Any]":
        """Schedule one call and return its future."""
        future: Future[Any] = Future()
        with self._lock:
            if self._number is None:
                self._number = self._engine.add(self)
            number, index = self._number, self._next
            self._next += 1
            self._calls[index] = _Call(future, function, args, kwargs, name)
        try:
            self._engine.submit(number, index, index + 1, chunksize=1)
        except BaseException:
            self._calls.pop(index, None)
            raise
        if self._engine.backend.inline:
            self._engine.want(number, index)
        return future

    def calls(self, start: int, stop: int) -> wire.Calls | None:
        """Return the call, unless its future was cancelled."""
        call = self._calls[start]
        if not _is_wanted(call.future):
            del self._calls[start]
            return None
        return wire.Calls(call.function, "call", [(call.args, call.kwargs)], start)

    def reference(self, calls: wire.Calls) -> "Reference | BaseException":
        """Pickle the call's function, and keep what workers need of it until the call is home."""
        reference = self._references[calls.start] = reference_to(calls.function)
        return reference

    def label(self, calls: wire.Calls) -> str:
        """Return the call's name."""
        return self._calls[calls.start].name

    def settle(self, start: int, stop: int, reply: wire.Reply) -> None:
        """Put the outcome into the future."""
        call = self._calls.pop(start, None)
        self._references.pop(start, None)
        if call is None:
            return  # it was cancelled before it was sent
        (outcome,) = reply.outcomes(start)
        record = Record(start, call.name, 1, reply.pid or None)
        attach(call.future, record)
        if type(outcome) is Error:
            attach(outcome.exception, record)
            call.future.set_exception(outcome.exception)
        else:
            call.future.set_result(outcome)

    def dropped(self, start: int, stop: int, broken: BaseException | None) -> None:
        """Cancel the futures, or tell them that no worker is left."""
        for index in range(start, stop):
            future = self._calls.pop(index).future
            self._references.pop(index, None)
            if broken is None:
                future.cancel()
            if _is_wanted(future):  # running still, as it had been sent, but it came back
                future.set_exception(broken or CancelledError("the executor was shut down"))


def _is_wanted(future: "Future[Any]") -> bool:
    """Let a future run, if it was not cancelled; it may have been sent before."""
    return future.running() or future.set_running_or_notify_cancel()


def reference_to(function: Callable[..., object]) -> "Reference | BaseException":
    """Pickle a function for workers, or return why that is impossible."""
    from taskpar._engine.constant import Constant  # here, as only processes need it

    try:
        return Constant(function).reference
    except KeyboardInterrupt:
        raise  # the user's own
    except BaseException as error:  # noqa: BLE001  # its __reduce__ may raise anything
        return error
