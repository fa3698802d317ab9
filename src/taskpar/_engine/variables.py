"""Context variables under names: which of a worker's variables is which of the caller's.

A `ContextVar` cannot be pickled, but most are globals of a module, and a module is found by its
name. Those of ``__main__``, which no worker has, and those which a function made are given a key:
a worker makes its own variable for a key, once, so that all that refers to it finds the same one;
where the variable comes from, the key leads to the original.
"""

import sys
from contextvars import Context, ContextVar
from functools import lru_cache
from importlib import import_module
from os import urandom
from typing import Any

from taskpar._model.known import MAINS

Variable = ContextVar[Any]

Reference = tuple[str, str, tuple[object, ...] | None]
"""``(module, attribute, None)``, or ``(key, name, its default or none)``."""

_keys: dict[Variable, str] = {}
_variables: dict[str, Variable] = {}


def reference(variable: Variable) -> Reference:
    """Return what `find` finds a variable by, here and elsewhere.

    **Law:** ``find(reference(variable)) is variable``.
    """
    where = _where(variable, len(sys.modules))
    if where is not None and where[0] not in MAINS:
        return (*where, None)
    if variable not in _keys:
        _variables[key := urandom(8).hex()] = variable
        _keys[variable] = key
    return (_keys[variable], variable.name, _default(variable))


def is_known(variable: Variable) -> bool:
    """Tell whether somebody elsewhere may know a variable: it has a name, or has gone there."""
    return variable in _keys or _where(variable, len(sys.modules)) is not None


def find(reference: Reference) -> Variable:
    """Return the variable of that reference.

    Raises:
        ImportError: There is no such module.
        LookupError: There is no such variable in it.
    """
    name, inner, default = reference
    if default is not None:
        return _variables.get(name) or _made(name, inner, default)
    variable = vars(import_module(name)).get(inner)
    if isinstance(variable, ContextVar):
        return variable
    raise LookupError(f"there is no context variable {inner} in {name}")


def _made(key: str, name: str, default: tuple[object, ...]) -> Variable:
    made: Variable = ContextVar(name, default=default[0]) if default else ContextVar(name)
    variable = _variables.setdefault(key, made)  # another thread may have been faster
    _keys[variable] = key
    return variable


def _default(variable: Variable) -> tuple[object, ...]:
    try:
        return (Context().run(variable.get),)
    except LookupError:
        return ()


@lru_cache(maxsize=1024)
def _where(variable: Variable, _modules: int) -> tuple[str, str] | None:
    """Return the module and the attribute that a variable is, ``__main__`` last; None: no global.

    Args:
        variable: What to look for; it says nothing of its module itself.
        _modules: How many there are: a new one is a reason to look again.
    """
    found = None
    for module, holder in list(sys.modules.items()):
        for attribute, value in list(getattr(holder, "__dict__", {}).items()):
            if value is variable:
                if module not in MAINS:
                    return module, attribute
                found = module, attribute
    return found
