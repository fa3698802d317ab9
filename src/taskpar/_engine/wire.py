"""The border: how calls go to a worker, are run there, and how their outcomes come back.

::

    caller      Calls ── pack ──► bytes            Calls (direct: the worker shares our memory)
    worker                bytes ── run ──► bytes   Calls ── run_direct ──► Reply
    caller                         bytes ── read_reply ──► Reply ── .outcomes() ──► values, Errors

Two rules keep the laws here. *No call sees another's objects*: values that anyone could write to
are pickled one by one, so it never matters which calls share a batch; only lists of plain numbers,
strings and the like are pickled as a whole. *Nothing raises across the border*: whatever goes wrong
with one call, on the way or in it, is the outcome of that call.
"""

import pickle
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count
from os import getpid
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from taskpar._engine import exceptions, pickling, place
from taskpar._model.outcome import Error
from taskpar.errors import CrossingError

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference

Shape = Literal["one", "star", "call"]
"""How a call takes its item x: ``f(x)``, ``f(*x)``, or ``f(*x[0], **x[1])``."""

SLICE_SECONDS = 0.01
"""A worker hands over what it has after this long: the most that a death can make run twice."""

_PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None)))
_SEQUENCES = frozenset((range, str, bytes))
_HEADER = struct.Struct("!qqd")


class Calls:
    """A batch of calls of one function.

    Args:
        function: What to call.
        shape: How it takes an item.
        items: One for each call.
        start: The number of the first call.
    """

    __slots__ = ("function", "items", "shape", "start", "whole")

    def __init__(
        self, function: Callable[..., object], shape: Shape, items: Sequence[Any], start: int
    ) -> None:
        self.function = function
        self.shape: Shape = shape
        self.items = items
        self.start = start
        self.whole = False
        """Whether to run all, as with a chunk size, even when it takes longer than a slice."""


class Reply:
    """Outcomes of a prefix of a batch, not looked into before they are asked for.

    Args:
        pid: The process in which the calls ran.
        count: How many outcomes there are.
        seconds: How long the calls took.
        body: The outcomes: a list of them, or their bytes.
    """

    __slots__ = ("body", "count", "pid", "seconds")

    def __init__(self, pid: int, count: int, seconds: float, body: object) -> None:
        self.pid = pid
        self.count = count
        self.seconds = seconds
        self.body = body

    def outcomes(self, start: int) -> list[Any]:
        """Return the values, with an `Error` where a call raised; ``start``: the first's index."""
        if isinstance(self.body, list):
            return self.body
        plain, outcomes = pickle.loads(self.body)  # type: ignore[arg-type]  # bytes, then
        if plain:
            return outcomes  # type: ignore[no-any-return]  # as _encoded made it
        return [_opened(outcome, index) for index, outcome in enumerate(outcomes, start)]


# ----------------------------------------------------------------------------------- there
def pack(calls: Calls, reference: "Reference | BaseException") -> bytes:
    """Turn a batch into bytes; what cannot be pickled becomes the outcome of its own call.

    Args:
        calls: The batch.
        reference: How the worker gets the function, or why it cannot be pickled.
    """
    if isinstance(reference, BaseException):
        numbers = range(calls.start, calls.start + len(calls.items))
        errors = [_crossing("function", number, reference) for number in numbers]
        items: object = [(exceptions.dumps(error),) for error in errors]
        plain, known = False, None
    else:
        plain, known = _is_plain(calls.items), _travelling(reference)
        items = calls.items if plain else _apart(calls)
    packed = (known, calls.shape, plain, items, calls.start, calls.whole)
    return pickle.dumps(packed, pickling.PROTOCOL)


def _travelling(reference: "Reference") -> "Reference":
    """Return a reference with its segment as bytes, which not every worker needs to open."""
    key, reusable, pickled, segment, cuts = reference
    if segment is None:
        return reference
    return key, reusable, pickled, pickle.dumps(segment, pickling.PROTOCOL), cuts


def _is_plain(items: Sequence[Any]) -> bool:
    """Tell whether nobody could tell items from copies of theirs, however they are shared."""
    if type(items) in _SEQUENCES:
        return True
    types = set(map(type, items))
    if types == {tuple}:
        types = set(map(type, chain.from_iterable(items)))
    return types <= _PLAIN


def _apart(calls: Calls) -> list[object]:
    """Pickle every item alone; in place of one that can't be, its error, in a tuple."""
    items: list[object] = []
    for index, item in enumerate(calls.items, calls.start):
        try:
            items.append(pickling.dumps(item))
        except KeyboardInterrupt:
            raise  # the user's own
        except BaseException as error:  # noqa: BLE001  # its __reduce__ may raise anything
            items.append((exceptions.dumps(_crossing("argument", index, error)),))
    return items


def _crossing(what: str, index: int, cause: BaseException) -> CrossingError:
    error = CrossingError(
        f"the {what} of call {index} cannot cross to or from a worker: "
        f"{type(cause).__qualname__}: {cause}",
        index,
    )
    error.__cause__ = cause
    return error


# -------------------------------------------------------------------------------- in the worker
Note = Callable[[int], object]
Part = Callable[[bytes], object]


def run(payload: bytes, note: Note | None = None, part: Part | None = None, most: int = 0) -> bytes:
    """Run a batch in a worker.

    Args:
        payload: What `pack` made.
        note: Told, before each call, the call's position in what is still out of the batch.
        part: Takes replies about a prefix while the batch goes on.
        most: Calls to run at the most; 0: no bound.

    Returns:
        The reply, about a prefix of the batch: it ends with its time or with ``most``.
    """
    reference, shape, plain, items, start, whole = pickle.loads(payload)
    if note is not None:
        note(0)  # making the function may kill the worker, too
    call = _refused if reference is None else _caller(reference, shape, start, plain=plain)
    items = items[:most] if most else items
    while True:
        begin = perf_counter()
        outcomes = _perform(call, items, note, whole=whole and part is None)
        reply = _encoded(outcomes, perf_counter() - begin, start, note)
        start += len(outcomes)
        items = items[len(outcomes) :]
        if part is None or not whole or not len(items):
            return reply
        part(reply)


def run_direct(calls: Calls) -> Reply:
    """Run a batch where the worker shares the caller's memory."""
    call = _shaped(calls.function, calls.shape)
    begin = perf_counter()
    outcomes = _perform(call, calls.items, None, whole=calls.whole)
    return Reply(getpid(), len(outcomes), perf_counter() - begin, outcomes)


def _perform(
    call: Callable[[Any], Any], items: Iterable[Any], note: Note | None, *, whole: bool
) -> list[Any]:
    """Run calls one after the other until the time is up."""
    outcomes: list[Any] = []
    until = perf_counter() + SLICE_SECONDS
    for position, item in enumerate(items):
        if note is not None:
            note(position)
        try:
            outcomes.append(call(item))
        except BaseException as error:  # noqa: BLE001  # also SystemExit: it is the task's, not the worker's
            outcomes.append(Error(_without_ours(error)))
        if not whole and perf_counter() > until:
            break
    return outcomes


def _without_ours(error: BaseException) -> BaseException:
    """Take our own frames off the top of a traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


def _caller(
    reference: "Reference", shape: Shape, start: int, *, plain: bool
) -> Callable[[Any], Any]:
    """Make what runs packed items one after the other, the first of which is call ``start``."""
    from taskpar._engine import constant  # here, as only processes need it

    try:
        reusable, make = constant.made(reference)
    except BaseException as error:  # noqa: BLE001  # the function's __setstate__ may raise anything
        reusable, make = False, _raiser(error)
    ready = _shaped(make(), shape) if reusable else None
    if ready is not None and plain:
        return ready
    numbers = count(start)

    def call(item: Any) -> Any:
        index, what = next(numbers), "function"
        if not plain and type(item) is tuple:
            return _refused(item)
        try:
            run = ready or _shaped(make(), shape)
            what = "argument"
            argument = item if plain else pickle.loads(item)
        except BaseException as error:  # as above
            raise _crossing(what, index, error) from error
        return run(argument)

    return call


def _shaped(function: Any, shape: Shape) -> Callable[[Any], Any]:
    if shape == "one":
        return function  # type: ignore[no-any-return]  # a callable, as checked at the call
    if shape == "star":
        return lambda item: function(*tuple(item))  # as starmap does: its error, if it is no row
    return lambda item: function(*item[0], **item[1])


def _refused(item: tuple[bytes]) -> Any:
    """Give a call that could not be packed the outcome that it was packed with."""
    raise exceptions.loads(item[0])


def _raiser(error: BaseException) -> Callable[[], Any]:
    def refuse() -> NoReturn:
        raise error

    return refuse


# ----------------------------------------------------------------------------------- back
def _encoded(outcomes: list[Any], seconds: float, start: int, note: Note | None) -> bytes:
    plain = set(map(type, outcomes)) <= _PLAIN
    body: object = (True, outcomes)
    if not plain:
        body = (False, list(_sealed_all(outcomes, start, note)))
    head = _HEADER.pack(getpid(), len(outcomes), seconds)
    return head + pickle.dumps(body, pickling.PROTOCOL)


def _sealed_all(outcomes: list[Any], start: int, note: Note | None) -> Iterator[object]:
    for position, outcome in enumerate(outcomes):
        if note is not None:
            note(position)  # what a result does when it is pickled is its call's doing
        yield _sealed(outcome, start + position)


def _sealed(outcome: Any, index: int) -> bytes | tuple[bytes]:
    """Turn one outcome into bytes, an error into bytes in a tuple."""
    if type(outcome) is Error:
        return (exceptions.dumps(outcome.exception),)
    try:
        return pickling.dumps(outcome)
    except BaseException as error:  # noqa: BLE001  # its __reduce__ may raise anything
        return (exceptions.dumps(_crossing("result", index, error)),)


def read_reply(data: bytes | memoryview) -> Reply:
    """Read the head of a reply; the body stays bytes."""
    view = memoryview(data)
    pid, count, seconds = _HEADER.unpack(view[: _HEADER.size])
    return Reply(pid, count, seconds, view[_HEADER.size :])


def _opened(outcome: bytes | tuple[bytes], index: int) -> Any:
    try:
        if isinstance(outcome, tuple):
            return Error(exceptions.loads(outcome[0]))
        return pickle.loads(outcome)
    except KeyboardInterrupt:
        raise  # the user's own
    except BaseException as error:  # noqa: BLE001  # its __setstate__ may raise anything
        return Error(_crossing("result", index, error))


def run_in_thread(calls: Calls) -> Reply:
    """Run a batch in a worker thread, which is told that it is one."""
    with place.worker():
        return run_direct(calls)


# ------------------------------------------------------------------------------ starting workers
def pack_startup(
    initializer: Callable[..., object] | None, initargs: tuple[Any, ...]
) -> bytes | None:
    """Turn an initializer and its arguments into bytes; None where there is none."""
    return None if initializer is None else pickling.dumps((initializer, initargs))


def unpack_startup(startup: bytes) -> tuple[Callable[..., object], tuple[Any, ...]]:
    """Turn the bytes back, in the worker."""
    return pickle.loads(startup)  # type: ignore[no-any-return]  # what pack_startup packed
