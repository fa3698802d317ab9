"""Exceptions as bytes and back: class, args, attributes, notes, cause, context and traceback.

Pickle alone loses most of an exception, and calls its ``__init__`` with ``args``, which fails for
every class whose ``__init__`` takes something else. Here an exception is rebuilt *without* its
own ``__init__``, from what it holds; a class that says itself how it is pickled is obeyed.
"""

import io
import pickle
import traceback
from types import TracebackType
from typing import Any, cast

from taskpar._engine import pickling
from taskpar.errors import DescribedError

_STATE = ("__cause__", "__context__", "__suppress_context__", "__traceback__")


def dumps(error: BaseException) -> bytes:
    """Turn an exception into bytes; never raises, as what cannot cross is described instead."""
    for candidate in (_same, _readable, _described):
        try:
            data = _dump(candidate(error))
            pickle.loads(data)
        except BaseException:  # noqa: S112, BLE001  # whatever the user's class does: the next candidate is safer
            continue
        return data
    return pickle.dumps(DescribedError(type(error).__qualname__))


def loads(data: bytes) -> BaseException:
    """Turn bytes back into the exception."""
    error = pickle.loads(data)
    return error if isinstance(error, BaseException) else DescribedError(repr(error))


# -------------------------------------------------------------------------- candidates, best first
def _same(error: BaseException) -> BaseException:
    return error


def _readable(error: BaseException) -> BaseException:
    """Make the same class, with a text in place of each argument or attribute that can't cross."""
    cls = type(error)
    copy = _rebuild(cls, tuple(_crossing(argument) for argument in error.args))
    copy.__dict__.update({name: _crossing(value) for name, value in vars(error).items()})
    return copy.with_traceback(error.__traceback__)


def _described(error: BaseException) -> BaseException:
    """Stand in for an exception whose class itself cannot cross."""
    text = "".join(traceback.format_exception(error))
    return DescribedError(f"{text}\n({type(error).__qualname__} itself cannot be pickled)")


def _crossing(value: object) -> object:
    try:
        pickle.loads(pickling.dumps(value))
    except BaseException:  # noqa: BLE001  # as above
        try:
            return repr(value)
        except BaseException:  # noqa: BLE001  # as above
            return f"<{type(value).__qualname__}>"
    return value


# ------------------------------------------------------------------------------- there and back
def _dump(error: BaseException) -> bytes:
    from tblib import Traceback

    class ExceptionPickler(pickling.pickler_class()):  # type: ignore[misc]  # made at run time
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, BaseException):
                return _reduce(obj)
            if isinstance(obj, TracebackType):
                return (_traceback, (Traceback(obj).to_dict(),))
            return super().reducer_override(obj)

    with io.BytesIO() as file:
        ExceptionPickler(file, pickling.PROTOCOL).dump(error)
        return file.getvalue()


def _reduce(error: BaseException) -> tuple[object, ...]:
    """Say how to make an exception and, after it is known to the pickler, what it holds."""
    cls = type(error)
    make: tuple[object, ...] = (_rebuild, (cls, error.args))
    attributes: object = {**vars(error), **_slots(error)}
    if _says_itself(cls):
        reduced = error.__reduce_ex__(pickling.PROTOCOL)
        if isinstance(reduced, str) or len(reduced) > 3:
            raise pickle.PicklingError(f"cannot follow how {cls.__qualname__} is pickled")
        make = reduced[:2]
        attributes = (*reduced, None)[2]
    elif isinstance(error, BaseExceptionGroup):
        make = (_rebuild, (cls, (error.message, list(error.exceptions))))
    held = {name: getattr(error, name) for name in _STATE}
    return (*make, (attributes, held), None, None, _restore)


def _says_itself(cls: type[BaseException]) -> bool:
    """Tell whether a class, not one of the builtins, defines how it is pickled."""
    names = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
    for part in cls.__mro__:
        if part.__module__ == "builtins":
            return False
        if any(name in vars(part) for name in names):
            return True
    return False


def _slots(error: BaseException) -> dict[str, object]:
    """Return what an exception holds in slots, and in the fields of the builtin ones."""
    names: list[str] = []
    for part in type(error).__mro__:
        if part.__module__ != "builtins":
            slots = vars(part).get("__slots__", ())
            names += [slots] if isinstance(slots, str) else slots
        elif issubclass(part, (ImportError, AttributeError, NameError)):
            names += [name for name in ("name", "path", "name_from") if hasattr(error, name)]
    return {name: getattr(error, name) for name in names if hasattr(error, name)}


def _rebuild(cls: type[BaseException], args: tuple[object, ...]) -> BaseException:
    """Make an exception as its builtin part would, without the ``__init__`` of its own class."""
    builtin: type[BaseException]
    builtin = next(part for part in cls.__mro__ if part.__module__ == "builtins")
    error: BaseException
    try:
        error = cls.__new__(cls, *args)
    except TypeError:  # a __new__ of its own, with other parameters
        error = builtin.__new__(cls, *args)
    try:
        builtin.__init__(error, *args)
    except TypeError:  # the builtin part was given other arguments than these
        BaseException.__init__(error, *args)
    if error.args != args and not isinstance(error, BaseExceptionGroup):
        error.args = args
    return error


def _restore(error: BaseException, state: tuple[object, dict[str, Any]]) -> None:
    attributes, held = state
    if isinstance(attributes, dict) and not (
        _says_itself(type(error)) and hasattr(error, "__setstate__")
    ):
        for name, value in attributes.items():
            setattr(error, name, value)
    elif attributes is not None:
        cast("Any", error).__setstate__(attributes)
    for name, value in held.items():
        setattr(error, name, value)


def _traceback(described: dict[str, Any]) -> TracebackType | None:
    from tblib import Traceback

    rebuilt = Traceback.from_dict(described).as_traceback()
    return rebuilt if isinstance(rebuilt, TracebackType) else None
