"""Outcomes on their way back: how a worker packs them, and what its parent makes of that.

They are not looked into before somebody wants them, so that this is done in the thread that does.
"""

import pickle
import struct
from itertools import chain
from os import getpid
from typing import TYPE_CHECKING, Any

from taskpar._engine import beside, compact, exceptions, pickling
from taskpar._model.outcome import Error

if TYPE_CHECKING:
    from taskpar._engine.culprit import Explanation
    from taskpar._system.arena import Lease, Shelf
    from taskpar.errors import CrossingError

_HEADER = struct.Struct("!qqddqqq")


class Reply:
    """Outcomes of a prefix of a batch, not looked into before they are asked for.

    Args:
        pid: The process in which the calls ran.
        count: How many outcomes there are.
        seconds: How long the calls took.
        failed: Which of them are errors.
        body: The outcomes: a list of them, or their bytes.
        returned: How many calls at the end of the batch are given back, as others may run them.
        leases: What of the outcomes lies beside the channel; number -1: all of them.
    """

    __slots__ = (
        "_body",
        "_leases",
        "count",
        "failed",
        "last",
        "pid",
        "plain",
        "returned",
        "seconds",
        "size",
    )

    def __init__(
        self,
        pid: int,
        count: int,
        seconds: float,
        failed: tuple[int, ...],
        body: object,
        returned: int = 0,
        leases: "dict[int, Lease] | None" = None,
    ) -> None:
        self.pid = pid
        self.count = count
        self.seconds = seconds
        self.failed = failed
        self.returned = returned
        self._body = body
        self._leases = leases or {}
        self.last = 0.0
        """How many seconds the last call took, if that was long."""
        self.size = 0
        """How many bytes it came in."""
        self.plain = False
        """Whether all outcomes are known to be values; not before they are looked into."""

    def outcomes(self, start: int, offset: int = 0, count: int | None = None) -> list[Any]:
        """Return values, with an `Error` where a call raised.

        Args:
            start: The index of the call whose outcome comes first.
            offset: Where that outcome stands.
            count: How many to return; None: all that follow.
        """
        stop = self.count if count is None else offset + count
        if isinstance(self._body, list):
            return self._body[offset:stop]
        self.plain, outcomes, _ = self._loaded()
        if self.plain:
            return compact.unpacked(outcomes, offset, stop)
        found = enumerate(outcomes[offset:stop], start)
        return [_opened(outcome, i, self._leases) for i, outcome in found]

    def replay(self) -> None:
        """Log, warn and print here what the calls did there; once, however often it is asked."""
        if not isinstance(self._body, list):
            plain, outcomes, captured = self._loaded()
            if captured:
                from taskpar._engine import relay  # here, as it is rarely wanted

                self._body = pickle.dumps((plain, outcomes, []), pickling.PROTOCOL)
                relay.replay(captured, self.pid)

    def _loaded(self) -> tuple[bool, Any, list[Any]]:
        if -1 in self._leases:
            self._body = self._leases.pop(-1).view()
        return pickle.loads(self._body)  # type: ignore[no-any-return,arg-type]  # as `handover` made it


def crossing(why: "Explanation", index: int, cause: BaseException) -> "CrossingError":
    """Make the outcome of a call of which something cannot cross."""
    from taskpar.errors import CrossingError  # here, as most workers never need it

    error = CrossingError(why.of(index), index)
    error.__cause__ = cause
    return error


Sealed = tuple[Any, ...]
"""A value that is pickled, as anyone could write to it; whether it is an error; and the pieces of
it that lie beside. Or a tuple of plain values alone: nobody can write to that."""


def sealed_reply(
    seconds: float,
    outcomes: list[Any],
    kinds: set[type],
    captured: list[Any],
    returned: int = 0,
    store: "beside.Store | None" = None,
    last: float = 0.0,
) -> bytes:
    """Turn outcomes into bytes: the head, where the errors are, and the body.

    Args:
        seconds: How long the calls took.
        outcomes: Plain values, and what is `Sealed`.
        kinds: Their types, or more.
        captured: What they logged, warned of and printed.
        returned: How many calls at the end of the batch will not be started.
        store: Takes what is big; None: it is among the bytes.
        last: How many seconds the last call took, if that was long.
    """
    plain = tuple not in kinds
    sealed = [] if plain else [(i, o) for i, o in enumerate(outcomes) if type(o) is tuple]
    failed = [i for i, outcome in sealed if len(outcome) > 1 and outcome[1]]
    pieces = [piece for _, outcome in sealed for piece in outcome[2:]]
    body = pickle.dumps((plain, compact.packed(outcomes, kinds), captured), pickling.PROTOCOL)
    if store is not None and len(body) >= beside.BIG and (piece := store.put(body)):
        pieces.append(piece)
        body = b""
    head = _HEADER.pack(getpid(), len(outcomes), seconds, last, len(failed), returned, len(pieces))
    numbers = [*failed, *chain.from_iterable(pieces)]
    return head + struct.pack(f"!{len(numbers)}q", *numbers) + body


def count_of(reply: bytes) -> int:
    """Tell how many outcomes a reply carries."""
    return _HEADER.unpack_from(reply)[1]  # type: ignore[no-any-return]  # as the header says


def has_failed(reply: bytes) -> bool:
    """Tell whether a reply carries an error."""
    return bool(_HEADER.unpack_from(reply)[4])


def read_reply(data: bytes | memoryview, shelf: "Shelf | None" = None) -> Reply:
    """Read the head of a reply; the body stays bytes.

    Args:
        data: What `sealed_reply` made.
        shelf: Where its pieces lie; None: it has none.
    """
    view = memoryview(data)
    pid, count, seconds, last, failures, returned, pieces = _HEADER.unpack(view[: _HEADER.size])
    end = _HEADER.size + 8 * (failures + 3 * pieces)
    numbers = struct.unpack(f"!{failures + 3 * pieces}q", view[_HEADER.size : end])
    leases: dict[int, Lease] = {}
    if shelf is not None and pieces:
        rest = iter(numbers[failures:])
        leases = {piece[0]: shelf.lease(piece) for piece in zip(rest, rest, rest, strict=True)}
        if end == len(view):  # the last piece is the body
            leases[-1] = leases.popitem()[1]
    reply = Reply(pid, count, seconds, numbers[:failures], view[end:], returned, leases)
    reply.last, reply.size = last, len(view) + sum(numbers[failures + 2 :: 3])
    return reply


def reported(reply: object) -> Reply:
    """Return what a backend reports as a reply; None has no outcomes."""
    if isinstance(reply, Reply):
        return reply
    if reply is None:
        return Reply(0, 0, 0.0, (), [])
    if isinstance(reply, bytes | memoryview):
        return read_reply(reply)
    raise TypeError(f"a reply is bytes or a Reply, not {type(reply).__name__}")


def _opened(outcome: Any, index: int, leases: "dict[int, Lease]") -> Any:
    """Return a plain value as it is, and what was `Sealed` unpickled."""
    if not isinstance(outcome, tuple):
        return outcome
    if len(outcome) == 1:
        return outcome[0]
    packed, raised, *pieces = outcome
    try:
        if raised:
            return Error(exceptions.loads(packed), index)
        return beside.unpacked(packed, pieces, leases)
    except BaseException as error:  # its __setstate__ may raise anything
        if exceptions.is_ctrl_c(error):
            raise
        from taskpar._engine.culprit import explanation  # here, as it is rarely needed

        return Error(crossing(explanation("result", error), index, error), index)
