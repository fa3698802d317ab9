"""What engines of others have in common that are told where each batch goes.

A batch is one task of the engine, for one place that we name: so it is known who dies with it, and
an engine that would run it again elsewhere finds nobody who may. What the worker was at is noted on
its machine (`taskpar._engine.noting`), and asked for there after its death.

An engine tells its news in threads of its own, in which nobody may wait for it: so they are put
into a queue, and one thread of ours takes them out.
"""

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from os import getpid, urandom
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from taskpar._engine.afar import MISSING
from taskpar._engine.backend import Death, Parcel, Report, WorkerInfo
from taskpar._engine.events import ANY
from taskpar._engine.reply import read_reply
from taskpar.backends.other import Given, Notes, OtherEngine

if TYPE_CHECKING:
    from taskpar._system.segment import Segment

AHEAD = 2
"""Batches that a worker has at once, while they are quick: so it need not wait for the next one,
which takes an engine some milliseconds to bring."""

LONG = 2
"""A batch that takes so many times as long as it should has a long call, and what was sent ahead
would wait behind that."""


class Out(NamedTuple):
    """A batch that is out.

    Args:
        place: Who has it.
        parcel: What was to be sent.
        whole: Whether it was sent with what is bound to its function.
        task: What the engine gave for it; None as long as that is being asked for.
    """

    place: str
    parcel: Parcel
    whole: bool = False
    task: Any = None


class PlacedBackend:
    """The common part.

    Args:
        engine: The other one.
        seconds: How long a batch should take.
    """

    inline = False
    direct = False
    distant = True
    can_kill = False
    largest_batch: int | None = None

    def __init__(self, engine: OtherEngine, seconds: float) -> None:
        self.slots = 0
        self.batch_seconds = seconds
        self.name = f"taskpar-{getpid()}-{urandom(8).hex()}"
        """Begins the names of all tasks, and of notes; no other executor has the same."""
        self._engine = engine
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._places: dict[str, int] = {}
        self._ahead = False
        self._out: dict[int, Out] = {}
        self._waiting: dict[int, Parcel] = {}
        self._stored: WeakKeyDictionary[Segment, Any] = WeakKeyDictionary()
        self._news: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._listen, name="taskpar-engine", daemon=True)

    def start(self, report: Report) -> None:
        """Join the engine."""
        self._report = report
        self._thread.start()
        try:
            self._engine.enter(self)
        except Exception as error:  # noqa: BLE001  # no connection, other versions: it is told
            report.broken(error)

    # ------------------------------------------------------------------------- for the engine
    def tell(self, what: Callable[..., object], *args: Any) -> None:
        """Let something be done in our thread."""
        self._news.put(partial(what, *args))

    def are(self, places: dict[str, int]) -> None:
        """Learn which places there are, and how many batches each takes at once."""
        with self._lock:
            self._places = places
            waiting, self._waiting = (self._waiting, {}) if places else ({}, self._waiting)
        self._resize()
        for ticket, parcel in waiting.items():
            self.send(ticket, parcel)

    def _resize(self) -> None:
        slots = sum(self._places.values()) * (AHEAD if self._ahead else 1)
        if slots != self.slots:
            self.slots = slots
            self._report.resized(slots)

    def home(self, ticket: int, reply: bytes) -> None:
        """Take an answer."""
        with self._lock:
            out = self._out.pop(ticket, None)
            again = out is not None and reply == MISSING and not out.whole
            if out is not None and again:
                self._out[ticket] = Out(out.place, out.parcel, whole=True)
        if again:
            self._submit(ticket)
        elif out is not None:
            home = read_reply(reply)
            # A batch of one call may be the first of its job, of which nothing is known yet.
            quick = home.count > 1 and home.seconds < LONG * self.batch_seconds
            self._ahead = quick and bool(self._out)
            self._resize()
            self._report.done(ticket, home)

    def lost(self, ticket: int, what: str, *, begun: bool = True) -> None:
        """Take it that a batch will not come home; nobody knows how far it had come, if it had."""
        with self._lock:
            out = self._out.pop(ticket, None)
        if out is not None:
            what = f"it may have been running when {what}" if begun else what
            self._report.died(ticket, Death(what, ANY if begun else None))

    def gone(self, place: str, ticket: int | None = None) -> None:
        """Find out what a worker was at that has died: that of a ticket, or all of a place."""
        with self._lock:
            mine = [ticket] if ticket is not None else list(self._out)
            lost = {each: self._out[each] for each in mine if each in self._out}
            lost = {each: out for each, out in lost.items() if out.place == place}
            for each in lost:
                del self._out[each]
        self._engine.withdraw([out.task for out in lost.values() if out.task is not None])
        if lost:
            names = [self._name_of(each) for each in lost]
            self._engine.ask(place, names, partial(self.tell, self._blame, place, list(lost)))

    def _blame(self, place: str, tickets: list[int], notes: Notes) -> None:
        for ticket, note in zip(tickets, notes or [(ANY, 0)] * len(tickets), strict=True):
            position, pid = note or (None, None)
            what = f"its worker on {place} (pid {pid}) died"
            if notes is None:
                what = f"it may have been running on {place}, of which nothing more is heard"
            self._report.died(ticket, Death(what, position, pid or None))

    def over(self, error: BaseException) -> None:
        """Take it that nothing more is heard of the engine."""
        self._report.broken(error)
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for ticket in waiting:
            self._report.died(ticket, Death("there was no worker"))
        for ticket in list(self._out):
            self.lost(ticket, f"the engine was lost: {error!r}")

    # -------------------------------------------------------------------------- there and back
    def send(self, ticket: int, parcel: Parcel) -> None:
        """Give a batch to the place that has least to do."""
        with self._lock:
            busy, room = Counter(out.place for out in self._out.values()), self._places
            place = min(room, key=lambda each: busy[each] / room[each], default=None)
            if place is None:
                self._waiting[ticket] = parcel
                return
            self._out[ticket] = Out(place, parcel)
        self._submit(ticket)

    def _submit(self, ticket: int) -> None:
        out = self._out.get(ticket)
        if out is None:
            return  # its place has gone meanwhile
        apart = out.parcel.apart
        try:
            data = self._bound(apart.segment, out.place) if apart and out.whole else None
            key = None if apart is None else apart.key
            given = Given(self._name_of(ticket), out.parcel.content, key, data)
            task = self._engine.submit(ticket, out.place, given)
        except Exception as error:  # noqa: BLE001  # whatever an engine raises that is not there
            self.lost(ticket, repr(error), begun=False)
            self.over(error)
            return
        with self._lock:
            there = self._out.get(ticket) is out
            if there:
                self._out[ticket] = out._replace(task=task)
        if not there:  # home, or its place has gone
            self.tell(self._engine.withdraw, [task])

    def _name_of(self, ticket: int) -> str:
        return f"{self.name}-{ticket}"

    def _bound(self, segment: "Segment", place: str) -> Any:
        """Return what stands for a constant, as long as somebody may call its function."""
        with self._lock:
            known = self._stored.get(segment)
        if known is None or not self._engine.stored(known):
            known = self._engine.store(bytes(segment.memory), place)
            with self._lock:
                self._stored[segment] = known
        return known

    # ---------------------------------------------------------------------------- our thread
    def _listen(self) -> None:
        while (what := self._news.get()) is not None:
            try:
                what()
            except Exception as error:  # noqa: BLE001  # nobody may wait for ever
                self.over(error)
        self._stored.clear()
        self._engine.leave()

    def stop(self) -> None:
        """Leave the engine."""
        self._news.put(None)

    def join(self) -> None:
        """Wait until we have left."""
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def workers(self) -> tuple[WorkerInfo, ...]:
        """Tell the places: their workers are the engine's own."""
        with self._lock:
            return tuple(WorkerInfo(place, None, True, None) for place in self._places)
