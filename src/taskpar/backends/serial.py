"""Calls run here and now, in the thread that wants their result: the reference for all others."""

from collections.abc import Callable
from os import getpid
from typing import TYPE_CHECKING, Any, cast

from taskpar._engine.backend import Parcel, Report, WorkerInfo
from taskpar._engine.running import run_direct

if TYPE_CHECKING:
    from taskpar._engine.wire import Calls


class SerialBackend:
    """Runs a payload within ``send``.

    Args:
        initializer: Called once, before the first call.
        initargs: Its arguments.
    """

    slots = 1
    inline = True
    direct = True
    can_kill = False
    largest_batch: int | None = 1

    def __init__(
        self, initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
    ) -> None:
        self._initializer = initializer
        self._initargs = initargs

    def start(self, report: Report) -> None:
        """Call the initializer."""
        self._report = report
        try:
            if self._initializer is not None:
                self._initializer(*self._initargs)
        except BaseException as error:  # noqa: BLE001  # also SystemExit: it is why nothing runs
            report.broken(error)

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Run the batch."""
        self._report.done(ticket, run_direct(cast("Calls", parcel.content)))

    def stop(self) -> None:
        """Nothing is left to stop."""

    def join(self) -> None:
        """Nothing is left to wait for."""

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell of this process: it is the worker."""
        return (WorkerInfo("MainProcess", getpid(), alive=True, exitcode=None),)
