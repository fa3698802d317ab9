"""Objects as bytes, with what is big in them beside the channel: laid down where both sides look.

What is laid down is as it was at that moment, whatever is written to the object later; and each
look at it gives data of the looker's own. So nobody can tell where a buffer was, but by the time.
"""

import pickle
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from taskpar._engine import pickling

if TYPE_CHECKING:
    from mmap import mmap

    from taskpar._system.arena import Piece

BIG = 1 << 16
"""Bytes from which something is laid down: as many as a pipe holds."""


class Store(Protocol):
    """Where a writer lays down; an `Arena`, or a `Loan` of one."""

    def put(self, data: memoryview | bytes, /) -> "Piece | None":
        """Lay something down; None if there is no room."""
        ...

    def take_back(self, pieces: "list[Piece]", /) -> None:
        """Make room again: nobody will look."""


class Lent(Protocol):
    """What a reader looks at."""

    def view(self) -> "bytearray | mmap":
        """Return it, as the caller's own."""
        ...


def packed(thing: object, store: Store | None) -> tuple[Any, ...]:
    """Return the bytes of an object and the pieces that they refer to.

    No bytes: they are big, too, and the first piece.

    Raises:
        Exception: Whatever pickling raises.
    """
    if store is None:
        return (pickling.dumps(thing),)
    views: list[memoryview] = []
    head = pickling.dumps(thing, views, BIG)
    if not views and len(head) < BIG:
        return (head,)
    laid = [memoryview(head), *views] if len(head) >= BIG else views
    pieces: list[Piece] = []
    for view in laid:
        piece = store.put(view)
        if piece is None:
            store.take_back(pieces)
            return (pickling.dumps(thing) if views else head,)
        pieces.append(piece)
    return (b"" if laid is not views else head, *pieces)


def unpacked(head: bytes, pieces: "Sequence[Piece]", lent: Mapping[int, Lent]) -> Any:
    """Return the object.

    Raises:
        BaseException: Whatever unpickling raises.
    """
    views = [lent[piece[0]].view() for piece in pieces]
    return pickle.loads(head or views.pop(0), buffers=views)
