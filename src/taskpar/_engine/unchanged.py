"""Functions, pickled once: what their bytes are made of tells whether these still hold.

A function of ``__main__``, or one within another, travels by value, with the globals that it uses:
pickling that takes ten times as long as all the rest of a `submit`. It may only be left out if the
bytes would be the same. So all that goes into them is looked up, each time, and compared by
identity; what could change and stay the same object, a list, say, or a class of the script, is no
part that can be trusted, and its function is pickled each time. Of a function that others find by
its name the bytes are that name: it is enough to look whether it still leads there.
"""

import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import chain
from threading import RLock
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    GenericAlias,
    ModuleType,
    NoneType,
    UnionType,
)
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from taskpar._model.known import MAINS, known, registered

Function = Callable[..., object]

_PLAIN = frozenset((int, float, complex, str, bytes, bool, type(None), EllipsisType))
_OF_MODULE = ("__package__", "__name__", "__file__")
_ABSENT = object()

KEPT = 64
"""Functions of which is kept what was made of them."""


class Parts(NamedTuple):
    """What the bytes of a function are made of.

    Args:
        objects: Almost all of that, by identity.
        modules: Where packages are used, how many modules there are, and the last one: what has
            been imported of a package goes with it.
    """

    objects: list[object]
    modules: tuple[int, str]

    def are(self, others: "Parts") -> bool:
        """Tell whether these are the same."""
        mine, theirs = self.objects, others.objects
        return (
            self.modules == others.modules
            and len(mine) == len(theirs)
            and all(mine[place] is theirs[place] for place in range(len(mine)))
        )


class Pickled:
    """What was made of functions, as long as it would be made again just so."""

    def __init__(self) -> None:
        self._lock = RLock()  # the garbage collector may come here anywhere
        self._made: WeakKeyDictionary[Function, tuple[Parts, Any]] = WeakKeyDictionary()

    def get(self, function: Function, parts: Parts) -> Any:
        """Return what was kept of a function that was made of these parts; None: nothing."""
        with self._lock:
            kept = self._made.get(function)
        return kept[1] if kept is not None and kept[0].are(parts) else None

    def keep(self, function: Function, parts: Parts, made: Any) -> None:
        """Keep what was made, unless the function has changed since it had these parts."""
        now = parts_of(function)
        if now is not None and now.are(parts):
            with self._lock:
                if len(self._made) >= KEPT:
                    self._made.clear()
                self._made[function] = parts, made

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._made.clear()


def parts_of(function: object) -> Parts | None:
    """Return what a function's bytes are made of; None: nobody can tell."""
    if type(function) is not FunctionType or registered():
        return None
    if function.__module__ not in MAINS and "<" not in function.__qualname__:
        return _name_of(function)
    objects: list[object] = []
    try:
        firm = _takes_apart(function, objects)
    except Exception:  # noqa: BLE001  # too deep, or annotations or a class of the user's that raise
        firm = False  # pickling may do without what raised; if not, its error is the one to tell
    if not firm:
        return None
    packages = any(type(each) is ModuleType and "__path__" in vars(each) for each in objects)
    modules = list(sys.modules) if packages else []  # a copy: other threads may import something
    return Parts(objects, (len(modules), modules[-1] if modules else ""))


def _name_of(function: FunctionType) -> Parts | None:
    """Return the name of a function that is to be found by it, and to which nothing is bound."""
    module: object = function.__module__  # a string, but for who has set it
    name = function.__qualname__
    if not isinstance(module, str) or "__main__" in module:  # pickling does not trust such a name
        return None
    home = sys.modules.get(module)
    bound = function.__closure__ or function.__defaults__ or function.__kwdefaults__
    if bound or type(home) is not ModuleType or vars(home).get(name) is not function:
        return None
    return Parts([module, name], (0, ""))


def _takes_apart(function: FunctionType, objects: list[object]) -> bool:
    """Add the parts of a function; False: one of them may change and stay what it is."""
    around, code = function.__globals__, function.__code__
    if function.__dict__ or "__path__" in around or getattr(function, "__type_params__", None):
        return False
    objects += code, function.__name__, function.__qualname__, function.__module__, function.__doc__
    objects += [around.get(name) for name in _OF_MODULE]
    named = function.__kwdefaults__ or {}, function.__annotations__
    try:
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:  # one that is empty
        return False
    for bound in (function.__defaults__ or (), *map(_flat, named), cells):
        if not _are_firm(bound, objects):
            return False
        objects.append(_ABSENT)
    return all(_is_firm_global(around.get(name, _ABSENT), objects) for name in _names(code))


def _flat(named: dict[str, object]) -> list[object]:
    return list(chain.from_iterable(named.items()))


def _is_firm_global(thing: object, objects: list[object]) -> bool:
    """Tell whether a global stays what it is as long as it is the same object."""
    if thing is not _ABSENT and (type(thing) is not FunctionType or known(thing) is not None):
        return _are_firm((thing,), objects)
    again = any(each is thing for each in objects)
    objects.append(thing)
    return again or type(thing) is not FunctionType or _takes_apart(thing, objects)


def _are_firm(things: Iterable[object], objects: list[object]) -> bool:
    """Tell whether these stay what they are, with all that is in them."""
    for thing in things:
        objects.append(thing)
        kind = type(thing)
        if kind in _PLAIN or thing is NoneType:
            continue
        if kind in (tuple, frozenset):
            firm = _are_firm(thing, objects)  # type: ignore[arg-type]  # narrowed by the line above
        elif type(thing) is GenericAlias:
            firm = _are_firm((thing.__origin__, *thing.__args__), objects)
        elif issubclass(kind, UnionType):
            firm = _are_firm(thing.__args__, objects)  # type: ignore[attr-defined]  # the same
        elif type(thing) is ModuleType:
            firm = sys.modules.get(thing.__name__) is thing and thing.__name__ not in MAINS
        elif kind in (FunctionType, BuiltinFunctionType) or issubclass(kind, type):
            place = known(thing)
            firm = place is not None and place.depth == 0
        else:
            firm = False
        if not firm:
            return False
    return True


@lru_cache(maxsize=256)
def _names(code: CodeType) -> tuple[str, ...]:
    """Return the names that code may look up among its globals, and that in it."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    names = [*code.co_names, *(name for each in inner for name in _names(each))]
    return tuple(dict.fromkeys(names))
