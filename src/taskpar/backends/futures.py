"""Calls run in somebody else's `concurrent.futures.Executor`, the stdlib's thread pool for one."""

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from functools import partial
from os import getpid
from typing import Any

from taskpar._engine.backend import Parcel, Report, WorkerInfo
from taskpar._engine.wire import Reply, run_in_thread


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
        try:
            future = self._executor.submit(run_in_thread, parcel.content)  # type: ignore[arg-type]
        except (BrokenExecutor, RuntimeError) as error:
            self._broken(ticket, error)
        else:
            future.add_done_callback(partial(self._hear, ticket))

    def _hear(self, ticket: int, future: "Future[Reply]") -> None:
        if future.cancelled():
            self._report.died(ticket, "its executor cancelled it", None)
        elif error := future.exception():
            self._broken(ticket, error)
        else:
            self._report.done(ticket, future.result())

    def _broken(self, ticket: int, error: BaseException) -> None:
        self._report.broken(self._cause or error)
        self._report.died(ticket, str(error), None)

    def stop(self) -> None:
        """Let the executor go."""
        self._executor.shutdown(wait=False)

    def join(self) -> None:
        """Wait for the executor's workers."""
        self._executor.shutdown(wait=True)

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell of this process: the workers are its threads."""
        return (WorkerInfo("MainProcess", getpid(), alive=True, exitcode=None),)
