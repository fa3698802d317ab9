"""The futures of `submit`: lean, and heard by whoever waits for them.

Most futures of a program are made, ended and read without anybody who waits for them in another
thread. `concurrent.futures.Future` makes a condition for each, which is most of what a future
costs. Here it is made when somebody needs it. That takes what `Future` has no public name for:
all that is used of its inside is used in this class, and held to what it is by the tests.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic
from typing import TYPE_CHECKING, Any

from taskpar._system import ctrl_c

if TYPE_CHECKING:
    from taskpar._engine.engine import Engine

_lock = threading.RLock()
"""Held for the moment in which a future ends without a condition, or is given one: so that it is
one or the other. By all futures, as it is held for less than a microsecond."""

_PENDING, _RUNNING, _FINISHED = "PENDING", "RUNNING", "FINISHED"
_CANCELLED = frozenset(("CANCELLED", "CANCELLED_AND_NOTIFIED"))
_ENDED = _CANCELLED | {_FINISHED}


# pyright: reportPrivateUsage=false, reportIncompatibleVariableOverride=false
class LeanFuture(Future[Any]):
    """A future that has a condition only once somebody waits for it, cancels it or is called back.

    **Law**: whatever is done with it, it is a `concurrent.futures.Future`.
    """

    # What nothing has changed yet is the class's: so there is nothing to be made for a future.
    _made: threading.Condition | None = None
    _state = _PENDING
    _result: Any = None
    _exception: BaseException | None = None

    def __init__(self) -> None:
        pass

    @property
    def _waiters(self) -> list[Any]:  # type: ignore[override]  # made when needed
        waiters: list[Any] = vars(self).setdefault("_waiting", [])
        return waiters

    @property
    def _done_callbacks(self) -> list[Any]:  # made when needed
        callbacks: list[Any] = vars(self).setdefault("_to_call", [])
        return callbacks

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]  # made when needed
        made = self._made
        if made is None:
            made = threading.Condition()
            with _lock:
                made = vars(self).setdefault("_made", made)
        return made

    def done(self) -> bool:
        """Tell whether the call has ended, or was cancelled."""
        return self._state in _ENDED

    def cancelled(self) -> bool:
        """Tell whether the call was cancelled."""
        return self._state in _CANCELLED

    def running(self) -> bool:
        """Tell whether the call is being run."""
        return self._state == _RUNNING

    def set_running_or_notify_cancel(self) -> bool:
        """Let the call run, unless it was cancelled."""
        with _lock:
            lean = self._made is None and self._state == _PENDING
            if lean:
                self._state = _RUNNING
        return lean or super().set_running_or_notify_cancel()

    def set_result(self, result: Any) -> None:
        """End with a result."""
        with _lock:
            lean = self._made is None and self._state in (_PENDING, _RUNNING)
            if lean:  # nobody waits, nor is to be called back
                self._result = result
                self._state = _FINISHED
        if not lean:
            super().set_result(result)

    def result(self, timeout: float | None = None) -> Any:
        """Return the result, or raise what the call raised, or `TimeoutError`."""
        left = timeout if self._state == _FINISHED else self._left(timeout)
        if self._state == _FINISHED and self._exception is None:
            return self._result
        return super().result(left)

    def _left(self, timeout: float | None) -> float | None:
        """Return how many seconds are left to wait, when all that can be done meanwhile is done."""
        return timeout


class HeardFuture(LeanFuture):
    """A future whose result is heard by whoever waits for it, where that is possible.

    Args:
        engine: Where its call runs.
    """

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Return what the call raised, or None; raise `TimeoutError` if it is not home in time."""
        return super().exception(self._left(timeout))

    def _left(self, timeout: float | None) -> float | None:
        """Hear the result; return how many seconds are left to wait for it."""
        if self.done():
            return timeout
        deadline = None if timeout is None else monotonic() + timeout
        self._engine.hear(self.done, deadline)
        while not self.done():
            left = None if deadline is None else max(0.0, deadline - monotonic())
            at_once = ctrl_c.patience(left)
            if at_once == left:
                return left
            with self._condition:
                if not self.done():
                    self._condition.wait(at_once)
        return 0.0


class StoppableFuture(HeardFuture):
    """A future whose call can be cancelled while it runs.

    For `concurrent.futures` it is pending until its call is home, as that is what can be cancelled.
    """

    begun = False
    """Whether the call was given to a worker."""

    def __init__(self, engine: "Engine", stop: Callable[[], object]) -> None:
        super().__init__(engine)
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


def begins(future: LeanFuture) -> bool:
    """Let a future's call run, if it was not cancelled; it may have been sent before."""
    if isinstance(future, StoppableFuture) and not future.cancelled():
        future.begun = True
        return True
    return may_end(future)


def may_end(future: LeanFuture) -> bool:
    """Let a future come to an end, if it was not cancelled."""
    return LeanFuture.running(future) or future.set_running_or_notify_cancel()
