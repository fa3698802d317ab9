"""The names under which an object is known: what pickle writes in its place.

A decorated function hides the function below it: the name leads to the outermost wrapper. But from
there a row of ``__wrapped__`` leads on to what is inside, through ``functools.wraps``,
``lru_cache``, ``staticmethod`` and all other decorators that keep this custom.
"""

import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import NamedTuple, cast

MAINS = frozenset(("__main__", "__mp_main__"))
"""Modules of one process: their names mean nothing in a worker."""

_DEEPEST = 32
"""Decorators around one function, at the most: an object may make up a ``__wrapped__`` for ever."""


class Known(NamedTuple):
    """Where an object is to be found: by ``depth`` steps inwards from what has its name."""

    module: str
    qualname: str
    depth: int


def known(thing: object, *, here: bool = False) -> Known | None:
    """Tell under which name a thing can be found, also by another process; None: under none.

    **Law:** ``known(thing) is None or find(*known(thing)) is thing``.

    Args:
        thing: A function, or what has a function's ``__module__`` and ``__qualname__``.
        here: Whether a name will do that means something in this process alone.
    """
    module = getattr(thing, "__module__", None)
    qualname = getattr(thing, "__qualname__", None)
    if not isinstance(qualname, str) or module not in sys.modules:
        return None
    if not here and (module in MAINS or _goes_by_value(module)):
        return None
    for depth, layer in enumerate(_layers(module, qualname)):
        if layer is thing:
            return Known(module, qualname, depth)
    return None


def registered() -> set[str]:
    """Name the modules and packages that go by value, as the user has told cloudpickle.

    Workers may be unable to import them, as with one that was loaded by its path.
    """
    inner = sys.modules.get("cloudpickle.cloudpickle")
    if inner is None:  # as long as nobody has imported it, nobody has told it anything
        return set()
    return cast("set[str]", vars(inner)["list_registry_pickle_by_value"]())


def _goes_by_value(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in registered())


def find(module: str, qualname: str, depth: int) -> object:
    """Return what is known under a name.

    Raises:
        ImportError: There is no such module.
        LookupError: There is nothing of that name in it.
    """
    import_module(module)
    layer = next(islice(_layers(module, qualname), depth, None), None)
    if layer is None:
        raise LookupError(f"there is no {qualname} (below {depth} decorators) in {module}")
    return layer


def outermost(thing: object) -> object:
    """Return what has the name of a thing: the thing itself, or what was put around it, or None."""
    place = known(thing)
    return None if place is None else find(place.module, place.qualname, 0)


def _layers(module: str, qualname: str) -> Iterator[object]:
    """Find what has the name, as it is written in its module or class, then what is inside."""
    holder: object = sys.modules[module]
    *outer, name = qualname.split(".")
    for part in outer:
        holder = getattr(holder, "__dict__", {}).get(part)
    layer = getattr(holder, "__dict__", {}).get(name)
    for _ in range(_DEEPEST):
        if layer is None:
            return
        yield layer
        layer = getattr(layer, "__wrapped__", None)
