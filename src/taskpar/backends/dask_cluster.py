"""Joining a Dask cluster: one that runs, or one of our own on this machine."""

import importlib
import multiprocessing
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from taskpar._system.cpus import available_cpus
from taskpar._system.mainless import mainless
from taskpar.backends.missing import needed

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


class Cluster(NamedTuple):
    """A cluster that we have joined.

    Args:
        client: Our own client of it.
        host_of: Tells the machine of a worker's address.
        end: Ends it, if it is ours.
    """

    client: Any
    host_of: Callable[[str], str]
    end: Callable[[], object]


def check_there() -> Any:
    """Return Dask's module.

    Raises:
        ImportError: It is not installed.
    """
    return needed("distributed", "DaskExecutor", "dask")


def join(where: Any) -> Cluster:
    """Join a cluster.

    Args:
        where: The address of a scheduler, or a client of it; None: a cluster of our own.

    Raises:
        OSError: Nobody answers.
        RuntimeError: A worker has another version of something that must be the same.
    """
    distributed, end = check_there(), _nothing
    options = {"set_as_default": False, "name": "taskpar"}
    if where is None:
        where, end = _own()
    elif not isinstance(where, str):
        options["security"] = where.security
        where = where.scheduler_info()["address"]
    try:
        client = distributed.Client(where, **options)
        try:
            _check_versions(client)
        except BaseException:
            client.close()
            raise
    except BaseException:
        end()
        raise
    addressing = importlib.import_module("distributed.comm")
    return Cluster(client, addressing.get_address_host, end)


def _nothing() -> None:
    """Leave a cluster that is not ours as it is."""


def _check_versions(client: Any) -> None:
    found = client.get_versions(packages=["taskpar"])
    ours = found["client"]["packages"]
    for address, told in found["workers"].items():
        theirs = told["packages"]
        for name, parts in (("python", 2), ("taskpar", 9)):
            here, there = (str(each[name]).split(".")[:parts] for each in (ours, theirs))
            if here != there:
                raise RuntimeError(
                    f"the Dask worker {address} has {name} {theirs[name]}, and this process has "
                    f"{name} {ours[name]}: they must be the same"
                )


# ---------------------------------------------------------------------------- a cluster of our own
def _own() -> tuple[str, Callable[[], None]]:
    """Start a cluster; return its address, and what ends it.

    It is in a process of its own: so that Dask, which starts its workers as it likes, whenever one
    has died, does not let them import the caller's script; and so that it ends with this process.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    kind: type[BaseProcess] = mainless(context)
    process = kind(target=serve, args=(theirs, available_cpus(), sys.path.copy()))
    process.name = "taskpar-dask-cluster"
    process.start()
    theirs.close()

    def end() -> None:
        ours.close()
        process.join()

    try:
        address = ours.recv()
    except EOFError:
        end()
        raise RuntimeError("a local Dask cluster could not be started: see its log") from None
    return address, end


def serve(parent: Connection, workers: int, path: list[str]) -> None:
    """Be a cluster until the parent lets go of it; in a process of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; workers inherit that
    sys.path[:] = path
    dask, distributed = map(importlib.import_module, ("dask", "distributed"))
    options = {"dashboard_address": None, "silence_logs": "CRITICAL", "threads_per_worker": 1}
    with (
        TemporaryDirectory(prefix="taskpar-dask-") as folder,
        dask.config.set(temporary_directory=folder),  # scheduler and workers leave nothing
        distributed.LocalCluster(n_workers=workers, **options) as cluster,
    ):
        parent.send(cluster.scheduler_address)
        with suppress(EOFError):
            parent.recv()
