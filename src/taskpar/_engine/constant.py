"""The function of a job, with all that is bound to it: it crosses once per worker.

The caller's side are `Constants`: functions as bytes, made once per job. Small ones travel within
each batch; big ones lie in a `Segment`, and a batch only says where. A worker keeps the last ones
that it met, and the caller those that it sent last: the same bytes are not laid down again.

What one call writes into its function's constants must not reach the next call, as it would then
depend on which calls share a worker. So a function is kept *made* only if nothing in it can be
written to; otherwise each call makes its own from the bytes. Big buffers are not copied for that:
they are private, copy-on-write views of the segment.
"""

import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import count
from os import getpid, urandom
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple, cast

from taskpar._engine import pickling
from taskpar._engine.unchanged import Pickled, parts_of
from taskpar._model.known import known
from taskpar._system.memory import are_equal
from taskpar._system.segment import Segment

SMALL = 1 << 14
"""Bytes up to which a constant travels within the batch: copying that much takes a microsecond."""

KEPT = 64
"""Constants that a worker keeps."""

KEPT_BYTES = 1 << 26
"""How big they may be together; the newest is kept whatever its size."""

SENT = 8
"""Big constants that an executor keeps for its next jobs; each has a descriptor."""

SENT_BYTES = 1 << 27
"""How big they may be together; what is bigger goes with its own job."""

_ALIGN = 64
_numbers = count()
_program = urandom(8)  # a process of another machine may have our number

Reference = tuple[Any, ...]
"""What travels: ``(key, reusable, pickled, segment, cuts)``; small ones are their own key."""


class Constants:
    """The caller's side, one for each executor: makes references, and knows what was sent last.

    A big function is pickled for each job. If that gives the very bytes that were sent before, the
    workers that have them need no others. The bytes themselves are compared, as nothing else tells
    whether somebody has written to an array meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._sent: list[_Sent] = []
        self._pickled = Pickled()

    def reference(self, function: Callable[..., object]) -> Reference:
        """Return how workers get a function; what is big in it lives as long as that is held.

        Raises:
            Exception: Whatever pickling raises.
        """
        parts = parts_of(function)
        if parts is not None and (kept := self._pickled.get(function, parts)) is not None:
            return cast("Reference", kept)
        reference = self._reference(function)
        if parts is not None and reference[0] is None:  # a small one
            self._pickled.keep(function, parts, reference)
        return reference

    def _reference(self, function: Callable[..., object]) -> Reference:
        buffers: list[memoryview] = []
        pickled = pickling.dumps(function, buffers)
        unwritable = is_unwritable(function)
        if len(pickled) + sum(piece.nbytes for piece in buffers) <= SMALL:
            pickled = pickling.dumps(function) if buffers else pickled
            return None, unwritable, pickled, None, None
        pieces = [memoryview(pickled), *(piece.cast("B") for piece in buffers)]
        with self._lock:
            known = list(reversed(self._sent))
        known = [sent for sent in known if sent.is_made_of(pieces, unwritable)][:1]
        sent = known[0] if known else _Sent(pieces, unwritable)
        self._keep(sent)
        return sent.reference

    def _keep(self, newest: "_Sent") -> None:
        with self._lock:
            self._sent = [sent for sent in self._sent if sent is not newest] + [newest]
            while len(self._sent) > SENT or sum(sent.size for sent in self._sent) > SENT_BYTES:
                del self._sent[0]

    def clear(self) -> None:
        """Forget what was sent: no worker is left."""
        with self._lock:
            self._sent.clear()
        self._pickled.clear()


class _Sent:
    """A big function as it was laid down for workers.

    Args:
        pieces: What it consists of: the pickle, and the buffers that belong to it.
        unwritable: Whether workers may keep it made.
    """

    def __init__(self, pieces: list[memoryview], unwritable: bool) -> None:
        self._segment, self._cuts = _laid_down(pieces)
        self._unwritable = unwritable
        self.reference: Reference = (
            (_program, getpid(), next(_numbers)),
            unwritable,
            None,
            self._segment,
            self._cuts,
        )

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return self._segment.size

    def is_made_of(self, pieces: list[memoryview], unwritable: bool) -> bool:
        """Tell whether it consists of the same bytes."""
        sizes = [stop - start for start, stop in self._cuts]
        if unwritable != self._unwritable or sizes != [piece.nbytes for piece in pieces]:
            return False
        memory = self._segment.memory
        mine = (memory[start:stop] for start, stop in self._cuts)
        return all(map(are_equal, mine, pieces))


class Apart(NamedTuple):
    """A constant that goes to workers apart from the batches, as these see nothing of our memory.

    Args:
        key: What it is known by in a batch, everywhere.
        segment: Where it lies; it lives as long as somebody may call the function.
    """

    key: object
    segment: Segment


def apart(reference: Reference) -> Apart | None:
    """Return what does not travel in a batch; None: all of it does."""
    key, _, _, segment, _ = reference
    return None if segment is None else Apart(key, segment)


def _laid_down(pieces: list[memoryview]) -> tuple[Segment, list[tuple[int, int]]]:
    cuts: list[tuple[int, int]] = []
    end = 0
    for piece in pieces:
        start = -(-end // _ALIGN) * _ALIGN
        end = start + piece.nbytes
        cuts.append((start, end))
    segment = Segment(end)
    for (start, stop), piece in zip(cuts, pieces, strict=True):
        segment.memory[start:stop] = piece
    return segment, cuts


def is_unwritable(thing: object, depth: int = 8) -> bool:
    """Tell whether nothing in a function, as far as it is bound to it, can be written to.

    Module globals do not count: a module is a worker's own, and lives as long as the worker.
    """
    if depth == 0:
        return False
    if type(thing) in _UNWRITABLE or isinstance(thing, type):
        return True
    if getattr(type(thing), "__taskpar_stable__", False) is True:
        return True
    parts: list[object]
    if type(thing) is FunctionType:
        cells = [cell.cell_contents for cell in thing.__closure__ or () if _filled(cell)]
        defaults = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        parts = [part for part in (*cells, *defaults) if part is not thing]
    elif type(thing) is BuiltinFunctionType:
        parts = [] if isinstance(thing.__self__, ModuleType) else [thing.__self__]
    elif type(thing) is MethodType:
        parts = [thing.__func__, thing.__self__]
    elif isinstance(thing, partial):
        parts = [thing.func, *thing.args, *thing.keywords.values()]
    elif hasattr(type(thing), "__taskpar_parts__"):
        parts = list(cast("Any", thing).__taskpar_parts__())
    elif type(thing) in (tuple, frozenset):
        parts = list(thing)  # type: ignore[call-overload]  # narrowed by the line above
    else:
        return known(thing) is not None  # it travels as a name, as a cached function does
    return all(is_unwritable(part, depth - 1) for part in parts)


_UNWRITABLE = frozenset((int, float, complex, str, bytes, bool, type(None), range))


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # asking is what raises
    except ValueError:
        return False
    return True


# -------------------------------------------------------------------------------- in the worker
_kept: OrderedDict[object, tuple[int, Callable[[], Any]]] = OrderedDict()
_keeping = threading.Lock()  # held for no code of a user: some workers run batches in threads


def made(reference: Any) -> tuple[bool, Callable[[], Any]]:
    """Return whether a constant is reusable, and what makes it.

    Raises:
        BaseException: Whatever unpickling raises, or the segment is gone.
    """
    key, reusable, pickled, segment, cuts = reference
    key = pickled if key is None else key
    with _keeping:
        if key in _kept:
            _kept.move_to_end(key)
            return reusable, _kept[key][1]
    make: Callable[[], Any]
    if segment is None:
        size, make = len(pickled), partial(pickle.loads, pickled)
    else:
        segment = segment if isinstance(segment, Segment) else pickle.loads(segment)
        size, make = cuts[-1][1], _maker(segment, cuts)
    if reusable:
        make = partial(_same, make())
    with _keeping:
        _kept[key] = size, make
        while len(_kept) > 1 and (len(_kept) > KEPT or _kept_bytes() > KEPT_BYTES):
            _kept.popitem(last=False)
    return reusable, make


def _kept_bytes() -> int:
    return sum(size for size, _ in _kept.values())


def _same(thing: Any) -> Any:
    return thing


def _maker(segment: Segment, cuts: list[tuple[int, int]]) -> Callable[[], Any]:
    """Return what makes it anew; the pickle is read now, as a look at a new mapping takes long."""
    (start, stop), *rest = cuts
    head = bytes(memoryview(segment.private())[start:stop])

    def make() -> Any:
        view = memoryview(segment.private())
        return pickle.loads(head, buffers=[view[start:stop] for start, stop in rest])

    return make
