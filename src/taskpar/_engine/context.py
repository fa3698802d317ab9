"""Context variables: a task sees what its caller has set, in whatever worker it runs.

::

    caller    captured() ── Captured (threads), or travelling() ── bytes (processes) ──► worker
    worker    make = captured.contexts(), or applied(bytes)
              for each call: make().run(call, item)

Each call runs in a context of its own, so what it sets shows neither in the next call nor in the
caller. It is the context of the worker, with what the caller has set on top. In processes the
values are copies, as arguments are.

To a process a variable travels if it can be named there (see variables.py), as a module's global
can be, and if its value can be pickled. All others are left out, and have their default there. Two
libraries keep their settings in variables that are theirs alone; these travel as settings: the
context of `decimal`, and what numpy does about floating-point errors.
"""

import pickle
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import cache, partial
from importlib import import_module
from typing import Any

from taskpar._engine import exceptions, pickling, variables
from taskpar._engine.constant import is_unwritable

Contexts = Callable[[], Context]
"""Makes the context of one call."""

Pair = tuple[ContextVar[Any], Any]
"""A variable and what it is set to."""

_DECIMAL, _NUMPY = "decimal_context", "numpy.ufunc.extobj"
"""What decimal and numpy call their variables."""

_OURS = "taskpar."
"""How the names of variables begin that say where code runs: they mean nothing elsewhere."""

_WARNINGS = "warnings_context"
"""The variable of a `warnings.catch_warnings` that is one of a context: it catches here alone."""


class Captured:
    """What a caller has set.

    Args:
        pairs: The variables and their values.
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: tuple[Pair, ...]) -> None:
        self.pairs = pairs

    def contexts(self) -> Contexts:
        """Return what makes the contexts of calls; ask for it in the thread where they will run."""
        base = copy_context()
        base.run(_set_all, self.pairs)
        for variable, value in self.pairs:
            if variable.name == _DECIMAL:  # every operation writes to it
                return partial(_copied, base, partial(_set_copy, variable, value))
        return base.copy


def captured() -> Captured | None:
    """Return what is set in the present context; None: nothing that matters."""
    context = copy_context()
    if not context:
        return None
    pairs = tuple([pair for pair in context.items() if _matters(*pair)])
    return Captured(pairs) if pairs else None


def _matters(variable: ContextVar[Any], value: Any) -> bool:
    if variable.name == _DECIMAL:
        return not _is_usual(value)
    return not variable.name.startswith(_OURS)


def _set_all(pairs: Iterable[Pair]) -> None:
    for variable, value in pairs:
        variable.set(value)


def _copied(base: Context, change: Callable[[], object]) -> Context:
    context = base.copy()
    context.run(change)
    return context


def _set_copy(variable: ContextVar[Any], value: Any) -> None:
    variable.set(value.copy())


def _is_usual(value: Any) -> bool:
    """Tell whether a decimal context is what all have who have set nothing, here and elsewhere."""
    import decimal  # it is there, as it has made the value

    here = decimal.DefaultContext
    return value.prec == here.prec == 28 and _settings(value) == _settings(here) == _usual()


def _settings(of: Any) -> tuple[Any, ...]:
    _, (*settings, _flags, traps) = of.__reduce__()  # which is much faster than to ask for each
    return (*settings, set(traps))


@cache
def _usual() -> tuple[Any, ...]:
    from decimal import ROUND_HALF_EVEN, DivisionByZero, InvalidOperation, Overflow

    return (
        28,
        ROUND_HALF_EVEN,
        -999999,
        999999,
        1,
        0,
        {DivisionByZero, InvalidOperation, Overflow},
    )


# ------------------------------------------------------------------------------------ to a process
_refused: dict[ContextVar[Any], Callable[[], object]] = {}
"""The last value of a variable that could not be pickled, held weakly: trying is slow."""


def travelling(captured: Captured | None) -> bytes | None:
    """Turn what can travel into bytes; None: nothing can.

    Ask for it after the function was pickled: then the variables that only it knows are known.
    """
    if captured is None:
        return None
    parts = [part for pair in captured.pairs if (part := _packed(*pair)) is not None]
    return pickle.dumps(parts, pickling.PROTOCOL) if parts else None


def _packed(variable: ContextVar[Any], value: Any) -> bytes | None:
    if variable.name == _WARNINGS:
        return None
    if variable.name in _SETTERS:
        return pickling.dumps((variable.name, _setting(variable, value)))
    refused = _refused.get(variable)
    if (refused is not None and refused() is value) or not variables.is_known(variable):
        return None
    try:
        return pickling.dumps((variables.reference(variable), value))
    except BaseException as error:  # its __reduce__ may raise anything
        if exceptions.is_ctrl_c(error):
            raise
        with suppress(TypeError):  # not all can be held weakly
            _refused[variable] = weakref.ref(value)
        return None


def _setting(variable: ContextVar[Any], value: Any) -> object:
    """Return what a library's variable means, as a value."""
    if variable.name == _DECIMAL:
        plain = value.copy()
        plain.clear_flags()  # they tell what happened here
        return plain
    np = import_module("numpy")  # it is there, as it has made the value

    context = Context()
    context.run(variable.set, value)
    return tuple(context.run(np.geterr).items())


# ------------------------------------------------------------------------------------ in a process
def _set_decimal(value: Any) -> None:
    import decimal

    decimal.setcontext(value)


def _set_numpy(value: Any) -> None:
    np = import_module("numpy")

    np.seterr(**dict(value))


_SETTERS: dict[str, Callable[[Any], object]] = {_DECIMAL: _set_decimal, _NUMPY: _set_numpy}

_Unpacked = tuple[list[Callable[[], object]], list[bytes]]
"""What sets the values that nobody can write to, and the other values, packed."""

_last: tuple[bytes, _Unpacked] = (b"", ([], []))


def applied(data: bytes) -> Contexts:
    """Return what makes the contexts of calls in this thread, of what `travelling` returned."""
    global _last  # batch after batch comes with the same
    if data != _last[0]:
        _last = data, _unpacked(data)
    setters, writable = _last[1]
    base = copy_context()
    for setter in setters:
        base.run(setter)
    return partial(_copied, base, partial(_set_anew, writable)) if writable else base.copy


def _unpacked(data: bytes) -> _Unpacked:
    setters: list[Callable[[], object]] = []
    writable: list[bytes] = []
    for part in pickle.loads(data):
        with suppress(BaseException):  # nor may its __setstate__ raise anything in a worker
            setter, value = _opened(part)
            copy_context().run(setter, value)  # what cannot be set is not tried at every call
            if is_unwritable(value):
                setters.append(partial(setter, value))
            else:
                writable.append(part)
    return setters, writable


def _opened(part: bytes) -> tuple[Callable[[Any], object], Any]:
    reference, value = pickle.loads(part)
    if reference in _SETTERS:
        return _SETTERS[reference], value
    return variables.find(reference).set, value


def _set_anew(writable: list[bytes]) -> None:
    """Set values of which each call has its own, as of its arguments."""
    for part in writable:
        with suppress(BaseException):  # as above
            setter, value = _opened(part)
            setter(value)
