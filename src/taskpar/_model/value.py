"""Frozen values without `dataclasses`, whose import alone costs as much as the rest of taskpar."""

from typing import Any, NoReturn


class Value:
    """Equal, hashed, shown and pickled by its parts, which are its ``__slots__``; never changed.

    A subclass names its parts in ``__slots__``, in the order of its ``__init__``, and sets them
    there with `_set`.
    """

    __slots__: tuple[str, ...] = ()

    def _set(self, **parts: object) -> None:
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def _parts(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in type(self).__slots__)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is a value: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is a value: {name} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value) or type(other) is not type(self):
            return NotImplemented
        return self._parts() == other._parts()

    def __hash__(self) -> int:
        return hash((type(self), self._parts()))

    def __repr__(self) -> str:
        parts = zip(type(self).__slots__, self._parts(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={part!r}' for name, part in parts)})"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), self._parts())
