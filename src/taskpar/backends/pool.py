"""Calls run by the workers of a `multiprocessing.Pool`."""

from collections.abc import Callable
from functools import partial
from multiprocessing import active_children
from multiprocessing.context import BaseContext
from multiprocessing.pool import Pool
from typing import Any, cast

from taskpar._engine import exceptions, wire
from taskpar._engine.backend import Parcel, Report, WorkerInfo
from taskpar._system.mainless import mainless
from taskpar.backends.child import become_worker


class PoolBackend:
    """An adapter over the stdlib's pool.

    Args:
        slots: How many workers the pool has.
        context: How it starts them.
        initializer: Called in each new worker.
        initargs: Its arguments.
        most: How many calls a worker may run; 0: no bound.
    """

    inline = False
    direct = False

    def __init__(
        self,
        slots: int,
        context: BaseContext,
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        most: int,
    ) -> None:
        self.slots = slots
        self.largest_batch = 1 if most else None  # the pool counts batches, the user calls
        self._context = _without_main(context)
        self._pool: Pool | None = None
        self._startup = wire.pack_startup(initializer, initargs)
        self._most = most

    def start(self, report: Report) -> None:
        """Make the pool, with all its workers."""
        self._report = report
        self._pool = Pool(
            self.slots,
            _begin,
            (self._startup,),
            maxtasksperchild=self._most or None,
            context=self._context,
        )

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Give the pool a batch as one task."""
        cast("Pool", self._pool).apply_async(
            _run,
            (parcel.content,),
            callback=partial(self._hear, ticket),
            error_callback=partial(self._failed, ticket),
        )

    def _hear(self, ticket: int, answer: tuple[bytes | None, bytes]) -> None:
        reply, why = answer
        if reply is None:
            self._report.broken(exceptions.loads(why))
        self._report.done(ticket, reply)

    def _failed(self, ticket: int, error: BaseException) -> None:
        self._report.died(ticket, f"its worker failed: {error!r}", None)

    def stop(self) -> None:
        """Take no more tasks; the workers end when they have none."""
        cast("Pool", self._pool).close()

    def join(self) -> None:
        """Wait for the workers and for the pool's threads."""
        if (pool := self._pool) is not None:
            pool.join()
            self._pool = None  # only now does it let go of its pipes

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell who is there."""
        ours = cast("type", self._context.Process)  # type: ignore[attr-defined]  # as contexts have
        return tuple(
            WorkerInfo(child.name, child.pid, child.is_alive(), child.exitcode)
            for child in active_children()
            if isinstance(child, ours)
        )


def _without_main(context: BaseContext) -> BaseContext:
    """Make a context like this one whose processes do not import ``__main__``."""
    cls = type(context)
    made: BaseContext = type(
        cls.__name__, (cls,), {"Process": mainless(context, preloaded=(__name__, "cloudpickle"))}
    )()
    return made


_startup_error: BaseException | None = None


def _begin(startup: bytes | None) -> None:
    """Make a new worker ready."""
    global _startup_error
    become_worker()
    try:
        if startup is not None:
            initializer, initargs = wire.unpack_startup(startup)
            initializer(*initargs)
    except BaseException as error:  # noqa: BLE001  # also SystemExit
        _startup_error = error  # told with the first batch: a pool would only start the next worker


def _run(payload: bytes) -> tuple[bytes | None, bytes]:
    """Run a batch in a worker: the reply, or None and why this worker could not be made ready."""
    if _startup_error is not None:
        return None, exceptions.dumps(_startup_error)
    return wire.run(payload), b""
