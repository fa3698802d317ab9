"""The function of a job: it crosses once per worker, and no call sees what another wrote to it.

`made` is what a worker does with a reference; here it is done in this process.
"""

import gc
import operator
import threading
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.leaks import resources
from taskpar._engine import constant, wire
from taskpar._engine.constant import KEPT, SMALL, Constants, made


@pytest.fixture(autouse=True)
def fresh_worker(monkeypatch):
    """A worker that has met no constant yet; afterwards, nothing of it is left."""
    monkeypatch.setattr(constant, "_kept", type(constant._kept)())
    yield constant._kept
    constant._kept.clear()
    gc.collect()


def arrived(reference):
    """What a worker finds in a batch: may the function be used again, and how is it made."""
    return made(wire._travelling(reference))


made_here = []


def put_together(*parts):
    """Unpickle a `Counted`."""
    made_here.append(parts)
    return Counted(*parts)


class Counted:
    """A function that tells how often it is made; what it is made of cannot be written to."""

    __taskpar_stable__ = True

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return put_together, self.parts

    def __call__(self):
        """Return a part."""
        return self.parts[0]


class Writable(Counted):
    """The same, where nobody has promised not to write to it."""

    __taskpar_stable__ = False


@pytest.fixture(autouse=True)
def nothing_made_yet():
    """Count from zero."""
    made_here.clear()


SIZES = [10, 10 * SMALL]


# ------------------------------------------------------------------------------ how often
@pytest.mark.parametrize("size", SIZES, ids=["small", "big"])
def test_what_cannot_be_written_to_is_made_once_per_worker(size):
    """However many batches name it, of however many jobs where it is small."""
    reference = Constants().reference(Counted(bytes(size)))
    functions = [arrived(reference)[1]() for _ in range(3)]
    assert len(made_here) == 1
    assert functions[0] is functions[1] is functions[2]
    assert functions[0]() == bytes(size)


@pytest.mark.parametrize("size", SIZES, ids=["small", "big"])
def test_what_can_be_written_to_is_made_for_each_call(size):
    """No call finds what another one left."""
    reusable, make = arrived(Constants().reference(Writable(bytes(size))))
    assert not reusable
    first, second = make(), make()
    assert first is not second
    assert len(made_here) == 2


def test_a_small_constant_is_known_again_by_its_bytes():
    """Two jobs of the same function make it once; of another one, anew."""
    first = arrived(Constants().reference(Counted(b"a")))[1]()
    again = arrived(Constants().reference(Counted(b"a")))[1]()
    other = arrived(Constants().reference(Counted(b"b")))[1]()
    assert first is again
    assert (first(), other()) == (b"a", b"b")


def test_two_big_constants_are_never_taken_for_each_other():
    """Each has a number of its own, though nothing of it is compared."""
    big = bytes(10 * SMALL)
    references = [Constants().reference(Counted(big, name)) for name in "abc"]
    assert len({reference[0] for reference in references}) == 3
    assert [arrived(reference)[1]().parts[1] for reference in references] == ["a", "b", "c"]


def test_big_constants_do_not_travel_with_each_batch():
    """Small ones do: they are their own key."""
    small = Constants().reference(Counted(bytes(100)))
    assert len(wire.pickle.dumps(wire._travelling(small))) < 1000
    assert small[3] is None
    big = Constants().reference(Counted(bytes(10 * SMALL)))
    assert len(wire.pickle.dumps(wire._travelling(big))) < 1000


# ------------------------------------------------------------------------------ sent before
BIG = 10 * SMALL


@given(st.lists(st.tuples(st.integers(0, BIG - 1), st.integers(0, 255)), max_size=5))
def test_what_is_sent_again_is_what_is_there_now(writes):
    """Whatever was written to it meanwhile, wherever; written back, it may be known again."""
    constants, data = Constants(), bytearray(BIG)
    for place, value in [(0, 0), *writes]:
        data[place] = value
        _, make = arrived(constants.reference(partial(bytes, data)))
        assert make()() == bytes(data)


def test_the_same_bytes_are_not_laid_down_again():
    """Of another object as well: what counts is what workers would get."""
    constants = Constants()
    first = constants.reference(partial(len, bytearray(BIG)))
    other = constants.reference(partial(len, bytearray(BIG + 1)))
    again = constants.reference(partial(len, bytearray(BIG)))
    assert again[0] == first[0] != other[0]
    assert again[3] is first[3]


def test_what_workers_may_keep_is_not_taken_for_what_they_may_not():
    """Though both are the same bytes: somebody made a promise meanwhile."""
    constants, kind = Constants(), type("Kind", (Counted,), {})
    kept = constants.reference(kind(bytes(BIG)))
    kind.__taskpar_stable__ = False
    made_anew = constants.reference(kind(bytes(BIG)))
    assert (kept[1], made_anew[1]) == (True, False)
    assert kept[0] != made_anew[0]


def test_what_was_sent_long_ago_is_let_go(monkeypatch):
    """The last ones are kept, up to a bound; what is bigger than that goes with its job."""
    monkeypatch.setattr(constant, "SENT_BYTES", 30 * SMALL)
    constants, before = Constants(), resources()

    def key_of(number):
        return constants.reference(partial(len, bytearray(12 * SMALL + number)))[0]

    first, second, third = map(key_of, range(3))
    assert [key_of(1), key_of(2)] == [second, third]
    assert key_of(0) != first
    huge = partial(len, bytearray(40 * SMALL))
    assert constants.reference(huge)[0] != constants.reference(huge)[0]
    monkeypatch.setattr(constant, "SENT", 1)
    assert key_of(1) == key_of(1) != key_of(2) != key_of(1)
    constants.reference(huge)
    gc.collect()
    assert not resources() - before


def test_all_is_let_go_at_the_end():
    """An executor that was shut down holds no memory."""
    before, constants = resources(), Constants()
    constants.reference(partial(len, bytearray(BIG)))
    assert resources() - before
    constants.clear()
    gc.collect()
    assert not resources() - before


# ------------------------------------------------------------------------------ how long
def test_a_worker_forgets_the_constants_that_it_met_long_ago(fresh_worker):
    """The last ones are kept; one that is used stays."""
    references = [Constants().reference(Counted(number)) for number in range(KEPT + 2)]
    for reference in references:
        arrived(references[0])
        arrived(reference)
    assert len(fresh_worker) == KEPT
    made_here.clear()
    arrived(references[0])
    arrived(references[-1])
    assert made_here == []
    arrived(references[1])
    assert made_here == [(1,)]


def test_big_constants_are_forgotten_sooner(fresh_worker, monkeypatch):
    """A worker's memory is not to hold dozens of big ones; the newest is kept in any case."""
    monkeypatch.setattr(constant, "KEPT_BYTES", 30 * SMALL)
    references = [Constants().reference(Counted(bytes(12 * SMALL))) for _ in range(4)]
    for reference in references:
        arrived(reference)
    assert list(fresh_worker) == [reference[0] for reference in references[2:]]
    huge = Constants().reference(Counted(bytes(40 * SMALL)))
    arrived(huge)
    assert list(fresh_worker) == [huge[0]]


def test_a_constant_that_is_kept_need_not_be_there_any_more():
    """A worker that has met it does not open its memory again."""
    reference = Constants().reference(Counted(bytes(10 * SMALL)))
    travelling = wire._travelling(reference)
    made(travelling)
    key, reusable, pickled, _, cuts = travelling
    assert made((key, reusable, pickled, b"not even a pickle", cuts))[1]().parts


def test_the_memory_goes_with_the_reference():
    """No descriptor is left when the job is gone and the worker has forgotten it."""
    before = resources()
    reference = Constants().reference(Writable(bytes(10 * SMALL)))
    make = arrived(reference)[1]
    assert resources() - before
    assert make().parts
    constant._kept.clear()
    del reference, make
    made_here.clear()
    gc.collect()
    assert not resources() - before


def test_what_cannot_be_pickled_raises_at_once():
    """Whoever makes the constant hears of it."""
    with pytest.raises(TypeError, match="lock"):
        Constants().reference(partial(print, threading.Lock()))


# ------------------------------------------------------------------------------ arrays
def test_bound_arrays_are_writable_and_private():
    """Each call has the array as it was bound, without a copy of it."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(100_000)
    reference = Constants().reference(partial(operator.setitem, array, 0))
    assert reference[2] is None
    _, make = arrived(reference)
    first, second = make(), make()
    first(-1)
    assert first.args[0][0] == -1
    assert first.args[0].flags.writeable
    assert first.args[0].flags.aligned
    assert (second.args[0] == array).all()
    assert (make().args[0] == array).all()
    assert array[0] == 0


def test_arrays_of_every_order_and_none_at_all_come_back_equal():
    """Transposed, sliced, empty, small, read-only."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(40_000).reshape(200, 200)
    frozen = array.copy()
    frozen.flags.writeable = False
    several = [array, array.T, array[::2, 3:], array[:0], numpy.array(3), frozen, b"x" * SMALL]
    _, make = arrived(Constants().reference(partial(list, several)))
    for before, after in zip(several, make()(), strict=True):
        assert type(after) is type(before)
        assert numpy.array_equal(before, after)


@pytest.mark.parametrize("size", [SMALL // 2, SMALL - 200, SMALL, SMALL + 1, 2 * SMALL])
def test_around_the_border_of_small_nothing_else_changes(size):
    """Small or big, with a buffer or without: the same function."""
    for data in (bytes(range(256)) * (size // 256), bytearray(size)):
        _, make = arrived(Constants().reference(partial(len, data)))
        assert make()() == len(data)
        assert make().args[0] == data
