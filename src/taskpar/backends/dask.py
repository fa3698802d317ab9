"""Calls run on the workers of a Dask cluster.

A place is a worker, by its address. To Dask function and arguments are bytes; a big constant is
scattered, and fetched by each worker once. The client is our own, so that handlers and tasks of
others are not touched.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from taskpar._engine.noting import last_notes, run_noted
from taskpar.backends.dask_cluster import Cluster
from taskpar.backends.other import Given, Host, Notes

BATCH_SECONDS = 0.5
"""How long a batch should take: there and back takes Dask some 10 ms, and that much of the
processors' time in client, scheduler and worker."""

LARGE = 1 << 20
"""Bytes from which a batch goes to its worker as data: what is in a task, the scheduler keeps, and
Dask warns of it."""

NOTE_SECONDS = 30.0
"""How long the machine of a dead worker is waited for, to learn what that was at: its nanny takes
some seconds to start the next one."""


class DaskEngine:
    """Workers of a cluster, which may have others to serve, too.

    Args:
        join: Returns the cluster.
    """

    def __init__(self, join: Callable[[], Cluster]) -> None:
        self._join = join
        self._cluster: Cluster | None = None

    def enter(self, host: Host) -> None:
        """Join the cluster; what it tells of its workers comes from then on."""
        self._host = host
        self._cluster = self._join()
        self._client = self._cluster.client
        self._client.subscribe_topic("all", self._hear)
        self._look_around()

    def _hear(self, event: tuple[float, Any]) -> None:
        """Take an event of the scheduler, in Dask's loop."""
        message = event[1] if isinstance(event[1], dict) else {}
        if message.get("action") == "add-worker":
            self._host.tell(self._look_around)
        elif message.get("action") == "remove-worker":
            self._host.tell(self._look_around)
            self._host.tell(self._host.gone, message["worker"])

    def _look_around(self) -> None:
        self._host.are(self._client.nthreads())

    def submit(self, ticket: int, place: str, task: Given) -> Any:
        """Make a task for one worker; Dask neither tries it again nor takes it for another."""
        key = f"{task.name}-{'batch' if task.data is None else 'whole'}"
        if len(task.payload) > LARGE:
            task = task._replace(payload=self.store(task.payload, place))
        where = {"workers": [place], "key": key}
        future = self._client.submit(run_noted, *task, pure=False, retries=0, **where)
        self._client.loop.add_callback(self._wait, ticket, future)
        return future

    async def _wait(self, ticket: int, future: Any) -> None:
        try:
            reply = await future
        except Exception as error:  # noqa: BLE001  # whatever Dask says
            self._host.tell(self._failed, ticket, error)
        else:
            self._host.tell(self._host.home, ticket, reply)

    def _failed(self, ticket: int, error: Exception) -> None:
        """Say what Dask says of a batch; that its worker has died, an event tells."""
        kind = type(error).__name__
        if self._client.status != "running":
            self._host.over(ConnectionError(f"the scheduler does not answer: {error}"))
        elif getattr(error, "reason", None) == "lost dependencies":
            self._host.lost(ticket, "what is bound to its function was lost", begun=False)
        elif kind != "KilledWorker":
            self._host.lost(ticket, f"Dask raised {kind}: {error}")

    def store(self, data: bytes, place: str) -> Any:
        """Scatter a constant to the worker that needs it; others fetch it from there."""
        return self._client.scatter(data, workers=[place], hash=False)

    def stored(self, what: Any) -> bool:
        """Tell whether a worker has it: it may have gone with the only one."""
        return bool(what.status == "finished")

    def withdraw(self, tasks: list[Any]) -> None:
        """Cancel them: else they would wait for a worker with that very address."""
        self._client.cancel(tasks, force=True)

    def ask(self, place: str, names: list[str], answer: Callable[[Notes], object]) -> None:
        """Have the next worker of that machine look, before all else."""
        where = {"workers": [self._cluster.host_of(place)], "priority": 1000}  # type: ignore[union-attr]  # joined
        asked = self._client.submit(last_notes, names, pure=False, retries=0, **where)
        self._client.loop.add_callback(self._ask, asked, answer)

    async def _ask(self, asked: Any, answer: Callable[[Notes], object]) -> None:
        try:
            notes = await asyncio.wait_for(asked, NOTE_SECONDS)
        except Exception:  # noqa: BLE001  # the machine is gone, too: nobody knows
            notes = None
        answer(notes)

    def leave(self) -> None:
        """Leave the cluster; one of our own ends."""
        if self._cluster is not None:
            self._client.unsubscribe_topic("all")
            self._client.close()
            self._cluster.end()
