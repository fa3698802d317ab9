"""Objects as bytes and back, for workers that do not import the caller's ``__main__``.

Plain pickle wherever it will do, as it is many times faster; `cloudpickle` for what plain pickle
refuses (lambdas, closures) and for whatever is defined in ``__main__``, or in a module that was
registered with `cloudpickle.register_pickle_by_value`: it travels by value.

A class that travels by value comes back as the *same* class, and coming back never changes it:
what a worker did to its copy of the class stays in the worker.
"""

import functools
import io
import pickle
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from types import CodeType
from typing import Any, cast

from taskpar._engine import place, variables
from taskpar._model.known import known, registered

PROTOCOL = 5
Keep = Callable[[pickle.PickleBuffer], bool] | None
Beside = list[memoryview] | None


def dumps(obj: object, beside: Beside = None, least: int = 0) -> bytes:
    """Turn an object into bytes.

    Args:
        obj: Anything.
        beside: Takes the object's big buffers, which then are not in the bytes; None: they are.
        least: How many bytes make a buffer big.

    Raises:
        Exception: Whatever pickling raises; the object cannot cross.
    """
    data = b""
    keep = None if beside is None else partial(_is_within, beside, least)
    try:
        data = pickle.dumps(obj, PROTOCOL, buffer_callback=keep)
        enough = b"__main__" not in data and not _names_what_goes_by_value(data)
    except Exception:  # noqa: BLE001  # cloudpickle can do more; if not, its error is the one to tell
        enough = False
    if not enough:
        if beside is not None:
            beside.clear()
        data = _by_value(obj, keep)
    return data


def _is_within(beside: list[memoryview], least: int, buffer: pickle.PickleBuffer) -> bool:
    """Tell whether a buffer is pickled with its object; else it is put beside."""
    with memoryview(buffer) as view:
        if view.nbytes < least or not view.contiguous:
            return True
    beside.append(buffer.raw())
    return False


loads = pickle.loads


def _names_what_goes_by_value(data: bytes) -> bool:
    """Tell whether it may refer to a module that is registered with cloudpickle."""
    names = registered()  # nearly always none, and each message passes here
    return bool(names) and any(name.encode() in data for name in names)


def _by_value(obj: object, keep: Keep = None, *, within_class: bool = False) -> bytes:
    with io.BytesIO() as file:
        pickler_class(within_class=within_class)(file, PROTOCOL, buffer_callback=keep).dump(obj)
        return file.getvalue()


@functools.cache
def pickler_class(*, within_class: bool = False) -> type[Any]:
    """Return the pickler that carries things by value; made on first use, as cloudpickle is.

    Args:
        within_class: Whether it pickles what a class is made of, the classes in that included.
    """
    import cloudpickle

    class ByValuePickler(cloudpickle.Pickler):  # type: ignore[misc]  # untyped base
        """Adds what cloudpickle lacks: where code stands, caches, variables, and who a class is."""

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, CodeType):
                _, parts, *_ = self.dispatch_table[CodeType](obj)
                return (_code_in, ("".join(obj.co_filename), parts))
            if type(obj) is _CACHED and known(obj) is None:
                return (_cached, (obj.__wrapped__, obj.cache_parameters()))
            if isinstance(obj, ContextVar):
                return (variables.find, (variables.reference(obj),))
            if not within_class and isinstance(obj, type) and _goes_by_value(obj):
                return (_class_known_as, (_identity(obj), _by_value(obj, within_class=True)))
            return super().reducer_override(obj)

    return ByValuePickler


def _code_in(filename: str, parts: tuple[Any, ...]) -> CodeType:
    """Make code anew, as of its own file: a traceback shows the line."""
    return CodeType(*parts).replace(co_filename=filename)


_CACHED = type(functools.lru_cache(len))


def _cached(function: Callable[..., object], parameters: dict[str, Any]) -> object:
    """Make a cached function anew, with an empty cache."""
    return functools.lru_cache(**parameters)(function)


# cloudpickle gives each class that it sends an identity, but on the way back it overwrites what
# the original holds. These are all the names used of its inside; test_pickling.py holds them.
# ruff: noqa: SLF001
# pyright: reportPrivateUsage=false
def _goes_by_value(cls: type) -> bool:
    from cloudpickle import cloudpickle as inner

    return not inner._should_pickle_by_reference(cls)


def _identity(cls: type) -> str:
    from cloudpickle import cloudpickle as inner

    return cast("str", inner._get_or_create_tracker_id(cls))


def _class_known_as(identity: str, by_value: bytes) -> type:
    """Return the class of that identity: here the one that is known, in a worker the newest."""
    from cloudpickle import cloudpickle as inner

    cls = inner._DYNAMIC_CLASS_TRACKER_BY_ID.get(identity)
    if cls is None or place.inside_worker():
        cls = loads(by_value)
    return cast("type", cls)
