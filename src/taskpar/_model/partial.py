"""Functions with some of their arguments bound: `functools.partial` as Python 3.14 has it.

From 3.14 on these are the names of `functools`; before, a subclass that knows placeholders too.
"""

import functools
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar, final

R = TypeVar("R")

__all__ = ["Placeholder", "partial"]

# Type checkers see our own class in either case: they take no placeholder from that of functools.
if not TYPE_CHECKING and sys.version_info >= (3, 14):
    from functools import Placeholder, partial
else:

    @final
    class PlaceholderType:
        """The type of `Placeholder`, its one instance."""

        __slots__ = ()

        def __new__(cls) -> "PlaceholderType":
            """Return the one instance."""
            return Placeholder

        def __repr__(self) -> str:
            return "Placeholder"

        def __reduce__(self) -> str:
            """Travel as a name."""
            return "Placeholder"

    Placeholder: PlaceholderType = object.__new__(PlaceholderType)
    """Keeps the place of a positional argument that comes with the call."""

    class partial(functools.partial[R]):  # noqa: N801  # it has that name in functools
        """A function with some of its arguments bound.

        **Law:** ``partial(f, *a, **k)(*b, **m)`` is ``f(*a, *b, **{**k, **m})``, where each
        `Placeholder` among ``a`` takes the next of ``b``. Partials of partials are flattened.

        Args:
            fn: What to call.
            args: Its first positional arguments; a `Placeholder` leaves a place free.
            keywords: Its keyword arguments; those of the call win over them.

        Raises:
            TypeError: ``fn`` is not callable; a placeholder is the last positional argument, or
                a keyword argument; in the call: fewer arguments than placeholders.

        Source: ``functools.partial`` of Python 3.14.
        """

        def __new__(cls, fn: Callable[..., R], /, *args: object, **keywords: object) -> Self:
            """Bind arguments."""
            if args and args[-1] is Placeholder:
                raise TypeError("trailing Placeholders are not allowed")
            if _has_gaps(tuple(keywords.values())):
                raise TypeError("Placeholder cannot be passed as a keyword argument")
            inner: Callable[..., R] = fn
            if isinstance(fn, _Gapped) and not fn.__dict__:
                args = _filled(fn.args, args)
                keywords = {**fn.keywords, **keywords}
                inner = fn.func
            kind: type[Any] = cls
            if _has_gaps(args) and not issubclass(cls, _Gapped):
                if cls is not partial:
                    raise TypeError(f"{cls.__name__}, a subclass of partial, takes no Placeholder")
                kind = _Gapped
            bound: Self = super().__new__(kind, inner, *args, **keywords)
            if kind is _Gapped:
                vars(bound)  # makes its __dict__: one without is taken apart by functools of 3.13
            return bound

    class _Gapped(partial[R]):
        """A partial with placeholders; one without is called by functools itself, at full speed."""

        def __call__(self, /, *args: object, **keywords: object) -> R:
            """Call the function."""
            gaps = sum(bound is Placeholder for bound in self.args)
            if len(args) < gaps:
                raise TypeError(
                    "missing positional arguments in 'partial' call; "
                    f"expected at least {gaps}, got {len(args)}"
                )
            return self.func(*_filled(self.args, args), **{**self.keywords, **keywords})

    def _has_gaps(args: tuple[Any, ...]) -> bool:
        return any(bound is Placeholder for bound in args)

    def _filled(bound: tuple[Any, ...], given: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put what is given in the places that were left free, and the rest behind."""
        rest = iter(given)
        filled = [next(rest, Placeholder) if each is Placeholder else each for each in bound]
        return (*filled, *rest)
