"""In the worker: making what runs the packed items of a batch, one after the other.

What cannot be unpickled is raised by the call that it belongs to.
"""

import pickle
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

from taskpar._engine import exceptions
from taskpar._engine.beside import unpacked
from taskpar._engine.reply import crossing
from taskpar._engine.wire import Shape

if TYPE_CHECKING:
    from taskpar._engine.constant import Reference
    from taskpar._engine.culprit import What
    from taskpar._system.arena import Lease

Call = Callable[[Any], Any]
_FUNCTION: "What" = "function"
_ARGUMENT: "What" = "argument"


def calling(
    reference: "Reference | None",
    shape: Shape,
    start: int,
    *,
    plain: bool,
    leases: "dict[int, Lease] | None" = None,
) -> Call:
    """Make what runs packed items one after the other, the first of which is call ``start``.

    Args:
        reference: The function; None: it could not be packed, as the items tell.
        shape: How it takes an item.
        start: The number of the first call.
        plain: Whether the items are as they are, not packed one by one.
        leases: What of the items lies beside the channel: each is let go with its call.
    """
    if reference is None:
        return _refused
    from taskpar._engine import constant  # here, as only processes need it

    try:
        reusable, make = constant.made(reference)
    except BaseException as error:  # noqa: BLE001  # the function's __setstate__ may raise anything
        reusable, make = False, _raiser(error)
    ready = shaped(make(), shape) if reusable else None
    if ready is not None and plain:
        return ready
    numbers = count(start)

    def call(item: Any) -> Any:
        index, what = next(numbers), _FUNCTION
        if not plain and type(item) is tuple and item[1] is None:
            return _refused(item)
        try:
            run = ready or shaped(make(), shape)
            what = _ARGUMENT
            argument = item if plain else _argument(item, leases or {})
        except BaseException as error:  # as above
            from taskpar._engine.culprit import explanation  # here, as it is rarely needed

            raise crossing(explanation(what, error), index, error) from error
        return run(argument)

    return call


def _argument(item: Any, leases: "dict[int, Lease]") -> Any:
    if type(item) is not tuple:
        return pickle.loads(item)
    head, *pieces = item
    return unpacked(head, pieces, {piece[0]: leases.pop(piece[0]) for piece in pieces})


def shaped(function: Any, shape: Shape) -> Call:
    if shape == "one":
        return function  # type: ignore[no-any-return]  # a callable, as checked at the call
    if shape == "star":
        return lambda item: function(*tuple(item))  # as starmap does: its error, if it is no row
    return lambda item: function(*item[0], **item[1])


def _refused(item: tuple[bytes, None]) -> Any:
    """Give a call that could not be packed the outcome that it was packed with."""
    raise exceptions.loads(item[0])


def _raiser(error: BaseException) -> Callable[[], Any]:
    def refuse() -> NoReturn:
        raise error

    return refuse
