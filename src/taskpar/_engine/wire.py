"""The border: how calls go to a worker, and how their outcomes come back.

::

    caller      Calls ── pack ──► bytes            Calls (direct: the worker shares our memory)
    worker (`running`)    bytes ── run ──► bytes   Calls ── run_direct ──► Reply
    caller                         bytes ── read_reply ──► Reply ── .outcomes() ──► values, Errors

Two rules keep the laws here. *No call sees another's objects*: values that anyone could write to
are pickled one by one, so it never matters which calls share a batch; only lists of plain numbers,
strings and the like are pickled as a whole. *Nothing raises across the border*: whatever goes wrong
with one call, on the way or in it, is the outcome of that call.
"""

import pickle
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from taskpar._engine import beside, compact, exceptions, pickling
from taskpar._engine.reply import crossing

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference
    from taskpar._engine.culprit import Explanation
    from taskpar._engine.relay import Kind
    from taskpar._system.arena import Lease, Loan, Shelf

Shape = Literal["one", "star", "call"]
"""How a call takes its item x: ``f(x)``, ``f(*x)``, or ``f(*x[0], **x[1])``."""


class Manner(NamedTuple):
    """How a batch is to be run.

    Args:
        whole: Whether all of it, as with a chunk size, even when that takes longer than a slice of
            time.
        timed: Whether its calls have a time limit: each is handed over before the next begins,
            which may be forbidden.
        context: The context variables that its calls see: a `Captured`, or what is packed of it;
            None: their own.
        relay: What of its calls is relayed to the caller, and the caller's settings; None: nothing.
        slice_seconds: How old an outcome may get before it is handed over; None: as is usual.
    """

    whole: bool = False
    timed: bool = False
    context: Any = None
    relay: "tuple[Kind, bytes] | None" = None
    slice_seconds: float | None = None


PLAINLY = Manner()

PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None)))
_SEQUENCES = frozenset((range, str, bytes))


class Calls:
    """A batch of calls of one function.

    Args:
        function: What to call.
        shape: How it takes an item.
        items: One for each call.
        start: The number of the first call.
        manner: How to run them.
    """

    __slots__ = ("function", "items", "manner", "shape", "start")

    def __init__(
        self,
        function: Callable[..., object],
        shape: Shape,
        items: Sequence[Any],
        start: int,
        manner: Manner = PLAINLY,
    ) -> None:
        self.function = function
        self.shape: Shape = shape
        self.items = items
        self.start = start
        self.manner = manner


class Refused(NamedTuple):
    """Why a function cannot be pickled.

    Args:
        cause: What pickling raised.
        why: What is to be said of that.
    """

    cause: BaseException
    why: "Explanation"


# ----------------------------------------------------------------------------------- there
def pack(
    calls: Calls,
    reference: "Reference | Refused",
    loan: "Loan | None" = None,
    *,
    distant: bool = False,
) -> bytes:
    """Turn a batch into bytes; what cannot be pickled becomes the outcome of its own call.

    Args:
        calls: The batch.
        reference: How the worker gets the function, or why it cannot be pickled.
        loan: Takes what is big; None: it is among the bytes.
        distant: Whether the worker gets a big constant in another way.
    """
    plain: bool | None
    if isinstance(reference, Refused):
        numbers = range(calls.start, calls.start + len(calls.items))
        errors = [crossing(reference.why, number, reference.cause) for number in numbers]
        items: object = [(exceptions.dumps(error), None) for error in errors]
        plain, known = False, None
    else:
        plain, known = _is_plain(calls.items), _travelling(reference, distant=distant)
        items = calls.items if plain else _apart(calls, loan)
        if plain and loan is not None and compact.size_of(items) >= beside.BIG:
            plain, items = None, beside.packed(items, loan)
    pieces = loan.pieces if loan is not None else []
    manner = _packed_manner(calls.manner)
    parts = (known, calls.shape, plain, items, calls.start, manner, pieces)
    data = pickle.dumps(parts, pickling.PROTOCOL)
    if loan is not None and len(data) >= beside.BIG and (piece := loan.put(data)):
        return pickle.dumps((piece,), pickling.PROTOCOL)
    return data


def unpack(
    payload: bytes | memoryview, shelf: "Shelf | None" = None
) -> tuple[list[Any], "dict[int, Lease]"]:
    """Return the parts of what `pack` made, and what it laid down beside them.

    These are: the reference, the shape, whether items are plain (None: but packed as a whole), the
    items, the number of the first call, and the manner.
    """
    *parts, pieces = pickle.loads(payload)
    if not parts and shelf is not None:  # it says only where the message is, as that is big
        *parts, pieces = pickle.loads(shelf.lease(pieces).view())
    leases = {} if shelf is None else {piece[0]: shelf.lease(piece) for piece in pieces}
    return parts, leases


def _packed_manner(manner: Manner) -> tuple[object, ...] | None:
    if manner == PLAINLY:
        return None
    if manner.context is not None:
        from taskpar._engine.context import travelling  # here, as it is rarely wanted

        manner = manner._replace(context=travelling(manner.context))
    return tuple(manner)


def _travelling(reference: "Reference", *, distant: bool = False) -> "Reference":
    """Return a reference with its segment as bytes, which not every worker needs to open."""
    key, reusable, pickled, segment, cuts = reference
    if segment is None:
        return reference
    where = None if distant else pickle.dumps(segment, pickling.PROTOCOL)
    return key, reusable, pickled, where, cuts


def _is_plain(items: Sequence[Any]) -> bool:
    """Tell whether nobody could tell items from copies of theirs, however they are shared."""
    if type(items) in _SEQUENCES or compact.is_array(items):
        return True
    if type(items) is compact.Columns:
        return all(map(_is_plain, items.columns))
    types = set(map(type, items))
    if types == {tuple}:
        types = set(map(type, chain.from_iterable(items)))
    return types <= PLAIN


def _apart(calls: Calls, store: "Loan | None") -> list[object]:
    """Pack every item alone; in place of one that can't be, its error, and None."""
    items: list[object] = []
    for index, item in enumerate(calls.items, calls.start):
        try:
            head, *pieces = beside.packed(item, store)
            items.append((head, *pieces) if pieces else head)
        except BaseException as error:  # its __reduce__ may raise anything
            if exceptions.is_ctrl_c(error):
                raise
            from taskpar._engine.culprit import explanation  # here, as it is rarely needed

            why = explanation(
                "argument", error, thing=item, function=calls.function, shape=calls.shape
            )
            items.append((exceptions.dumps(crossing(why, index, error)), None))
    return items


# ------------------------------------------------------------------------------ starting workers
def pack_startup(
    initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> bytes | None:
    """Turn an initializer and its arguments into bytes; None where there is none."""
    return None if initializer is None else pickling.dumps((initializer, initargs))


def unpack_startup(startup: bytes) -> tuple[Callable[..., object], tuple[Any, ...]]:
    """Turn the bytes back, in the worker."""
    return pickle.loads(startup)  # type: ignore[no-any-return]  # what pack_startup packed
