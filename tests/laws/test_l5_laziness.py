"""Law L5: an iterator is never read more than ``buffersize`` calls ahead of the reader."""

import gc
import threading
from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import echo, partial_arguments, save
from laws.oracle import outcome_of
from laws.strategies import BUFFERSIZES, CHUNKSIZES, longest
from rig.executors import Bench
from rig.waiting import eventually
from taskpar import Executor, ProcessExecutor, partial

DEFAULT_BUFFERSIZE = 1000

METHODS: list[str] = ["map", "starmap", "map_unordered", "starmap_unordered"]


class Counted:
    """An endless input that knows how far it was read, by whom, and whether it was closed."""

    def __init__(self, row: Callable[[int], Any] = lambda number: number) -> None:
        self.read = 0
        self.readers: set[int] = set()
        self.closed = False
        self._row = row

    def items(self) -> Iterator[Any]:
        """Give items without end."""
        try:
            for number in count():
                self.read += 1
                self.readers.add(threading.get_ident())
                yield self._row(number)
        finally:
            self.closed = True


def start(
    executor: Executor, method: str, buffersize: int | None, chunksize: int | None = None
) -> tuple[Counted, Any]:
    """An endless input, and the results of ``echo`` over it by that method."""
    source = Counted((lambda number: (number,)) if method.startswith("star") else lambda n: n)
    results = getattr(executor, method)(
        echo, source.items(), buffersize=buffersize, chunksize=chunksize
    )
    return source, results


@pytest.mark.parametrize("method", METHODS)
@given(data=st.data())
def test_an_endless_input_is_read_no_further_than_the_bound(
    executor: Executor, method: str, data: st.DataObject
) -> None:
    """After k results at most k + buffersize items were read, whatever the size of a chunk."""
    buffersize = data.draw(st.sampled_from(BUFFERSIZES[1:]))
    take = data.draw(st.integers(0, longest(executor)))
    source, results = start(executor, method, buffersize, data.draw(st.sampled_from(CHUNKSIZES)))
    assert buffersize is not None
    try:
        assert source.read <= buffersize
        for taken in range(1, take + 1):
            next(results)
            assert source.read <= taken + buffersize
    finally:
        results.close()
    assert source.closed or not source.read  # a generator that never began has nothing to end
    assert source.readers <= {threading.get_ident()}


@pytest.mark.parametrize("method", METHODS)
def test_first_results_of_an_endless_input_arrive(executor: Executor, method: str) -> None:
    """With no bound given the first results come, and not more than 1000 items are read ahead."""
    if isinstance(executor, ProcessExecutor):
        pytest.skip("a thousand fresh processes take too long; small buffers are tested above")
    source, results = start(executor, method, None)
    try:
        assert len(list(islice(results, 5))) == 5
        assert source.read <= 5 + DEFAULT_BUFFERSIZE
    finally:
        results.close()


@pytest.mark.parametrize("method", METHODS)
def test_closing_the_results_closes_the_input_and_ends_them(
    executor: Executor, method: str
) -> None:
    """The generator's ``finally`` has run when ``close`` returns; closing again changes nothing."""
    source, results = start(executor, method, 5)
    next(results)
    results.close()
    assert source.closed
    assert outcome_of(lambda: next(results)) == ("end", ())
    results.close()
    assert source.read <= 6


def test_results_that_nobody_holds_any_more_close_their_input(executor: Executor) -> None:
    """As with the builtin, whose generator goes when the map goes."""
    source, results = start(executor, "map", 3)
    next(results)
    del results
    gc.collect()
    assert eventually(lambda: source.closed)


@pytest.mark.parametrize("method", METHODS)
def test_the_input_is_read_in_the_callers_thread_alone(executor: Executor, method: str) -> None:
    """At the call and at ``next()``, in whichever thread makes them."""
    source, results = start(executor, method, 2)
    threads = {threading.get_ident()}
    assert source.readers <= threads

    def take() -> None:
        threads.add(threading.get_ident())
        next(results)
        next(results)

    reader = threading.Thread(target=take)
    reader.start()
    reader.join()
    next(results)
    results.close()
    assert source.readers <= threads


def test_a_buffersize_bounds_a_sized_container_too(executor: Executor) -> None:
    """A container that counts its reading is read no further than the bound."""
    read: list[int] = []

    class Watched(list[int]):
        def __getitem__(self, index: Any) -> Any:
            chosen = super().__getitem__(index)
            read.extend(chosen if isinstance(index, slice) else [chosen])
            return chosen

        def __iter__(self) -> Iterator[int]:
            for item in super().__iter__():
                read.append(item)
                yield item

    results = executor.map(echo, Watched(range(12)), buffersize=3)
    for taken in range(1, 4):
        next(results)
        assert len(read) <= taken + 3
    results.close()


def test_results_that_nobody_reads_are_computed_by_the_end_of_the_with(
    bench: Bench, tmp_path: Path
) -> None:
    """A sized container is scheduled whole, as in ``concurrent.futures``."""
    names = [f"file {number}" for number in range(8)]
    with bench.make() as executor:
        executor.map(partial(save, tmp_path), names)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_what_was_read_of_an_iterator_is_computed_by_the_end_of_the_with(
    bench: Bench, tmp_path: Path
) -> None:
    """Results that nobody reads pull nothing more out of their input."""
    source = Counted(lambda number: f"file {number}")
    with bench.make() as executor:
        results = executor.map(partial(save, tmp_path), source.items(), buffersize=4)
    assert source.read <= 4
    assert len(list(tmp_path.iterdir())) == source.read
    results.close()


def test_several_endless_maps_live_side_by_side(executor: Executor) -> None:
    """Each has its own reader and its own bound; none waits for another to end."""
    opened = [start(executor, "map", 2) for _ in range(3)]
    for expected in range(3):
        assert [next(results) for _, results in opened] == [expected] * 3
    for source, results in reversed(opened):
        results.close()
        assert source.closed


def test_several_endless_inputs_are_all_bounded_and_all_closed(executor: Executor) -> None:
    """The bound counts calls, so each input is read as far as the others."""
    sources = [Counted(), Counted()]
    results = executor.map(partial_arguments, *(source.items() for source in sources), buffersize=2)
    assert next(results) == ((0, 0), {})
    assert all(source.read <= 3 for source in sources)
    results.close()
    assert all(source.closed for source in sources)
