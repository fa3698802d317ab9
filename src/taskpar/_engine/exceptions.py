"""Exceptions as bytes and back: class, args, attributes, notes, cause, context and traceback.

Pickle alone loses most of an exception, and calls its ``__init__`` with ``args``, which fails for
every class whose ``__init__`` takes something else. Here an exception is rebuilt *without* its
own ``__init__``, from what it holds; a class that says itself how it is pickled is obeyed.
"""

import io
import pickle
import traceback
from collections.abc import Callable
from contextlib import suppress
from types import GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import Any

from taskpar._engine import pickling
from taskpar.errors import DescribedError

_STATE = ("__cause__", "__context__", "__suppress_context__", "__traceback__", "__notes__")

_BARE = (object, BaseException, BaseExceptionGroup)
"""Builtin classes of which nothing is to be kept beside `_STATE` and the args."""

Keep = Callable[[object], object]
"""Says what goes in place of a part of an exception, if not the part itself."""


def dumps(error: BaseException) -> bytes:
    """Turn an exception into bytes; never raises, as what cannot cross is described instead."""
    for dump in (_same, _readable, _described):
        try:
            data = dump(error)
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
def _same(error: BaseException) -> bytes:
    return _dump(error, _as_it_is)


def _readable(error: BaseException) -> bytes:
    """Put a text in place of each argument or attribute that can't cross, in its causes too."""
    return _dump(error, _crossing)


def _described(error: BaseException) -> bytes:
    return _dump(_description(error), _as_it_is)


def _description(error: BaseException) -> DescribedError:
    """Stand in for an exception whose class itself cannot cross."""
    text = "".join(traceback.format_exception(error))
    return DescribedError(f"{text}\n({type(error).__qualname__} itself cannot be pickled)")


def _as_it_is(part: object) -> object:
    return part


def _crossing(part: object) -> object:
    try:
        pickle.loads(pickling.dumps(part))
    except BaseException:  # noqa: BLE001  # as above
        try:
            return repr(part)
        except BaseException:  # noqa: BLE001  # as above
            return f"<{type(part).__qualname__}>"
    return part


# ------------------------------------------------------------------------------- there and back
def _dump(error: BaseException, keep: Keep) -> bytes:
    from tblib import Traceback

    class ExceptionPickler(pickling.pickler_class()):  # type: ignore[misc]  # made at run time
        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, BaseException):
                return _reduce(obj, keep)
            if isinstance(obj, TracebackType):
                return (_traceback, (Traceback(obj).to_dict(),))
            return super().reducer_override(obj)

    with io.BytesIO() as file:
        ExceptionPickler(file, pickling.PROTOCOL).dump(error)
        return file.getvalue()


def _reduce(error: BaseException, keep: Keep) -> tuple[object, ...]:
    """Say how to make an exception and, after it is known to the pickler, what it holds."""
    cls = type(error)
    held = {name: getattr(error, name) for name in _STATE if hasattr(error, name)}
    state: object = None
    fields = {name: _kept(value, keep) for name, value in _fields(error).items()}
    make: tuple[object, ...]
    if keep is _as_it_is and _says_itself(cls):
        reduced = error.__reduce_ex__(pickling.PROTOCOL)
        if isinstance(reduced, str) or len(reduced) > 3:
            raise pickle.PicklingError(f"cannot follow how {cls.__qualname__} is pickled")
        make, state, fields = reduced[:2], (*reduced, None)[2], {}
    elif isinstance(error, BaseExceptionGroup):
        make = (_rebuild, (cls, (error.message, list(error.exceptions))))
    elif keep(cls) is cls:
        make = (_rebuild, (cls, tuple(map(keep, error.args))))
    else:
        stand_in = _description(error)
        make, fields = (_rebuild, (DescribedError, stand_in.args)), vars(stand_in)
    return (*make, (state, fields, held), None, None, _restore)


def _says_itself(cls: type[BaseException]) -> bool:
    """Tell whether a class, not one of the builtins, defines how it is pickled."""
    names = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
    for part in cls.__mro__:
        if part.__module__ == "builtins":
            return False
        if any(name in vars(part) for name in names):
            return True
    return False


def _fields(error: BaseException) -> dict[str, object]:
    """Return what an exception holds in its ``__dict__``, in slots, and in C, as `OSError` does."""
    fields = {name: value for name, value in vars(error).items() if name not in _STATE}
    for name, (descriptor, builtin) in _descriptors(type(error)).items():
        try:
            value = descriptor.__get__(error)
        except AttributeError:  # a slot that was never set
            continue
        if not (builtin and value is None):  # setting None is not the same as leaving it unset
            fields[name] = value
    return fields


def _descriptors(cls: type[BaseException]) -> dict[str, tuple[Any, bool]]:
    """Return the descriptors of a class's slots and C fields, and whether they are a builtin's."""
    found: dict[str, tuple[Any, bool]] = {}
    for part in cls.__mro__:
        builtin = part.__module__ == "builtins"
        kinds = (MemberDescriptorType, GetSetDescriptorType) if builtin else MemberDescriptorType
        for name, descriptor in vars(part).items():
            # An AttributeError's ``obj`` may be anything, of any size: pickle drops it, too.
            if isinstance(descriptor, kinds) and part not in _BARE and name != "obj":
                found.setdefault(name, (descriptor, builtin))
    return found


def _kept(value: object, keep: Keep) -> object:
    """Return a field as it will cross; an exception among them is taken apart in its turn."""
    return value if isinstance(value, BaseException) else keep(value)


def _rebuild(cls: type[BaseException], args: tuple[object, ...]) -> BaseException:
    """Make an exception as its builtin part would, without what its own class does to make one."""
    builtin: Any = cls
    while builtin.__module__ != "builtins":
        builtin = builtin.__base__  # not along the mro, as its memory is laid out like this one's
    error: BaseException = builtin.__new__(cls, *args)
    try:
        builtin.__init__(error, *args)
    except TypeError:  # the builtin part was given other arguments than these
        BaseException.__init__(error, *args)
    if not isinstance(error, BaseExceptionGroup):
        BaseException.__setattr__(error, "args", args)  # also where the class refuses it
    return error


def _restore(error: BaseException, all_of_it: tuple[Any, dict[str, Any], dict[str, Any]]) -> None:
    state, fields, held = all_of_it
    if state is not None:
        error.__setstate__(state)
    descriptors = _descriptors(type(error))
    for name, value in fields.items():
        if name not in descriptors:
            vars(error)[name] = value
            continue
        with suppress(AttributeError):  # a read-only one, of a class in C: it was made with it
            descriptors[name][0].__set__(error, value)
    for name, value in held.items():
        BaseException.__setattr__(error, name, value)  # as above


def _traceback(described: dict[str, Any]) -> TracebackType | None:
    from tblib import Traceback

    rebuilt = Traceback.from_dict(described).as_traceback()
    return rebuilt if isinstance(rebuilt, TracebackType) else None
