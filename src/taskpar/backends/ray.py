"""Calls run on the workers of a Ray cluster.

A place is a node, on which Ray starts workers as it likes. To Ray function and arguments are bytes;
a big constant is in its object store, so that it crosses once to each node.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from taskpar._engine.afar import find, version
from taskpar._engine.noting import last_notes, run_noted
from taskpar.backends import ray_cluster
from taskpar.backends.other import Given, Host, Notes

if TYPE_CHECKING:
    from concurrent.futures import Future

BATCH_SECONDS = 0.2
"""How long a batch should take: there and back takes Ray some milliseconds, several of them of the
processors' time."""

LOOK_SECONDS = 1.0
"""How old it may be, what is known of nodes, when a batch comes home: Ray tells of none that comes
or goes."""

_OF_A_WORKER = ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "LocalRayletDiedError")
"""The errors that tell of the end of a worker."""


class RayEngine:
    """Nodes of a cluster, which may have others to serve, too.

    Args:
        address: Where it is; None: the one that this program has joined, else one of our own.
        needs: What a batch takes of a node, in Ray's names, at least one of them.
    """

    def __init__(self, address: str | None, needs: Mapping[str, float]) -> None:
        self._address = address
        self._needs = dict(needs)
        self._looked = 0.0
        self._joined = False

    def enter(self, host: Host) -> None:
        """Join the cluster."""
        self._host = host
        self._ray, own = ray_cluster.enter(self._address)
        self._joined = True
        self._strategies = importlib.import_module("ray.util.scheduling_strategies")
        run = _finding(sys.path.copy()) if own else run_noted
        self._run = self._remote(run, **_options(self._needs))
        nodes = self._nodes()
        if not nodes:
            raise RuntimeError(f"no node of the Ray cluster has what a batch takes: {self._needs}")
        self._check_versions(nodes)
        self._look_around()

    def _remote(self, function: Callable[..., object], **options: object) -> Any:
        return self._ray.remote(max_retries=0, **options)(function)

    def _at(self, node: str, task: Any) -> Any:
        """Let a task run on a node, and nowhere else."""
        where = self._strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        return task.options(scheduling_strategy=where)

    def _check_versions(self, nodes: Mapping[str, int]) -> None:
        ask, ours = self._remote(version, num_cpus=0), version()
        for node, told in [(node, self._at(node, ask).remote()) for node in nodes]:
            theirs = self._ray.get(told)
            if theirs != ours:
                raise RuntimeError(f"the Ray node {node} has taskpar {theirs}, not {ours} as here")

    def _look_around(self) -> None:
        self._looked = monotonic()
        self._host.are(self._nodes())

    def _nodes(self) -> dict[str, int]:
        """Return the nodes, and for how many batches each has room."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        rooms = {node["NodeID"]: self._room(node["Resources"]) for node in alive}
        return {node: room for node, room in rooms.items() if room}

    def _room(self, has: Mapping[str, float]) -> int:
        return int(min(has.get(name, 0.0) // much for name, much in self._needs.items()))

    def submit(self, ticket: int, place: str, task: Given) -> Any:
        """Make a task for one node."""
        future: Future[bytes] = self._at(place, self._run).remote(*task).future()
        future.add_done_callback(partial(self._host.tell, self._hear, ticket, place))
        return future

    def _hear(self, ticket: int, place: str, future: "Future[bytes]") -> None:
        error = None if future.cancelled() else future.exception()
        kind = type(error).__name__
        if error is not None or monotonic() > self._looked + LOOK_SECONDS:
            self._look_around()
        if kind in _OF_A_WORKER:
            self._host.gone(place, ticket)
        elif kind == "TaskUnschedulableError":
            self._host.lost(ticket, f"its node {place} has gone", begun=False)
        elif error is not None or future.cancelled():
            self._host.lost(ticket, f"Ray raised {kind}: {error}")
        else:
            self._host.home(ticket, future.result())

    def store(self, data: bytes, place: str) -> Any:
        """Put a constant into Ray's store; each node gets it from there."""
        return self._ray.put(data)

    def stored(self, what: Any) -> bool:
        """Tell that it is there: its owner is this program."""
        return True

    def withdraw(self, tasks: list[Any]) -> None:
        """Do nothing: they have ended, as Ray says itself."""

    def ask(self, place: str, names: list[str], answer: Callable[[Notes], object]) -> None:
        """Have another worker of that node look."""
        asked: Future[Notes] = (
            self._at(place, self._remote(last_notes, num_cpus=0)).remote(names).future()
        )
        asked.add_done_callback(lambda done: answer(None if done.exception() else done.result()))

    def leave(self) -> None:
        """Leave the cluster; one of our own ends with the last executor in it."""
        if self._joined:
            ray_cluster.leave()


def _finding(path: list[str]) -> Callable[..., bytes]:
    """Return what runs a batch where modules are found as they are here.

    On machines of others that would make no sense; and Ray asks for a function.
    """

    def run(*given: Any) -> bytes:
        find(path)
        return run_noted(*given)

    return run


def _options(needs: Mapping[str, float]) -> dict[str, Any]:
    """Return what Ray calls what a task takes: two of them have words of their own."""
    others = {name: much for name, much in needs.items() if name not in ("CPU", "GPU")}
    return {
        "num_cpus": needs.get("CPU", 0),
        "num_gpus": needs.get("GPU", 0),
        "resources": others,
    }
