"""Workers that stay, each fed by its own task queue and heard on its own result queue.

One thread, the listener, waits for all result queues and for the sentinels of all processes at
once, so that a death is seen as soon as a result is. Batches are written by whoever sends them.
"""

import threading
from collections.abc import Callable
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any, cast

from taskpar._engine import exceptions, wire
from taskpar._engine.backend import Parcel, Report, WorkerInfo
from taskpar._system.segment import Segment
from taskpar.backends.link import Link
from taskpar.backends.worker import DONE, FAILED, STOP, Worker

_WORD = 8


class QueueBackend:
    """Persistent workers, started when there is work for them.

    Args:
        slots: How many workers there may be.
        context: How to start them.
        worker_class: What to start.
        initializer: Called in each new worker.
        initargs: Its arguments.
        most: How many calls a worker may run; 0: no bound.
    """

    inline = False
    direct = False
    largest_batch: int | None = None
    named_after_task = False
    """Whether a worker has the name of what it runs, as one does that runs nothing else."""

    def __init__(
        self,
        slots: int,
        context: BaseContext,
        worker_class: type[Worker],
        initializer: Callable[..., object] | None,
        initargs: tuple[Any, ...],
        most: int,
    ) -> None:
        self.slots = slots
        self._context = context
        self._worker_class = worker_class
        self._startup = wire.pack_startup(initializer, initargs)
        self._most = most
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._links: set[Link] = set()
        self._idle: list[Link] = []
        self._places = list(reversed(range(slots)))
        self._names = count(1)
        self._stopping = False

    def start(self, report: Report) -> None:
        """Start the listener; workers come with the work."""
        self._report = report
        self._positions = Segment(_WORD * self.slots)
        self._woken, self._waker = Pipe(duplex=False)
        self._listener = threading.Thread(target=self._listen, name="taskpar-listener", daemon=True)
        self._listener.start()

    # ---------------------------------------------------------------------------- sending
    def send(self, ticket: int, parcel: Parcel) -> None:
        """Write the batch to the worker that became idle last, or to a new one."""
        with self._lock:
            link = self._idle.pop() if self._idle else None
            if link is not None:
                link.ticket = ticket
        link = link or self._hire(ticket, parcel.label)
        if link is not None:
            link.send(cast("bytes", parcel.content))

    def _hire(self, ticket: int, label: str | None) -> Link | None:
        """Start a worker for a ticket; where that is impossible, report it, and return None."""
        with self._lock:
            place = self._places.pop()
        try:
            link = self._start(place, label)
        except Exception as error:  # noqa: BLE001  # no memory, no process left: the system's reason
            with self._lock:
                self._places.append(place)
            self._report.died(ticket, f"no worker can be started: {error}", None)
            return None
        link.ticket = ticket
        with self._lock:
            self._links.add(link)
        self._wake()
        return link

    def _start(self, place: int, label: str | None) -> Link:
        name = f"Worker-{next(self._names)}"
        if label is not None and self.named_after_task:
            name = label
        return Link(
            self._context,
            self._worker_class,
            name,
            self._positions,
            place,
            self._startup,
            self._most,
        )

    def _wake(self) -> None:
        self._waker.send_bytes(b"")

    # -------------------------------------------------------------------------- listening
    def _listen(self) -> None:
        """Hear all workers until they are gone; the body of the listener."""
        while not (self._stopping and not self._links):
            try:
                self._hear_once()
            except BaseException as error:  # a mistake of ours, but nobody may wait for ever
                self._report.broken(error)
                for ticket in [link.ticket for link in self._links if link.ticket is not None]:
                    self._report.died(ticket, f"its results cannot be heard: {error!r}", None)
                raise
        with self._lock:
            self._woken.close()
            self._waker.close()
        self._positions.close()

    def _hear_once(self) -> None:
        """Wait for news and take them in; a frame of its own, so that nothing outlives it."""
        with self._lock:
            links = list(self._links)
        heard: dict[Any, Link] = {link.channel.reader: link for link in links if not link.deaf}
        ended: dict[Any, Link] = {link.process.sentinel: link for link in links}
        ready = wait([self._woken, *heard, *ended])
        if self._woken in ready:
            _drain(self._woken)
        for sign in ready:
            if sign in heard:
                self._hear(heard[sign])
        for sign in ready:
            if sign in ended:
                self._part_with(ended[sign])

    def _hear(self, link: Link) -> None:
        for message in link.messages():
            self._take(link, message)

    def _take(self, link: Link, message: bytes | memoryview) -> None:
        kind, body, ticket = bytes(message[:1]), memoryview(message)[1:], link.ticket
        if kind == FAILED:
            self._report.broken(exceptions.loads(bytes(body)))
        elif ticket is None:
            return
        elif kind == DONE:
            self._is_idle(link)
            self._report.done(ticket, body)
        else:  # PART, or LAST: then the slot is free when the process has ended
            self._report.part(ticket, body)

    def _is_idle(self, link: Link) -> None:
        with self._lock:
            link.ticket = None
            self._idle.append(link)
            if self._stopping:
                link.send(STOP)

    def _part_with(self, link: Link) -> None:
        """Take in the last words of a process that has ended, and what it left undone."""
        self._hear(link)
        position, ticket = link.position, link.ticket
        why = link.end()
        with self._lock:
            self._links.discard(link)
            if link in self._idle:
                self._idle.remove(link)
            self._places.append(link.place)
        if ticket is not None:
            self._report.died(ticket, why, position)

    # ---------------------------------------------------------------------------- leaving
    def stop(self) -> None:
        """Send every worker the stop word; all of them are idle."""
        with self._lock:
            self._stopping = True
            for link in self._links:
                link.send(STOP)
            self._wake()  # with the lock held: the listener may be gone right after

    def join(self) -> None:
        """Wait for the listener, which waits for the workers."""
        if threading.current_thread() is not self._listener:
            self._listener.join()

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell who is there."""
        with self._lock:
            return tuple(link.info() for link in sorted(self._links, key=lambda link: link.place))


def _drain(woken: Connection) -> None:
    while woken.poll():
        woken.recv_bytes()
