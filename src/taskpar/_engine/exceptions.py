"""Exceptions as bytes and back: class, args, attributes, notes, cause, context and traceback.

Pickle alone loses most of an exception, and calls its ``__init__`` with ``args``, which fails for
every class whose ``__init__`` takes something else. Here an exception is rebuilt *without* its
own ``__init__``, from what it holds; a class that says itself how it is pickled is obeyed, as long
as the same class comes back.

What every exception has is read and written past its class, which may have defined these names,
or ``__getattribute__``, in its own way.
"""

import io
import pickle
from collections.abc import Callable
from contextlib import suppress
from types import GetSetDescriptorType, MemberDescriptorType, TracebackType
from typing import TYPE_CHECKING, Any

from taskpar._engine import frames, pickling, place
from taskpar._system import ctrl_c

if TYPE_CHECKING:
    from taskpar.errors import DescribedError

_STATE = ("__cause__", "__context__", "__suppress_context__", "__traceback__")
"""In this order, as whoever sets a cause suppresses the context."""

_INNER: dict[str, Any] = dict(vars(BaseException))
_MESSAGE: Any = vars(BaseExceptionGroup)["message"]
_MEMBERS: Any = vars(BaseExceptionGroup)["exceptions"]

_BARE = (object, BaseException, BaseExceptionGroup)
"""Builtin classes of which nothing is to be kept beside `_STATE` and the args."""

_LONG = 10_000
"""Characters of a text that stands for something: more nobody reads."""

Keep = Callable[[object], object]
"""Says what goes in place of a part of an exception, if not the part itself."""


def dumps(error: BaseException) -> bytes:
    """Turn an exception into bytes; never raises, as what cannot cross is described instead."""
    return pickle.dumps((_summary(error), _packed(error)), pickling.PROTOCOL)


def loads(data: bytes) -> BaseException:
    """Turn bytes back into the exception.

    Raises:
        KeyboardInterrupt: The user's own; whatever else happens, the exception is described.
    """
    summary, packed = pickle.loads(data)
    try:
        error = pickle.loads(packed)[-1]
    except BaseException as cause:
        if is_ctrl_c(cause):
            raise
        error = _described(f"{summary}\n(it cannot be unpickled: {_summary(cause)})")
        error.__cause__ = cause
    return error if _is_exception(error) else _described(_text(error))


def _described(text: str) -> "DescribedError":
    from taskpar.errors import DescribedError  # here, as most workers never need it

    return DescribedError(text)


def _is_exception(thing: object) -> bool:
    """Tell whether a thing is an exception, whatever it says of its ``__class__``."""
    return issubclass(type(thing), BaseException)


def is_ctrl_c(error: BaseException) -> bool:
    """Tell whether it may be the user who interrupts, not an object that raises what Ctrl-C does.

    Ctrl-C comes to the main thread of a process; workers are not interrupted by it.
    """
    is_it = issubclass(type(error), KeyboardInterrupt) and not place.inside_worker()
    return is_it and ctrl_c.in_main_thread()


# -------------------------------------------------------------------------- candidates, best first
def _packed(error: BaseException) -> bytes:
    for keep in (_as_it_is, _readable, _all_readable):
        try:
            data = _dump(error, keep)
            if _kind(pickle.loads(data)[-1]) == _kind(error) or keep is not _as_it_is:
                return data
        except BaseException:  # noqa: S112, BLE001  # whatever the user's class does: the next candidate is safer
            continue
    return pickle.dumps([_description(error)], pickling.PROTOCOL)


def _as_it_is(part: object) -> object:
    return part


def _readable(part: object) -> object:
    """Put a text in place of what can't cross; an exception is taken apart in its turn."""
    return part if _is_exception(part) else _all_readable(part)


def _all_readable(part: object) -> object:
    """Put a text in place of what can't cross."""
    try:
        pickle.loads(pickling.dumps(part))
    except BaseException:  # noqa: BLE001  # as above
        return _text(part)
    return part


def _description(error: BaseException) -> "DescribedError":
    """Stand in for an exception whose class itself cannot cross."""
    import traceback  # here, as it is slow to import and rarely wanted

    try:
        text = "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001  # as above
        text = _summary(error)
    return _described(f"{text}\n({type(error).__qualname__} itself cannot be pickled)")


def _kind(thing: object) -> tuple[str, str]:
    """Name a class: one that travels by value is made anew in the worker that looks at it."""
    return type(thing).__module__, type(thing).__qualname__


def _summary(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {_text(error, str)}"


def _text(part: object, show: Callable[[object], str] = repr) -> str:
    try:
        return str.__getitem__(show(part), slice(_LONG))  # a plain string, also of a subclass
    except BaseException:  # noqa: BLE001  # as above
        return f"<{type(part).__qualname__}>"


# ------------------------------------------------------------------------------- there and back
def _dump(error: BaseException, keep: Keep) -> bytes:
    begun: dict[int, BaseException] = {}

    class ExceptionPickler(pickling.pickler_class()):  # type: ignore[misc]  # made at run time
        def reducer_override(self, obj: Any) -> Any:
            if _is_exception(obj):
                if id(obj) in begun:  # it would be known by now, were it made
                    raise pickle.PicklingError("it is among its own arguments")
                begun[id(obj)] = obj
                return _reduce(obj, keep)
            if type(obj) is TracebackType:
                return (frames.traceback_of, (frames.rows_of(obj),))
            return super().reducer_override(obj)

    with io.BytesIO() as file:
        ExceptionPickler(file, pickling.PROTOCOL).dump(_linked(error))
        return file.getvalue()


def _linked(error: BaseException) -> list[BaseException]:
    """Return all that an exception leads to, the exception last.

    So the longest chain is no deep recursion: what one refers to has been pickled before it.
    """
    found: dict[int, BaseException] = {}
    todo = [error]
    while todo:
        one = todo.pop()
        if id(one) not in found:
            found[id(one)] = one
            links = [_INNER[name].__get__(one) for name in ("__context__", "__cause__")]
            members = _MEMBERS.__get__(one) if _is_group(one) else ()
            todo += [link for link in (*members, *links) if link is not None]
    return list(reversed(found.values()))


def _is_group(error: BaseException) -> bool:
    return issubclass(type(error), BaseExceptionGroup)


def _reduce(error: BaseException, keep: Keep) -> tuple[object, ...]:
    """Say how to make an exception and, after it is known to the pickler, what it holds."""
    cls = type(error)
    held = {name: _INNER[name].__get__(error) for name in _STATE}
    attributes = _attributes(error)
    if "__notes__" in attributes:
        held["__notes__"] = _kept_notes(attributes["__notes__"], keep)
    state: object = None
    fields = {name: _kept(value, keep) for name, value in _fields(error).items()}
    make: tuple[object, ...]
    if keep is _as_it_is and _says_itself(cls):
        reduced = error.__reduce_ex__(pickling.PROTOCOL)
        if isinstance(reduced, str) or len(reduced) > 3:
            raise pickle.PicklingError(f"cannot follow how {cls.__qualname__} is pickled")
        make, state, fields = reduced[:2], (*reduced, None)[2], {}
    elif _is_group(error):
        make = (_rebuild, (cls, (_MESSAGE.__get__(error), list(_MEMBERS.__get__(error)))))
    elif keep(cls) is cls:
        make = (_rebuild, (cls, tuple(map(keep, _INNER["args"].__get__(error)))))
    else:
        stand_in = _description(error)
        make, fields = (_rebuild, (type(stand_in), stand_in.args)), vars(stand_in)
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


def _attributes(error: BaseException) -> dict[str, Any]:
    attributes: dict[str, Any] = _INNER["__dict__"].__get__(error)
    return attributes


def _fields(error: BaseException) -> dict[str, object]:
    """Return what an exception holds in its ``__dict__``, in slots, and in C, as `OSError` does."""
    fields = {name: value for name, value in _attributes(error).items() if name != "__notes__"}
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
            if issubclass(type(descriptor), kinds) and part not in _BARE and name != "obj":
                found.setdefault(name, (descriptor, builtin))
    return found


def _kept(value: object, keep: Keep) -> object:
    """Return a field as it will cross; an exception among them is taken apart in its turn."""
    return value if _is_exception(value) else keep(value)


def _kept_notes(notes: object, keep: Keep) -> object:
    return [keep(note) for note in notes] if type(notes) is list else keep(notes)


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
    if not _is_group(error):
        _INNER["args"].__set__(error, args)
    return error


def _restore(error: BaseException, all_of_it: tuple[Any, dict[str, Any], dict[str, Any]]) -> None:
    state, fields, held = all_of_it
    if state is not None:
        error.__setstate__(state)
    descriptors = _descriptors(type(error))
    attributes = _attributes(error)
    for name, value in fields.items():
        if name not in descriptors:
            attributes[name] = value
            continue
        with suppress(AttributeError):  # a read-only one, of a class in C: it was made with it
            descriptors[name][0].__set__(error, value)
    if "__notes__" in held:
        attributes["__notes__"] = held["__notes__"]
    for name in _STATE:
        _INNER[name].__set__(error, held[name])
