"""Calls run in somebody else's `concurrent.futures.Executor`, the stdlib's thread pool for one."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from os import getpid
from typing import TYPE_CHECKING, Any, cast

from taskpar._engine.backend import Death, Parcel, Report, WorkerInfo
from taskpar._engine.running import run_in_thread

if TYPE_CHECKING:
    from taskpar._engine.reply import Reply
    from taskpar._engine.wire import Calls


class FuturesBackend:
    """An adapter over an executor whose workers share our memory.

    Args:
        make: Makes the executor; it is ours, and shut down by us. It is given the initializer.
        slots: How many batches it runs at once.
        initializer: Called once in each worker.
        initargs: Its arguments.
    """

    inline = False
    direct = True
    can_kill = False
    largest_batch: int | None = None

    def __init__(
        self,
        make: Callable[[Callable[[], None]], Executor],
        slots: int,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
    ) -> None:
        self.slots = slots
        self._make = make
        self._initializer = initializer
        self._initargs = initargs
        self._cause: BaseException | None = None

    def start(self, report: Report) -> None:
        """Make the executor."""
        self._report = report
        self._executor = self._make(self._initialize)

    def _initialize(self) -> None:
        try:
            if self._initializer is not None:
                self._initializer(*self._initargs)
        except BaseException as error:
            self._cause = error  # the executor only tells that it is broken
            raise

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Submit the batch as one call."""
        calls = cast("Calls", parcel.content)
        try:
            future = self._executor.submit(_run, calls, partial(self._report.done, ticket))
        except (BrokenExecutor, RuntimeError) as error:
            if isinstance(error, BrokenExecutor):
                self._broken(ticket, error)
            else:  # the program ends, or there can be no more threads: it is run all the same
                _run(calls, partial(self._report.done, ticket))
        else:
            future.add_done_callback(partial(self._hear, ticket))

    def _hear(self, ticket: int, future: "Future[None]") -> None:
        if future.cancelled():
            self._report.died(ticket, Death("its executor cancelled it"))
        elif error := future.exception():
            self._broken(ticket, error)

    def _broken(self, ticket: int, error: BaseException) -> None:
        self._report.broken(self._cause or error)
        self._report.died(ticket, Death(str(error)))

    def stop(self) -> None:
        """Let the executor go."""
        self._executor.shutdown(wait=False)

    def join(self) -> None:
        """Wait for the executor's workers."""
        self._executor.shutdown(wait=True)

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell of this process: the workers are its threads."""
        return (WorkerInfo("MainProcess", getpid(), alive=True, exitcode=None),)


def _run(calls: "Calls", take: "Callable[[Reply], None]") -> None:
    """Run a batch, and hand over the reply here.

    It is not returned: the executor's frames lead to what is returned, and the tracebacks of
    errors in it lead to those frames, so that both would stay until the garbage collector comes.
    """
    replies = [run_in_thread(calls)]
    take(replies.pop())
