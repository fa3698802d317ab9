"""Many items as few objects: arrays that are cut instead of listed, numbers that are packed.

What comes out is what a serial loop would see, item by item: the same values of the same types.
"""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

_CODES = {int: "q", float: "d"}
_NUMBERS = "biufc"
"""The kinds of numpy's types whose values are numbers: no room for anything else in them."""

_CUT_KINDS = f"{_NUMBERS}mMSU"
FEWEST = 8
"""Fewer numbers than this are not worth an array."""


_scalars: frozenset[type] = frozenset()


def is_array(thing: object) -> bool:
    """Tell whether slices of a thing are arrays that give the same items as iterating does.

    So it is for arrays of numpy and of the module `array`; not for records, as they can be written
    to, nor where the items are any objects.
    """
    if type(thing) is array:
        return True
    # Who has such an array has imported it; another thread may just be importing it.
    if type(thing) is not getattr(sys.modules.get("numpy"), "ndarray", None):
        return False
    given: Any = thing
    return given.ndim > 0 and given.dtype.kind in _CUT_KINDS


def size_of(thing: Any) -> int:
    """Return how many bytes there are in an array, or in arrays side by side; else 0."""
    if type(thing) is Columns:
        return sum(map(size_of, thing.columns))
    if not is_array(thing):
        return 0
    size: int = len(thing) * thing.itemsize if type(thing) is array else thing.nbytes
    return size


def kept(thing: Any) -> Any:
    """Return an array as it is now, whatever is written to it later; a matrix may be too large."""
    return thing[:] if type(thing) is array else thing.copy() if thing.ndim == 1 else thing


def scalars() -> frozenset[type]:
    """Return the types of numpy's numbers, to which nobody can write; none before it is there."""
    global _scalars
    if not _scalars:
        numpy = sys.modules.get("numpy")
        every = getattr(numpy, "sctypeDict", None)
        if numpy is not None and every is not None:
            numbers = (numpy.number, numpy.bool_)
            _scalars = frozenset(each for each in every.values() if issubclass(each, numbers))
    return _scalars


class Columns(Sequence[tuple[Any, ...]]):
    """Rows of several sequences, which travel as they are and are zipped where they are wanted.

    Args:
        columns: Sequences of the same length.
    """

    def __init__(self, *columns: Sequence[Any]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return zip(*self.columns, strict=True)

    def __getitem__(self, place: Any) -> Any:
        parts = [column[place] for column in self.columns]
        return Columns(*parts) if isinstance(place, slice) else tuple(parts)

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return Columns, self.columns


def packed(values: list[Any], kinds: set[type]) -> Any:
    """Return numbers of one type as bytes with their code, or as an array; whatever else as it is.

    Args:
        values: The values.
        kinds: Their types, or more.
    """
    if len(kinds) != 1 or len(values) < FEWEST:
        return values
    (kind,) = kinds
    code = _CODES.get(kind)
    if code is not None:
        try:
            return code, struct.pack(f"{len(values)}{code}", *values)
        except struct.error:  # some are too large
            return values
    return _packed_scalars(values, kind) if kind in scalars() else values


def _packed_scalars(values: list[Any], kind: Any) -> Any:
    numpy = sys.modules["numpy"]
    numbers = numpy.dtype(kind)
    # Else what comes out may be of another type of the same size, or in another unit.
    same = numbers.type is kind and numbers.kind in _NUMBERS
    # Their bytes, one after the other, are the array's: three times as quick as to ask each.
    return numpy.frombuffer(b"".join(values), numbers) if same else values


def unpacked(thing: Any, start: int, stop: int) -> list[Any]:
    """Return the values from `start` to `stop` of those that were `packed`."""
    if type(thing) is tuple:
        code, data = thing
        some: list[Any] = memoryview(data).cast(code)[start:stop].tolist()
        return some
    part = thing[start:stop]
    return part if type(part) is list else list(part)
