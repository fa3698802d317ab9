"""Memory in which one process lays big pieces of data down for others, and which is used again.

::

    writer    Arena.put(data) ──► Piece            it is lent, until nobody looks at it any more
    reader    Shelf.lease(Piece) ──► Lease ──► .view()    its data: writable, and the reader's own

A pipe copies four times over, in steps of its own size; a memory file is written once and read
once. Memory that is touched for the first time costs several times as much as memory that is used
again, so it is kept, up to `KEPT` bytes.

Whether a piece is lent is a byte that both sides see: the writer sets it, the reader clears it, or
says that the system has the memory. So nothing need be sent for a piece to be given back, and
neither side waits for the other. What a reader who died had not given back, the writer takes back
(`Loan`).
"""

import os
import threading
from contextlib import contextmanager
from mmap import ACCESS_COPY, ALLOCATIONGRANULARITY, mmap
from typing import TYPE_CHECKING

from taskpar._system.pages import Pages
from taskpar._system.segment import Segment
from taskpar._system.shared_file import nameless_memory

if TYPE_CHECKING:
    from collections.abc import Generator

MAPPED = 1 << 19
"""Bytes from which a piece is mapped: below that, a copy is as quick as a mapping."""

ALWAYS_MAPPED = 1 << 24
"""Bytes from which it is mapped in any case."""

MOST_MAPPED = 64
"""How many smaller ones may be mapped at once, as each takes a descriptor: further ones are copied,
and so they are when those that are mapped, and looked at, take a quarter of all the room."""

KEPT = 1 << 26
"""Bytes that were given back and stay in memory, to be used again."""

Piece = tuple[int, int, int]
"""Where data lies: the number of the byte that tells whether it is lent, its place, its size."""

_SLOTS = 1 << 14

_BACK, _LENT, _GONE = range(3)
"""What the byte of a piece says: given back, lent, given back to the system as well."""


class Arena:
    """The writer's side.

    Args:
        segment: The memory.
        near: How many bytes of it the writer may map.
    """

    def __init__(self, segment: Segment, near: int = 0) -> None:
        self.segment = segment
        mapped = segment.window(0, min(max(near, _SLOTS), segment.size))
        self._pages = Pages(segment, mapped[:near])
        self._states = mapped[:_SLOTS]
        self._free = [(_SLOTS, segment.size - _SLOTS)]
        self._slots: list[int] = []  # those that were given back
        self._lent: dict[int, Piece] = {}
        self._returned: list[Piece] = []
        self._lock = threading.Lock()

    @classmethod
    def made(cls, size: int) -> "Arena | None":
        """Make an arena of so many bytes; None: this system has no memory for it."""
        segment = memory_for(size)
        return None if segment is None else cls(segment, KEPT)

    def put(self, data: "memoryview | bytes") -> Piece | None:
        """Lay data down; return where, or None if there is no room."""
        size = memoryview(data).nbytes
        with self._lock:
            self._reclaim()
            piece = self._reserve(size)
        if piece is None:
            return None
        try:
            self._pages.write(data, piece[1])
        except OSError:  # the system has no memory left
            self._returned.append(piece)
            return None
        return piece

    def take_back(self, pieces: list[Piece]) -> None:
        """Take pieces back whose reader is gone, if he has not given them back himself.

        The garbage collector may call this, also where the lock is held.
        """
        self._returned.extend(pieces)

    def is_lent(self, piece: Piece) -> bool:
        """Tell whether somebody may still look at a piece."""
        return self._lent.get(piece[0]) is piece and self._states[piece[0]] == _LENT

    def close(self) -> None:
        """Let the memory go: there is no room any more."""
        with self._lock:
            self._free.clear()
            self._lent.clear()
            self._states.release()
            self._pages.close()
            self.segment.close()

    def _reserve(self, size: int) -> Piece | None:
        whole = _rounded(size)
        if not self._slots and len(self._lent) == _SLOTS:
            return None
        for number, (first, room) in enumerate(self._free):
            if room >= whole:
                left = [(first + whole, room - whole)] if room > whole else []
                self._free[number : number + 1] = left
                slot = self._slots.pop() if self._slots else len(self._lent)
                piece = (slot, first, size)
                self._lent[slot] = piece
                self._states[slot] = _LENT
                return piece
        return None

    def _reclaim(self) -> None:
        """Make room of what has been given back."""
        while self._returned:
            piece = self._returned.pop()
            if self.is_lent(piece):  # its reader is dead, and may just have been giving it back
                self._states[piece[0]] = _GONE
        over = [piece for slot, piece in self._lent.items() if self._states[slot] != _LENT]
        for slot, first, size in over:
            if self._states[slot] == _GONE:
                self._pages.gone(first, size)
            del self._lent[slot]
            self._slots.append(slot)
            self._free.append((first, _rounded(size)))
        if over:
            self._free = _joined(self._free)


class Loan:
    """The pieces of one message: they are taken back when this is let go.

    Whoever sends the message keeps this until they have been given back, or the reader is dead.

    Args:
        arena: Where they are.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.pieces: list[Piece] = []

    def put(self, data: "memoryview | bytes") -> Piece | None:
        """Lay data down; return where, or None if there is no room."""
        piece = self._arena.put(data)
        if piece is not None:
            self.pieces.append(piece)
        return piece

    def take_back(self, pieces: list[Piece]) -> None:
        """Take some of them back now: they are not sent."""
        self.pieces = [piece for piece in self.pieces if piece not in pieces]
        self._arena.take_back(pieces)

    def is_out(self) -> bool:
        """Tell whether somebody may still look at any of them."""
        return any(map(self._arena.is_lent, self.pieces))

    def __del__(self) -> None:
        self._arena.take_back(self.pieces)


class Shelf:
    """The reader's side.

    Args:
        segment: The memory.
    """

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._states = segment.window(0, _SLOTS)
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._kept = 0
        self._mapped: dict[int, int] = {}
        """The sizes of those that are mapped but need not be, by their numbers."""
        self._pid = os.getpid()

    def lease(self, piece: Piece) -> "Lease":
        """Take a piece over."""
        with self._lock:  # it is where something was given back before
            self._kept = max(0, self._kept - piece[2])
        return Lease(self, piece)

    def mapped(self, piece: Piece) -> "_View | None":
        """Map a piece, unless it is better copied."""
        slot, first, size = piece
        if size < ALWAYS_MAPPED and (size < MAPPED or not self._has_room_for(size, slot)):
            return None
        try:
            return _View(self.segment.descriptor, size, access=ACCESS_COPY, offset=first)
        except OSError:  # no descriptor is left
            self._mapped.pop(slot, None)
            return None

    def _is_forked(self) -> bool:
        """Whether this is a child of the reader: whoever holds the lock may not be here."""
        return self._pid != os.getpid()

    def _has_room_for(self, size: int, slot: int) -> bool:
        """Tell whether one more may be mapped that need not be, and count it then."""
        if self._is_forked():
            return False
        with self._lock:
            sizes = self._mapped.values()
            fits = len(sizes) < MOST_MAPPED and sum(sizes) + size <= self.segment.size // 4
            if fits:
                self._mapped[slot] = size
        return fits

    def give_back(self, piece: Piece, forks: int) -> None:
        """Let the writer have a piece again."""
        if self._is_forked():
            return
        with self._lock:
            self._mapped.pop(piece[0], None)
        if forks != _forks.count:
            return  # a forked process may look at it, as long as it likes
        slot, first, size = piece
        with self._lock:
            stays = self._kept + size <= KEPT
            self._kept += size if stays else 0
        if not stays:
            self.segment.forget(first, _rounded(size))
        self._states[slot] = _BACK if stays else _GONE


class Lease:
    """A piece that nobody else writes to, until this and all mapped views of it are let go.

    Args:
        shelf: Where it is.
        piece: Which it is.
    """

    __slots__ = ("_forks", "_piece", "_shelf")

    def __init__(self, shelf: Shelf, piece: Piece) -> None:
        self._shelf = shelf
        self._piece = piece
        self._forks = _forks.count

    def view(self) -> "bytearray | mmap":
        """Return the data, to be written to as the caller likes."""
        view = self._shelf.mapped(self._piece)
        if view is not None:
            view.lease = self
            return view
        _, first, size = self._piece
        data = bytearray(size)
        self._shelf.segment.read_into(data, first)
        return data

    def __del__(self) -> None:
        self._shelf.give_back(self._piece, self._forks)


class _View(mmap):
    """A private mapping of a piece: what is written there is not seen by anybody else."""

    lease: Lease


def memory_for(size: int) -> Segment | None:
    """Make the memory for an arena of so many bytes; None: this system has none.

    Only what is in use takes memory.
    """
    if size < 1 or not nameless_memory():
        return None
    return Segment(_rounded(size) + _SLOTS)


def _rounded(size: int) -> int:
    return -(-size // ALLOCATIONGRANULARITY) * ALLOCATIONGRANULARITY


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort spans, and make one of those that touch."""
    joined: list[tuple[int, int]] = []
    for first, size in sorted(spans):
        if joined and sum(joined[-1]) == first:
            before, room = joined.pop()
            joined.append((before, room + size))
        else:
            joined.append((first, size))
    return joined


# ----------------------------------------------------------------------------------- forking
class _Forks(threading.local):
    """What is known of forks."""

    count = 0
    """How often this process was forked, but for workers of ours; of all threads: kept at the
    class."""
    ours = False
    """Whether this thread is forking a worker."""


_forks = _Forks()


def _forking() -> None:
    if not _forks.ours:
        _Forks.count += 1


@contextmanager
def forking_a_worker() -> "Generator[None]":
    """While a worker is forked: it looks at nothing that was there before it."""
    _forks.ours = True
    try:
        yield
    finally:
        _forks.ours = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forking)
