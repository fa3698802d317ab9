"""Workers that stay, each fed by its own task queue and heard on its own result queue.

One thread, the listener, waits for all result queues and for the sentinels of all processes at
once, so that a death is seen as soon as a result is. Batches are written by whoever sends them.
"""

import threading
from collections.abc import Callable
from itertools import count
from math import inf
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from time import monotonic
from typing import Any, cast

from taskpar._engine import exceptions
from taskpar._engine.backend import Death, Parcel, Report, WorkerInfo
from taskpar._system import ctrl_c, lifeline
from taskpar._system.arena import Arena, Loan
from taskpar._system.forking import warn_of_threads
from taskpar._system.watch import Watch
from taskpar.backends.board import Board
from taskpar.backends.hearing import Hearing
from taskpar.backends.hiring import Hiring
from taskpar.backends.link import Link, Workplace
from taskpar.backends.worker import DONE, FAILED, STOP

_HEARD, _ENDED = range(2)
"""What there is to wait for of a worker: that something has come, and that its process has gone."""

WATCH_SECONDS = 0.2
"""How often the memory of workers with a hard limit is looked at: no system tells of that."""


class QueueBackend:
    """Persistent workers, started when there is work for them.

    Args:
        hiring: What a worker is made of.
    """

    inline = False
    direct = False
    can_kill = True
    largest_batch: int | None = None
    named_after_task = False
    """Whether a worker has the name of what it runs, as one does that runs nothing else."""

    def __init__(self, hiring: Hiring) -> None:
        self.slots = hiring.slots
        self._hiring = hiring
        _, self._hard_memory = hiring.memory
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._links: set[Link] = set()
        self._doomed: set[Link] = set()
        """Those that were asked to end, and may have to be killed."""
        self._idle: list[Link] = []
        # More places than slots: a worker that is to leave has its own until it has left.
        self._places = list(reversed(range(2 * self.slots)))
        self._waiting: dict[int, Parcel] = {}
        """Batches without a place, as too many workers take their time to leave."""
        self._coming: dict[int, bool] = {}
        """Tickets whose workers are being started, and whether they are wanted no more."""
        self._names = count(1)
        self._stopping = False
        self.starting = 0.0
        """Seconds that workers took to start, all together."""

    def start(self, report: Report) -> None:
        """Start the listener; workers come with the work."""
        self._report = report
        warn_of_threads(self._hiring.context)
        lifeline.read_end()  # it starts a process: another thread could miss Ctrl-C meanwhile
        self._board = Board(2 * self.slots)
        self._arena = Arena.made(self._hiring.shared // 2)
        self._woken, self._waker = Pipe(duplex=False)
        self._watch = Watch()
        self._watch.add(self._woken, None)
        self._hearing = Hearing(self._hear_once, self._is_over, self._is_quiet)
        self._listener = threading.Thread(target=self._listen, name="taskpar-listener", daemon=True)
        self._listener.start()

    # ---------------------------------------------------------------------------- sending
    def loan(self) -> Loan | None:
        """Return what takes the big pieces of one batch."""
        return None if self._arena is None else Loan(self._arena)

    def send(self, ticket: int, parcel: Parcel) -> None:
        """Write the batch to the worker that became idle last, or to a new one."""
        with self._lock:
            link = self._idle.pop() if self._idle else None
            if link is not None and parcel.fresh:
                link.send(STOP)
                link = None
            if link is not None:
                link.ticket = ticket
        if link is None:
            self._send_to_new(ticket, parcel)
        else:
            link.send(cast("bytes", parcel.content), parcel.loan)

    def _send_to_new(self, ticket: int, parcel: Parcel) -> None:
        with self._lock:
            if not self._places:
                self._waiting[ticket] = parcel  # until a worker has left
                return
            place = self._places.pop()
            self._coming[ticket] = False
        link = self._hire(ticket, parcel.label, place)
        if link is not None and not link.doomed:
            link.send(cast("bytes", parcel.content), parcel.loan)

    def _hire(self, ticket: int, label: str | None, place: int) -> Link | None:
        """Start a worker for a ticket; where that is impossible, report it, and return None."""
        name = f"Worker-{next(self._names)}"
        if label is not None and self.named_after_task:
            name = label
        try:
            with ctrl_c.later():  # a worker that has been started must be known
                link = Link(self._hiring, name, Workplace(self._board, place, self._arena))
                link.ticket = ticket
                with self._lock:
                    self._links.add(link)
                    self._watch.add(link.channel.reader, (_HEARD, link))
                    self._watch.add(link.process.sentinel, (_ENDED, link))
                    if self._coming.pop(ticket):
                        self._stop_link(link, None)
                self._wake()
        except BaseException as error:  # no memory, no process left, or Ctrl-C
            with self._lock:
                if self._coming.pop(ticket, None) is None:
                    raise  # when the worker was known
                self._places.append(place)
            self._report.died(ticket, Death(f"no worker can be started: {error}"))
            if not isinstance(error, Exception):
                raise
            return None
        return link

    def _wake(self) -> None:
        self._waker.send_bytes(b"")

    # -------------------------------------------------------------------------- listening
    def _listen(self) -> None:
        """Hear all workers until they are gone; the body of the listener."""
        self._report.serve()
        self._hearing.run()
        with self._lock:
            self._watch.close()
            self._woken.close()
            self._waker.close()
        self._board.close()
        if self._arena is not None:
            self._arena.close()

    def hear(self, enough: Callable[[], bool], deadline: float | None) -> None:
        """Let who waits for a result hear it himself, if nobody else hears."""
        self._hearing.as_guest(enough, deadline)

    def _is_over(self) -> bool:
        return self._stopping and not self._links

    def _is_quiet(self) -> bool:
        return len(self._idle) == len(self._links) and not (self._coming or self._waiting)

    def _hear_once(self, seconds: float | None, eager: bool) -> None:
        """Wait for news, so long at the most, and take them in."""
        ready = self._watch.wait(self._patience(seconds), eager=eager)
        with ctrl_c.later():
            try:
                self._take_in(ready)
            except BaseException as error:  # a mistake of ours, but nobody may wait for ever
                if exceptions.is_ctrl_c(error):  # pressed twice, in the thread of a guest
                    raise
                self._report.broken(error)
                for ticket in [link.ticket for link in self._links if link.ticket is not None]:
                    self._report.died(ticket, Death(f"its results cannot be heard: {error!r}"))
                raise

    def _take_in(self, ready: list[Any]) -> None:
        if None in ready:
            _drain(self._woken)
        signs = [sign for sign in ready if sign]
        for what, link in signs:
            if what == _HEARD:
                self._hear(link)
        for what, link in signs:
            if what == _ENDED:
                self._part_with(link)
        if self._is_watchful():
            self._look_after()

    def _is_watchful(self) -> bool:
        """Whether there are workers to look after, whatever is heard."""
        return bool(self._hard_memory or self._doomed or self._hiring.idle)

    def _patience(self, seconds: float | None) -> float | None:
        """Return after how many seconds to look after workers, or whoever asks has to know."""
        if not self._is_watchful():
            return seconds
        with self._lock:
            due = min((link.doomed_at for link in self._links), default=inf)
            if self._hiring.idle and self._idle:
                due = min(due, self._idle[0].idle_since + self._hiring.idle)
        if self._hard_memory and self._links:
            due = min(due, monotonic() + WATCH_SECONDS)
        due = min(due, inf if seconds is None else monotonic() + seconds)
        return None if due == inf else max(0.0, due - monotonic())

    def _look_after(self) -> None:
        """Kill workers that do not leave when asked to, or that have grown much too big.

        Those that have been idle for too long are asked to leave.
        """
        with self._lock:
            while self._hiring.idle and self._idle and self._has_idled(self._idle[0]):
                self._idle.pop(0).send(STOP)
            links = list(self._links)
            self._doomed &= self._links
        for link in links:
            if self._hard_memory and link.look() > self._hard_memory:
                link.kill(f", over its limit of {self._hard_memory:,} bytes of memory,")
            elif link.doomed_at <= monotonic():
                link.kill()

    def _has_idled(self, link: Link) -> bool:
        return link.idle_since + self._hiring.idle <= monotonic()

    def _hear(self, link: Link) -> None:
        for message in link.messages():
            self._take(link, message)
        if link.deaf:
            self._watch.drop(link.channel.reader)

    def _take(self, link: Link, message: bytes | memoryview) -> None:
        kind, body, ticket = bytes(message[:1]), memoryview(message)[1:], link.ticket
        if kind == FAILED:
            self._report.broken(exceptions.loads(bytes(body)))
        elif ticket is not None:
            self._take_reply(link, ticket, kind == DONE, body)

    def _take_reply(self, link: Link, ticket: int, done: bool, body: memoryview) -> None:
        reply = link.reply(body)
        if link.began is not None:
            self.starting += max(0.0, monotonic() - link.began - reply.seconds)
            link.began = None
        if done:
            self._is_idle(link)
            self._report.done(ticket, reply)
        else:  # PART, or its last words: then the slot is free when the process has ended
            self._report.part(ticket, reply)

    def _is_idle(self, link: Link) -> None:
        with self._lock:
            link.ticket = None
            if link.doomed:  # its last call ended in this very moment: the next is not to suffer
                link.send(STOP)
                return
            link.idle_since = monotonic()
            self._idle.append(link)
            if self._stopping:
                link.send(STOP)

    def _part_with(self, link: Link) -> None:
        """Take in the last words of a process that has ended, and what it left undone."""
        if not link.deaf:
            self._hear(link)
        if not link.deaf:
            self._watch.drop(link.channel.reader)
        self._watch.drop(link.process.sentinel)
        with self._lock:  # from here on nobody gives it another ticket
            self._links.discard(link)
            if link in self._idle:
                self._idle.remove(link)
            ticket = link.ticket
        death = link.end()
        with self._lock:
            self._places.append(link.place)
            waiting = next(iter(self._waiting.items()), None)
            if waiting is not None:
                del self._waiting[waiting[0]]
        if ticket is not None:
            self._report.died(ticket, death)
        if waiting is not None:
            self._send_to_new(*waiting)

    # --------------------------------------------------------------------------- stopping
    def _stop_link(self, link: Link, position: int | None) -> None:
        self._doomed.add(link)
        link.stop(position)

    def _link_of(self, ticket: int) -> Link | None:
        with self._lock:
            return next((link for link in self._links if link.ticket == ticket), None)

    def running(self, ticket: int) -> tuple[int, float] | None:
        """Tell which call of a ticket runs, and for how many seconds."""
        link = self._link_of(ticket)
        return None if link is None else link.running()

    def kill(self, ticket: int, position: int | None) -> None:
        """Stop a ticket's worker, if it is still at this position."""
        with self._lock:  # so that the worker cannot have another ticket meanwhile
            link, waiting = self._link_of(ticket), self._waiting.pop(ticket, None)
            if link is not None:
                self._stop_link(link, position)
                self._wake()  # the listener waits no longer than until it must be killed
            elif ticket in self._coming and position is None:
                self._coming[ticket] = True
        if waiting is not None:
            self._report.died(ticket, Death("it had not been sent to a worker"))

    # ---------------------------------------------------------------------------- leaving
    def stop(self) -> None:
        """Send every worker the stop word; all of them are idle."""
        with self._lock:
            self._stopping = True
            for link in self._links:
                link.send(STOP)
            self._wake()  # with the lock held: the listener may be gone right after
        self._hearing.call()

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
