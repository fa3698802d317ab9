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
import struct
from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from taskpar._engine import compact, exceptions, pickling
from taskpar._model.outcome import Error
from taskpar.errors import CrossingError

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference
    from taskpar._engine.culprit import Explanation
    from taskpar._engine.relay import Kind

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
    """

    whole: bool = False
    timed: bool = False
    context: Any = None
    relay: "tuple[Kind, bytes] | None" = None


PLAINLY = Manner()

PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None)))
_SEQUENCES = frozenset((range, str, bytes))
_HEADER = struct.Struct("!qqdqq")


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


class Reply:
    """Outcomes of a prefix of a batch, not looked into before they are asked for.

    Args:
        pid: The process in which the calls ran.
        count: How many outcomes there are.
        seconds: How long the calls took.
        failed: Which of them are errors.
        body: The outcomes: a list of them, or their bytes.
        returned: How many calls at the end of the batch are given back, as others may run them.
    """

    __slots__ = ("_body", "count", "failed", "pid", "plain", "returned", "seconds")

    def __init__(
        self,
        pid: int,
        count: int,
        seconds: float,
        failed: tuple[int, ...],
        body: object,
        returned: int = 0,
    ) -> None:
        self.pid = pid
        self.count = count
        self.seconds = seconds
        self.failed = failed
        self.returned = returned
        self._body = body
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
            return compact.unpacked(outcomes[offset:stop])
        return [_opened(outcome, i) for i, outcome in enumerate(outcomes[offset:stop], start)]

    def replay(self) -> None:
        """Log, warn and print here what the calls did there; once, however often it is asked."""
        if not isinstance(self._body, list):
            plain, outcomes, captured = self._loaded()
            if captured:
                from taskpar._engine import relay  # here, as it is rarely wanted

                self._body = pickle.dumps((plain, outcomes, []), pickling.PROTOCOL)
                relay.replay(captured, self.pid)

    def _loaded(self) -> tuple[bool, Any, list[Any]]:
        return pickle.loads(self._body)  # type: ignore[no-any-return,arg-type]  # as `handover` made it


class Refused(NamedTuple):
    """Why a function cannot be pickled.

    Args:
        cause: What pickling raised.
        why: What is to be said of that.
    """

    cause: BaseException
    why: "Explanation"


# ----------------------------------------------------------------------------------- there
def pack(calls: Calls, reference: "Reference | Refused") -> bytes:
    """Turn a batch into bytes; what cannot be pickled becomes the outcome of its own call.

    Args:
        calls: The batch.
        reference: How the worker gets the function, or why it cannot be pickled.
    """
    if isinstance(reference, Refused):
        numbers = range(calls.start, calls.start + len(calls.items))
        errors = [crossing(reference.why, number, reference.cause) for number in numbers]
        items: object = [(exceptions.dumps(error),) for error in errors]
        plain, known = False, None
    else:
        plain, known = _is_plain(calls.items), _travelling(reference)
        items = calls.items if plain else _apart(calls)
    packed = (known, calls.shape, plain, items, calls.start, _packed_manner(calls.manner))
    return pickle.dumps(packed, pickling.PROTOCOL)


def _packed_manner(manner: Manner) -> tuple[object, ...] | None:
    if manner == PLAINLY:
        return None
    if manner.context is not None:
        from taskpar._engine.context import travelling  # here, as it is rarely wanted

        manner = manner._replace(context=travelling(manner.context))
    return tuple(manner)


def _travelling(reference: "Reference") -> "Reference":
    """Return a reference with its segment as bytes, which not every worker needs to open."""
    key, reusable, pickled, segment, cuts = reference
    if segment is None:
        return reference
    return key, reusable, pickled, pickle.dumps(segment, pickling.PROTOCOL), cuts


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


def _apart(calls: Calls) -> list[object]:
    """Pickle every item alone; in place of one that can't be, its error, in a tuple."""
    items: list[object] = []
    for index, item in enumerate(calls.items, calls.start):
        try:
            items.append(pickling.dumps(item))
        except BaseException as error:  # its __reduce__ may raise anything
            if exceptions.is_ctrl_c(error):
                raise
            from taskpar._engine.culprit import explanation  # here, as it is rarely needed

            why = explanation(
                "argument", error, thing=item, function=calls.function, shape=calls.shape
            )
            items.append((exceptions.dumps(crossing(why, index, error)),))
    return items


def crossing(why: "Explanation", index: int, cause: BaseException) -> CrossingError:
    """Make the outcome of a call of which something cannot cross."""
    error = CrossingError(why.of(index), index)
    error.__cause__ = cause
    return error


# ------------------------------------------------------------------------------------ back
Sealed = tuple[bytes] | tuple[bytes, bool]
"""A value that is pickled, as anyone could write to it; or an error, if there is more to it."""


def sealed_reply(
    pid: int, seconds: float, outcomes: list[Any], captured: list[Any], returned: int = 0
) -> bytes:
    """Turn outcomes into bytes: the head, where the errors are, and the body.

    Args:
        pid: This process.
        seconds: How long the calls took.
        outcomes: Plain values, and what is `Sealed`.
        captured: What they logged, warned of and printed.
        returned: How many calls at the end of the batch will not be started.
    """
    kinds = set(map(type, outcomes))
    plain = tuple not in kinds
    failed = () if plain else [i for i, o in enumerate(outcomes) if type(o) is tuple and len(o) > 1]
    head = _HEADER.pack(pid, len(outcomes), seconds, len(failed), returned)
    where = struct.pack(f"!{len(failed)}q", *failed)
    body = compact.packed(outcomes, kinds)
    return head + where + pickle.dumps((plain, body, captured), pickling.PROTOCOL)


def read_reply(data: bytes | memoryview) -> Reply:
    """Read the head of a reply; the body stays bytes."""
    view = memoryview(data)
    pid, count, seconds, failures, returned = _HEADER.unpack(view[: _HEADER.size])
    end = _HEADER.size + 8 * failures
    failed = struct.unpack(f"!{failures}q", view[_HEADER.size : end])
    return Reply(pid, count, seconds, failed, view[end:], returned)


def _opened(outcome: Any, index: int) -> Any:
    """Return a plain value as it is, and what was `Sealed` unpickled."""
    if not isinstance(outcome, tuple):
        return outcome
    packed, *raised = cast("Sealed", outcome)
    try:
        return Error(exceptions.loads(packed), index) if raised else pickle.loads(packed)
    except BaseException as error:  # its __setstate__ may raise anything
        if exceptions.is_ctrl_c(error):
            raise
        from taskpar._engine.culprit import explanation  # here, as it is rarely needed

        return Error(crossing(explanation("result", error), index, error), index)


# ------------------------------------------------------------------------------ starting workers
def pack_startup(
    initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> bytes | None:
    """Turn an initializer and its arguments into bytes; None where there is none."""
    return None if initializer is None else pickling.dumps((initializer, initargs))


def unpack_startup(startup: bytes) -> tuple[Callable[..., object], tuple[Any, ...]]:
    """Turn the bytes back, in the worker."""
    return pickle.loads(startup)  # type: ignore[no-any-return]  # what pack_startup packed
