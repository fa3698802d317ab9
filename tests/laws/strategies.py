"""What the properties draw: values, inputs of every make, sizes of chunks and buffers."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypedDict

from hypothesis import strategies as st

from laws.functions import ERRORS, STOP, Raise
from taskpar import Executor, ProcessExecutor

_LONGEST = 12
_LONGEST_OF_FRESH_PROCESSES = 4  # one process a call: each of them costs as much as 100 calls

CHUNKSIZES = (None, 1, 2, 3, 7, 100)
BUFFERSIZES = (None, 1, 2, 5, 100)

_atoms = (
    st.none()
    | st.booleans()
    | st.integers(-3, 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
)
values: st.SearchStrategy[Any] = st.recursive(
    _atoms,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
raises = st.sampled_from(sorted(ERRORS)).map(Raise)
stops = st.just(Raise(STOP))


class Knobs(TypedDict):
    """The two sizes that change nothing but time (law L6)."""

    chunksize: int | None
    buffersize: int | None


def knobs() -> st.SearchStrategy[Knobs]:
    """Draw a chunk size and a buffer size."""
    return st.builds(
        Knobs, chunksize=st.sampled_from(CHUNKSIZES), buffersize=st.sampled_from(BUFFERSIZES)
    )


def longest(executor: Executor) -> int:
    """How many calls an example may have on this executor."""
    return _LONGEST_OF_FRESH_PROCESSES if isinstance(executor, ProcessExecutor) else _LONGEST


class Indexed:
    """A sequence of the oldest make: ``len()`` and ``[]``, and no ``__iter__``."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Any:
        return self._items[index]


class Stumbling:
    """An iterator that raises at some positions, and goes on after each."""

    def __init__(self, items: list[Any], stumbles: frozenset[int]) -> None:
        self._items = iter(items)
        self._stumbles = stumbles
        self._position = -1
        self._ended = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._position += 1
        if self._position in self._stumbles and not self._ended:
            raise OSError("stumbled", self._position)
        try:
            return next(self._items)
        except StopIteration:
            self._ended = True
            raise


def breaking(items: list[Any], at: int) -> Iterator[Any]:
    """A generator that raises at a position, and so ends there."""
    yield from items[:at]
    try:
        raise KeyError("in the input")
    except KeyError as cause:
        raise RefusedError(at) from cause


class RefusedError(Exception):
    """What an input raises."""


MAKES: dict[str, Callable[[list[Any]], Iterable[Any]]] = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "dict": lambda items: dict(enumerate(items)).values(),
    "indexed": Indexed,  # type: ignore[dict-item]
    "iterator": iter,
    "generator": lambda items: (item for item in items),
}


@dataclass(frozen=True)
class Source:
    """An input that can be made anew, as often as it has to be read."""

    items: list[Any] = field(repr=True)
    make: str = "list"
    at: int | None = None

    def fresh(self) -> Iterable[Any]:
        """Make the input anew."""
        if self.make == "breaking":
            return breaking(self.items, self.at or 0)
        if self.make == "stumbling":
            at = self.at or 0
            return Stumbling(self.items, frozenset({at, at + 2, at + 3}))
        return MAKES[self.make](self.items)


def _lists(items: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[list[Any]]:
    """Lists of unlike items, lists of one item many times, empty lists."""
    return st.lists(items, max_size=size) | st.builds(
        lambda item, times: [item] * times, items, st.integers(0, size)
    )


def sources(items: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[Source]:
    """Inputs that do not raise."""
    return st.builds(Source, _lists(items, size), st.sampled_from(sorted(MAKES)))


def raising_sources(items: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[Source]:
    """Inputs that raise: once and end, or several times and go on."""
    return st.builds(
        Source,
        _lists(items, size),
        st.sampled_from(["breaking", "stumbling"]),
        st.integers(0, size),
    )
