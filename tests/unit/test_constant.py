"""The function of a job: it crosses once per worker, and no call sees what another wrote to it.

`made` is what a worker does with a reference; here it is done in this process.
"""

import gc
import operator
import threading
from functools import lru_cache, partial

import pytest

from rig.leaks import resources
from taskpar import Task, parallel
from taskpar import partial as our_partial
from taskpar._engine import constant, wire
from taskpar._engine.constant import KEPT, SMALL, Constant, is_unwritable, made


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
    reference = Constant(Counted(bytes(size))).reference
    functions = [arrived(reference)[1]() for _ in range(3)]
    assert len(made_here) == 1
    assert functions[0] is functions[1] is functions[2]
    assert functions[0]() == bytes(size)


@pytest.mark.parametrize("size", SIZES, ids=["small", "big"])
def test_what_can_be_written_to_is_made_for_each_call(size):
    """No call finds what another one left."""
    reusable, make = arrived(Constant(Writable(bytes(size))).reference)
    assert not reusable
    first, second = make(), make()
    assert first is not second
    assert len(made_here) == 2


def test_a_small_constant_is_known_again_by_its_bytes():
    """Two jobs of the same function make it once; of another one, anew."""
    first = arrived(Constant(Counted(b"a")).reference)[1]()
    again = arrived(Constant(Counted(b"a")).reference)[1]()
    other = arrived(Constant(Counted(b"b")).reference)[1]()
    assert first is again
    assert (first(), other()) == (b"a", b"b")


def test_two_big_constants_are_never_taken_for_each_other():
    """Each has a number of its own, though nothing of it is compared."""
    big = bytes(10 * SMALL)
    references = [Constant(Counted(big, name)).reference for name in "abc"]
    assert len({reference[0] for reference in references}) == 3
    assert [arrived(reference)[1]().parts[1] for reference in references] == ["a", "b", "c"]


def test_big_constants_do_not_travel_with_each_batch():
    """Small ones do: they are their own key."""
    small = Constant(Counted(bytes(100))).reference
    assert len(wire.pickle.dumps(wire._travelling(small))) < 1000
    assert small[3] is None
    big = Constant(Counted(bytes(10 * SMALL))).reference
    assert len(wire.pickle.dumps(wire._travelling(big))) < 1000


# ------------------------------------------------------------------------------ how long
def test_a_worker_forgets_the_constants_that_it_met_long_ago(fresh_worker):
    """The last ones are kept; one that is used stays."""
    references = [Constant(Counted(number)).reference for number in range(KEPT + 2)]
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
    references = [Constant(Counted(bytes(12 * SMALL))).reference for _ in range(4)]
    for reference in references:
        arrived(reference)
    assert list(fresh_worker) == [reference[0] for reference in references[2:]]
    huge = Constant(Counted(bytes(40 * SMALL))).reference
    arrived(huge)
    assert list(fresh_worker) == [huge[0]]


def test_a_constant_that_is_kept_need_not_be_there_any_more():
    """A worker that has met it does not open its memory again."""
    reference = Constant(Counted(bytes(10 * SMALL))).reference
    travelling = wire._travelling(reference)
    made(travelling)
    key, reusable, pickled, _, cuts = travelling
    assert made((key, reusable, pickled, b"not even a pickle", cuts))[1]().parts


def test_the_memory_goes_with_the_reference():
    """No descriptor is left when the job is gone and the worker has forgotten it."""
    before = resources()
    reference = Constant(Writable(bytes(10 * SMALL))).reference
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
        Constant(partial(print, threading.Lock()))


# ------------------------------------------------------------------------------ arrays
def test_bound_arrays_are_writable_and_private():
    """Each call has the array as it was bound, without a copy of it."""
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(100_000)
    reference = Constant(partial(operator.setitem, array, 0)).reference
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
    _, make = arrived(Constant(partial(list, several)).reference)
    for before, after in zip(several, make()(), strict=True):
        assert type(after) is type(before)
        assert numpy.array_equal(before, after)


@pytest.mark.parametrize("size", [SMALL // 2, SMALL - 200, SMALL, SMALL + 1, 2 * SMALL])
def test_around_the_border_of_small_nothing_else_changes(size):
    """Small or big, with a buffer or without: the same function."""
    for data in (bytes(range(256)) * (size // 256), bytearray(size)):
        _, make = arrived(Constant(partial(len, data)).reference)
        assert make()() == len(data)
        assert make().args[0] == data


# ------------------------------------------------------------------------------ who can write
def plain(x, y=1, *, z="z"):
    """An ordinary function."""
    return x, y, z


def growing(x, seen=[]):  # noqa: B006
    """A function with the famous mistake."""
    seen.append(x)
    return seen


def closing_over(thing):
    """A closure."""
    return lambda: thing


class Callable:
    """An object with a state."""

    def __init__(self):
        self.state = []

    def __call__(self):
        """Return the state."""
        return self.state

    def method(self):
        """Return the state."""
        return self.state

    @classmethod
    def of_the_class(cls):
        """Return the class."""
        return cls


@lru_cache
def cached(x):
    """A cached function."""
    return x


@parallel
def decorated(x):
    """A parallel function."""
    return x


UNWRITABLE = [
    len,
    abs,
    int,
    operator.itemgetter,
    plain,
    cached,
    decorated,
    Callable,
    Callable.of_the_class,
    closing_over(1),
    closing_over(("a", (None, 2.5))),
    closing_over(plain),
    partial(plain, 1, z="b"),
    partial(partial(plain, (1, frozenset("a"))), 2),
    our_partial(plain, 1, z=b"b"),
    "text".upper,
    Counted(1),
]
WRITABLE = [
    growing,
    closing_over([]),
    closing_over(({},)),
    closing_over(bytearray()),
    partial(plain, []),
    partial(plain, y={}),
    our_partial(plain, []),
    Callable(),
    Callable().method,
    [].append,
    partial(closing_over([])),
    Task(plain, []),
    partial(plain, Counted(1), [1]),
]


@pytest.mark.parametrize("function", UNWRITABLE)
def test_functions_in_which_nothing_can_be_written_to(function):
    """Code, plain values, and tuples of such; a module's globals are the worker's own."""
    assert is_unwritable(function)


@pytest.mark.parametrize("function", WRITABLE)
def test_functions_that_could_carry_something_from_call_to_call(function):
    """Anything else that is bound, closed over, or a default."""
    assert not is_unwritable(function)


def test_what_is_nested_too_deep_is_taken_for_writable():
    """Looking must come to an end."""
    nested = 1
    for _ in range(50):
        nested = (nested,)
    assert not is_unwritable(partial(plain, nested))


def test_a_recursive_closure_is_unwritable():
    """It closes over itself."""

    def factorial(n):
        return 1 if n == 0 else n * factorial(n - 1)

    assert is_unwritable(factorial)


def test_an_empty_cell_is_no_obstacle():
    """A variable that has no value yet."""

    def function():
        return later

    assert is_unwritable(function)
    later = 1
