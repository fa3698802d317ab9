"""Executors in front of engines that are not ours: the same laws on whatever runs the calls."""

import concurrent.futures
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from taskpar.errors import CapabilityError
from taskpar.executor import Executor
from taskpar.executors import checked, refuse, worker_count

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    from taskpar.executors import Initializer

    class Client(Protocol):
        """What is asked of a `distributed.Client`."""

        security: Any

        def scheduler_info(self) -> dict[str, Any]:
            """Tell of the scheduler."""
            ...


__all__ = ["DaskExecutor", "FuturesExecutor", "InterpreterExecutor", "RayExecutor"]


class FuturesExecutor(Executor):
    """Runs calls in any `concurrent.futures.Executor`: somebody else's, or your own.

    Batches are sized, ordered, tried again and treated as everywhere; each is one call of the
    executor in front of which this stands. That one is never shut down from here.

    Threads share their memory with the caller, so law L8 (own memory) cannot hold with a
    `ThreadPoolExecutor`. All other workers get bytes, and need taskpar installed. When one of them
    dies, it depends on the executor what is lost: if it breaks, as those of the standard library
    and of loky do, all calls that are out raise `WorkerDiedError`, and no more are taken.

    Args:
        executor: What has a ``submit`` that returns a `concurrent.futures.Future`, or what is like
            one.
        max_workers: How many batches are sent at once; None: as many as the executor has workers,
            if it tells, else `available_cpus`.

    Raises:
        TypeError: ``executor`` has no ``submit``, or is one of taskpar's own.
        ValueError: ``max_workers`` is less than 1.

    Source: `concurrent.futures.Executor`.
    """

    def __init__(
        self, executor: concurrent.futures.Executor, max_workers: int | None = None
    ) -> None:
        from taskpar.backends.futures import FuturesBackend, Lender, ThreadsBackend

        if isinstance(executor, Executor):
            raise TypeError("executor is one of taskpar's: use it as it is")
        if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
            raise TypeError(f"executor must be a concurrent.futures.Executor, not {executor!r}")
        number = _workers_of(executor) if max_workers is None else max_workers
        lender = Lender(worker_count(number), lambda: executor, ours=False)
        threads = isinstance(executor, concurrent.futures.ThreadPoolExecutor)
        threads = threads and not isinstance(executor, _interpreter_pool() or ())
        super().__init__((ThreadsBackend if threads else FuturesBackend)(lender))


def _workers_of(executor: object) -> int | None:
    """Return how many workers an executor says that it has.

    `mpi4py` and others have a public number. The standard library and loky tell it nowhere but in
    ``_max_workers``, which has been there since Python 3.2, and which asyncio's users read, too.
    """
    for name in ("num_workers", "max_workers", "_max_workers"):
        number = getattr(executor, name, None)
        if type(number) is int and number > 0:
            return number
    return None


def _interpreter_pool() -> "type[concurrent.futures.ThreadPoolExecutor] | None":
    return getattr(concurrent.futures, "InterpreterPoolExecutor", None)


class InterpreterExecutor(Executor):
    """Runs calls in sub-interpreters of this process: own memory and own GIL, no process. New.

    A worker starts in tens of milliseconds. What it imports must support sub-interpreters: a module
    that does not, as numpy, raises ImportError in the calls that import it. A crash in C code ends
    the whole program, so law L12 (fault) cannot hold, and no call can be stopped.

    Args:
        max_workers: How many interpreters; None: as many as `available_cpus`.
        thread_name_prefix: How the names of their threads begin.
        initializer: Called in each of them before its first call.
        initargs: Its arguments.
        **elsewhere: What only executors with processes can do, as None.

    Raises:
        CapabilityError: Any of these is not None, or this is Python 3.13 or older.

    Source: `concurrent.futures.InterpreterPoolExecutor`, on which it runs; PEP 734.
    """

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: "Initializer | None" = None,
        initargs: tuple[Any, ...] = (),
        **elsewhere: None,
    ) -> None:
        from taskpar._engine.afar import arrive
        from taskpar._engine.wire import pack_startup
        from taskpar.backends.futures import InterpretersBackend, Lender

        refuse(InterpreterExecutor, elsewhere)
        slots, pool = worker_count(max_workers), _interpreter_pool()
        if pool is None:
            version = ".".join(map(str, sys.version_info[:2]))
            raise CapabilityError(
                f"InterpreterExecutor needs Python 3.14 or newer, and this is {version}: "
                "use QueueExecutor"
            )
        prefix = thread_name_prefix or "taskpar-interpreter"
        startup = pack_startup(checked(initializer), initargs)
        make = partial(pool, slots, prefix, arrive, (sys.path.copy(), startup))
        super().__init__(InterpretersBackend(Lender(slots, make, ours=True)))


class DaskExecutor(Executor):
    """Runs calls on the workers of a Dask cluster: on other machines, too.

    Batches are sized as everywhere, and tried again as asked for here: Dask's own retries, its
    de-duplication of equal calls, and its running again of tasks whose worker died, are not on top
    of that. There are as many slots as the cluster has threads, and more or fewer as it grows or
    shrinks; where no worker is left, calls wait for one. A call that kills its worker raises
    `WorkerDiedError`, and those beside it are run by another worker. If the machine is gone with
    the worker, nobody knows which call it was: then all that were sent with it raise that.

    A big constant crosses to each worker once. Workers need taskpar and Python in the version that
    the caller has. A running call cannot be stopped. Workers with several threads run several calls
    at once in one process, which share what is global there.

    Args:
        where: The address of a running scheduler, or a `distributed.Client` of it: the cluster
            stays when this executor is shut down. None: a cluster of our own on this machine, a
            worker for each of `available_cpus`, which ends with the executor.

    Raises:
        ImportError: Dask is not installed: ``pip install 'taskpar[dask]'``.
        TypeError: ``where`` is nothing of that.
        InitializerError: With the first call: nobody answers at the address, or a worker has
            another version of Python or taskpar; the cause says which.

    Source: `distributed.Client`; distributed.dask.org.
    """

    def __init__(self, where: "Client | str | None" = None) -> None:
        from taskpar.backends import dask, dask_cluster
        from taskpar.backends.placed import PlacedBackend

        if not (where is None or isinstance(where, str) or hasattr(where, "scheduler_info")):
            raise TypeError(f"where must be a Client, an address, or None, not {where!r}")
        dask_cluster.check_there()
        engine = dask.DaskEngine(partial(dask_cluster.join, where))
        super().__init__(PlacedBackend(engine, dask.BATCH_SECONDS))


class RayExecutor(Executor):
    """Runs calls on the workers of a Ray cluster: on other machines, too.

    Batches are sized as everywhere, and tried again as asked for here, never by Ray. A call that
    kills its worker raises `WorkerDiedError`, and those beside it are run by another worker. If the
    node is gone with the worker, nobody knows which call it was: then all that were sent with it
    raise that. A big constant crosses to each node once, by Ray's object store.

    A program can be in one cluster of Ray at a time. Where it is in one already, by ``ray.init``,
    that is used, and stays when this executor is shut down.

    Args:
        address: Of a running cluster, as ``ray.init`` takes it. None: that in which the program is,
            else one of our own on this machine, which ends with the executor.
        num_cpus: What a batch takes of a node, which has as many slots as it has room for.
        num_gpus: The same of its GPUs.
        resources: The same of other resources, by name.

    Raises:
        ImportError: Ray is not installed: ``pip install 'taskpar[ray]'``.
        TypeError: ``address`` is no text.
        ValueError: A batch takes nothing, so that there would be no end of slots.
        InitializerError: With the first call: nobody answers at the address, or a node has another
            version of taskpar; the cause says which.

    Source: `ray.init`, ``ray.remote``; docs.ray.io.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        num_cpus: float = 1,
        num_gpus: float = 0,
        resources: "Mapping[str, float] | None" = None,
    ) -> None:
        from taskpar.backends import ray, ray_cluster
        from taskpar.backends.placed import PlacedBackend

        if not (address is None or isinstance(address, str)):
            raise TypeError(f"address must be a text or None, not {address!r}")
        needs = {"CPU": num_cpus, "GPU": num_gpus, **(resources or {})}
        needs = {name: much for name, much in needs.items() if much}
        if not needs or min(needs.values()) < 0:
            raise ValueError(
                "num_cpus, num_gpus, resources: one must be more than 0, and none less"
            )
        ray_cluster.check_there()
        super().__init__(PlacedBackend(ray.RayEngine(address, needs), ray.BATCH_SECONDS))
