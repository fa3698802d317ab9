"""Numbered calls out of iterables: read when told to, no further, and forgotten when home."""

import gc
import io
import threading
import weakref
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar._engine import source as module
from taskpar._engine.source import Slices, Stream, sized, source_of


@pytest.fixture(autouse=True, scope="module")
def no_time_passes():
    """However busy the machine is: what takes too long to be read is read another time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "monotonic", float)
        yield


class Recorded(Iterator):
    """An iterator that remembers how often it was asked, and raises where it is told to."""

    def __init__(self, items, errors=()):
        self.items = iter(items)
        self.errors = dict(errors)
        self.asked = 0

    def __next__(self):
        self.asked += 1
        if self.asked in self.errors:
            raise self.errors[self.asked]
        return next(self.items)


class Thing:
    """Something whose end can be seen."""


def test_nothing_is_read_before_it_is_told_to():
    """Making a source reads nothing, and `advance` reads to the limit, not one further."""
    column = Recorded(range(100))
    source = source_of([column])
    assert (source.stop, column.asked) == (0, 0)
    source.advance(3)
    assert (source.stop, column.asked) == (3, 3)
    source.advance(3)
    source.advance(2)
    assert (source.stop, column.asked) == (3, 3)
    source.advance(5)
    assert (source.stop, column.asked) == (5, 5)
    assert not source.exhausted


@given(length=st.integers(0, 20), steps=st.lists(st.integers(0, 6), max_size=8))
def test_slices_and_streams_give_the_same_items(length, steps):
    """However it is read on, call ``i`` has the ``i``-th item, until there is no more."""
    sources = [
        source_of([make(range(length))]) for make in (list, tuple, range_of, iter, dict.fromkeys)
    ]
    for limit in (sum(steps[: i + 1]) for i in range(len(steps))):
        for source in sources:
            before = source.stop
            source.advance(limit)
            assert source.stop == min(limit, length)
            if before < source.stop:
                assert list(source.items(before, source.stop)) == list(range(before, source.stop))
    for source in sources:
        source.advance(length + 1)
        assert source.exhausted
        assert [source.items(i, i + 1)[0] for i in range(length)] == list(range(length))


def range_of(numbers):
    """The range itself."""
    return numbers


@pytest.mark.parametrize("make", [list, iter, tuple], ids=["slices", "stream", "tuples"])
def test_several_columns_are_zipped_to_the_shortest(make):
    """As ``map`` does with several iterables."""
    source = source_of([make([1, 2, 3]), make("ab"), make([True, False, None, 4])])
    source.advance(10)
    assert source.exhausted
    assert source.stop == 2
    assert list(source.items(0, 2)) == [(1, "a", True), (2, "b", False)]


def test_columns_are_asked_in_turn_as_map_asks_them():
    """The first is read once more than the shorter second, which ends it; the third is not."""
    columns = [Recorded(range(9)), Recorded(range(2)), Recorded(range(9))]
    source = source_of(columns)
    source.advance(9)
    assert [column.asked for column in columns] == [3, 3, 2]
    serial = [Recorded(range(9)), Recorded(range(2)), Recorded(range(9))]
    list(map(lambda *_: None, *serial))
    assert [column.asked for column in serial] == [3, 3, 2]


def test_a_list_is_taken_as_it_is_now():
    """Whoever changes his list after ``map`` has begun does not change what is called."""
    numbers = [1, 2, 3]
    source = source_of([numbers])
    numbers.clear()
    source.advance(9)
    assert list(source.items(0, 3)) == [1, 2, 3]


@pytest.mark.parametrize("sequence", [range(3, 90, 4), "abcdefgh", b"abcdefgh", (1, 2, 3, 4)])
def test_sequences_travel_as_slices_of_their_own_type(sequence):
    """A range of a million numbers is two numbers on the wire."""
    source = source_of([sequence])
    source.advance(9)
    assert isinstance(source, Slices)
    assert source.items(1, 3) == sequence[1:3]


def test_a_subclass_of_a_sequence_is_iterated():
    """Its ``__iter__`` may say something else than its slices."""

    class Doubled(list):
        def __iter__(self):
            return (2 * item for item in super().__iter__())

    source = source_of([Doubled([1, 2])])
    source.advance(9)
    assert isinstance(source, Stream)
    assert source.items(0, 2) == [2, 4]


def test_whatever_has_a_length_is_read_whole():
    """A set is scheduled whole, a generator is not; one column without a length is enough."""
    assert sized({1})
    assert sized({1: 2})
    assert not sized(iter([]))
    assert not sized(map(abs, []))
    assert source_of([{1, 2}]).whole
    assert source_of([{1, 2}, [3]]).whole
    assert not source_of([{1, 2}, iter([3])]).whole


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), GeneratorExit()], ids=repr)
def test_an_error_of_the_input_waits_at_its_position(error):
    """What was read before it is there; nothing more is read before the reader has seen it."""
    column = Recorded(range(9), {3: error})
    source = source_of([column])
    source.advance(9)
    assert source.stop == 2
    assert source.error is error
    assert source.items(0, 2) == [0, 1]
    source.advance(9)
    assert column.asked == 3
    source.passed()
    assert (source.stop, source.error) == (3, None)
    source.advance(6)
    assert source.items(3, 6) == [2, 3, 4]
    with pytest.raises(LookupError):
        source.items(2, 3)


def test_an_error_at_once_and_errors_in_a_row():
    """Each has a position of its own."""
    first, second = ValueError(1), KeyError(2)
    source = source_of([Recorded("ab", {1: first, 2: second})])
    for error in (first, second):
        source.advance(9)
        assert source.error is error
        source.passed()
    source.advance(9)
    assert source.exhausted
    assert source.items(2, 4) == ["a", "b"]


def test_an_interrupt_is_the_users_own():
    """Ctrl-C while the input is read is raised now, and what had been read is kept."""
    source = source_of([Recorded(range(9), {3: KeyboardInterrupt()})])
    with pytest.raises(KeyboardInterrupt):
        source.advance(9)
    assert source.items(0, 2) == [0, 1]
    assert source.error is None
    source.advance(4)
    assert source.items(2, 4) == [2, 3]


def test_a_slow_input_is_not_read_ahead_for_long(monkeypatch):
    """The first calls are to start before the last are read."""
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])

    def slow():
        for item in range(100):
            now[0] += module.READING_SECONDS / 4
            yield item

    source = source_of([slow()])
    source.advance(100)
    assert source.stop == 5
    source.advance(100)
    assert source.stop == 10


def test_what_is_home_is_forgotten():
    """A slab goes when the last of its calls is home, in whatever order they come."""
    seen = []

    def things():
        for _ in range(6):
            thing = Thing()
            seen.append(weakref.ref(thing))
            yield thing
            del thing

    source = source_of([things()])
    for limit in (2, 5, 6):
        source.advance(limit)
    gc.collect()
    assert all(ref() is not None for ref in seen)
    source.forget(3, 4)
    source.forget(0, 2)
    source.forget(2, 3)
    assert [ref() is not None for ref in seen] == [False, False, True, True, True, True]
    source.forget(4, 5)
    assert [ref() is not None for ref in seen] == [False] * 5 + [True]
    with pytest.raises(LookupError, match="call 1 is not there"):
        source.items(1, 2)


def test_batches_of_a_big_slab_cost_the_same_at_its_end():
    """The items of a batch are cut out, not counted off from the beginning."""
    source = source_of([dict.fromkeys(range(200_000))])
    source.advance(200_000)
    batches = [source.items(start, start + 10) for start in range(0, 200_000, 10)]
    assert batches[-1] == list(range(199_990, 200_000))


def test_a_source_may_be_read_and_cut_at_the_same_time():
    """The reader reads on and forgets while another thread cuts batches."""
    source = source_of([iter(range(10**9))])
    source.advance(10)
    wrong, ready, through = [], threading.Event(), threading.Event()

    def cut():
        ready.set()
        while not through.is_set():
            if source.items(5, 7) != [5, 6]:
                wrong.append(source.items(5, 7))

    thread = threading.Thread(target=cut)
    thread.start()
    ready.wait()
    try:
        for stop in range(11, 3000):
            source.advance(stop)
            if stop > 20:
                source.forget(stop - 5, stop - 4)
    finally:
        through.set()
        thread.join()
    assert not wrong


def test_closing_closes_generators_and_leaves_files_alone():
    """A generator's ``finally`` runs, and other iterators close; a file is its opener's."""
    events = []

    class Closing(Recorded):
        def close(self):
            events.append("iterator")

    def generator():
        try:
            yield from range(9)
        finally:
            events.append("generator")

    file = io.StringIO("a\nb\nc\n")
    source = source_of([generator(), file, Closing(range(9)), Recorded(range(9))])
    source.advance(2)
    source.close()
    assert sorted(events) == ["generator", "iterator"]
    assert not file.closed
    source.advance(9)
    assert source.stop == 2
    assert source.exhausted


def test_closed_slices_are_read_no_further():
    """There is nothing to close, but an end there is."""
    source = source_of([[1, 2, 3]])
    source.advance(1)
    source.close()
    assert source.exhausted
