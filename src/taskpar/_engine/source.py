"""Numbered calls out of iterables: what ``map`` and ``starmap`` read, and when.

A *source* gives the arguments of calls ``start`` to ``stop`` at any time until they are forgotten,
and reads no further than it is told. Two kinds: `Slices` of built-in sequences, which are only
cut, and a `Stream` of iterators, which is read in the caller's thread alone.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from io import IOBase
from math import inf
from time import monotonic
from typing import Any, Protocol, cast

from taskpar._engine.compact import Columns, is_array, kept

READING_SECONDS = 0.01
"""An input that is slow to read is not read ahead for longer than this at a time."""

SEQUENCES = (range, list, tuple, str, bytes, bytearray)
"""Types whose slices give the same items as iterating does (exactly these, not subclasses)."""


class Source(Protocol):
    """Where the arguments of a job's calls come from."""

    stop: int
    """How many calls have been read."""
    exhausted: bool
    """Whether there is nothing more to read."""
    whole: bool
    """Whether all calls may be read at once."""
    error: BaseException | None
    """What reading call ``stop`` raised; nothing more is read before `passed` is called."""

    @abstractmethod
    def advance(self, limit: float) -> None:
        """Read on, to ``limit`` calls at the most."""

    @abstractmethod
    def items(self, start: int, stop: int) -> Sequence[Any]:
        """Return the arguments of calls that were read and not yet forgotten."""

    @abstractmethod
    def passed(self) -> None:
        """Note that the reader has seen the error: it took a position of its own."""

    @abstractmethod
    def forget(self, start: int, stop: int) -> None:
        """Let go of the arguments of calls that are home."""

    @abstractmethod
    def close(self) -> None:
        """Read no more; close the iterators that can be closed."""


class Slices:
    """Calls out of built-in sequences, as a serial loop would see them now.

    Args:
        columns: One sequence for every argument; the shortest tells how many calls there are.
    """

    error: BaseException | None = None
    whole = True

    def __init__(self, columns: Sequence[Sequence[Any]]) -> None:
        self._columns = [_as_now(column) for column in columns]
        self._length = min(map(len, columns))
        self.stop = 0
        self.exhausted = not self._length

    def advance(self, limit: float) -> None:
        """Read on; costs nothing."""
        self.stop = max(self.stop, int(min(limit, self._length)))
        self.exhausted = self.stop == self._length

    def items(self, start: int, stop: int) -> Sequence[Any]:
        """Return slices, zipped where there are several."""
        slices = [column[start:stop] for column in self._columns]
        return slices[0] if len(slices) == 1 else Columns(*slices)

    def passed(self) -> None:
        """Never needed: cutting a sequence does not raise."""

    def forget(self, start: int, stop: int) -> None:
        """Keep all: the sequence is the caller's own."""

    def close(self) -> None:
        """Read no more."""
        self.exhausted = True


class Stream:
    """Calls out of iterators, read a bounded way ahead.

    Args:
        columns: One iterator for every argument.
        whole: Whether to read all that may be read at once, however long it takes.
        rows: Whether what is read are rows of arguments, which are read as well: a row may be an
            iterator, which cannot cross to a worker.
    """

    def __init__(
        self, columns: Sequence[Iterator[Any]], *, whole: bool = False, rows: bool = False
    ) -> None:
        self._columns = columns
        self._rows = rows
        self.whole = whole
        self._seconds = inf if whole else READING_SECONDS
        self._slabs: dict[int, list[Any]] = {}
        self._left: dict[int, int] = {}
        self.stop = 0
        self.exhausted = False
        self.error: BaseException | None = None

    def advance(self, limit: float) -> None:
        """Read a slab of calls, to ``limit`` at the most, for a while at the most."""
        if self.exhausted or self.error is not None or limit <= self.stop:
            return
        slab: list[Any] = []
        try:
            self._read(slab, limit - self.stop)
        except StopIteration:
            self.exhausted = True
        except KeyboardInterrupt:
            raise  # the user's own, now
        except BaseException as error:  # noqa: BLE001  # the input's, told at its position
            self.error = error
        finally:
            if slab:
                self._add(slab)

    def _add(self, slab: list[Any]) -> None:
        self._slabs[self.stop] = slab
        self._left[self.stop] = len(slab)
        self.stop += len(slab)

    def _read(self, slab: list[Any], most: float) -> None:
        until = monotonic() + self._seconds
        while len(slab) < most:
            slab.append(self._next())
            if monotonic() > until:
                return

    def _next(self) -> Any:
        """Read the arguments of one call, as ``map`` does: each iterator in its turn."""
        if len(self._columns) == 1:
            item = next(self._columns[0])
            return tuple(item) if self._rows else item
        return tuple([next(column) for column in self._columns])

    def items(self, start: int, stop: int) -> Sequence[Any]:
        """Return what was read; calls of one batch always come out of one slab."""
        first, slab = self._slab(start)
        return slab[start - first : stop - first]

    def passed(self) -> None:
        """Read on behind the error: it counts as a call that is home."""
        self.error = None
        self.stop += 1

    def forget(self, start: int, stop: int) -> None:
        """Let a slab go when all its calls are home."""
        first, _ = self._slab(start)
        self._left[first] -= stop - start
        if not self._left[first]:
            del self._slabs[first], self._left[first]

    def _slab(self, index: int) -> tuple[int, list[Any]]:
        """Find the slab of a call: few are alive at a time, and the oldest is asked for first."""
        # A copy, as the reader may read on or forget while batches are cut in another thread.
        for first, slab in list(self._slabs.items()):
            if first <= index < first + len(slab):
                return first, slab
        raise LookupError(f"call {index} is not there: not read yet, or forgotten")

    def close(self) -> None:
        """Read no more, and close the iterators that can be closed, generators for one."""
        self.exhausted = True
        self._slabs.clear()
        for column in self._columns:
            close = getattr(column, "close", None)
            if callable(close) and not isinstance(
                column, IOBase
            ):  # a file is its opener's to close
                close()


def sized(column: object) -> bool:
    """Tell whether an iterable knows its length, so that it can be scheduled whole."""
    return hasattr(type(column), "__len__")


def source_of(columns: Sequence[Iterable[Any]], *, rows: bool = False) -> Source:
    """Make the source for the iterables of one ``map``.

    Args:
        columns: What the caller gave, checked to be iterable.
        rows: Whether the items are rows of arguments, as for a ``starmap``.

    Returns:
        `Slices` where all are built-in sequences, else a `Stream`.
    """
    if all(_is_cut(column) and _holds(column, rows) for column in columns):
        return Slices(cast("Sequence[Sequence[Any]]", columns))
    whole = all(map(sized, columns))
    return Stream([iter(column) for column in columns], whole=whole, rows=rows)


def _is_cut(column: object) -> bool:
    """Tell whether slices of it give the same items as iterating does."""
    return type(column) in SEQUENCES or is_array(column)


def _as_now(column: Any) -> Sequence[Any]:
    """Return a sequence as it is at this moment, whatever is written to it later."""
    if type(column) is bytearray:
        return bytes(column)
    if is_array(column):
        return cast("Sequence[Any]", kept(column))
    return list(column) if type(column) is list else cast("Sequence[Any]", column)


def _holds(column: Iterable[Any], rows: bool) -> bool:
    """Tell whether a sequence holds arguments; if they are to be rows, as tuples."""
    return not rows or set(map(type, column)) <= {tuple}
