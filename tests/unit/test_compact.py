"""Arrays that are cut, and numbers that are packed: what comes out is what went in, types too."""

import pickle
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar._engine.compact import FEWEST, Columns, is_array, kept, packed, scalars, unpacked

np = pytest.importorskip("numpy")

SCALARS = sorted(set(np.sctypeDict.values()), key=str)
NUMBERS = [kind for kind in SCALARS if np.dtype(kind).kind in "biufc"]

values = st.one_of(
    st.lists(st.integers()),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=FEWEST),
    st.lists(st.integers(2**63 - 2, 2**63 + 2), min_size=FEWEST),
    st.lists(st.floats(), min_size=FEWEST),
    st.lists(st.booleans(), min_size=FEWEST),
    st.lists(st.integers() | st.floats() | st.text() | st.none()),
)


def shown(some):
    """Values with their types, for those that are not equal to themselves, or equal to others."""
    return [(type(value), repr(value)) for value in some]


@given(some=values, start=st.integers(0, 20), stop=st.integers(0, 20))
def test_values_come_out_as_they_went_in(some, start, stop):
    """Any of them, whatever travels."""
    part = pickle.loads(pickle.dumps(packed(some, set(map(type, some)))))
    assert shown(unpacked(part, 0, len(some))) == shown(some)
    assert shown(unpacked(part, start, stop)) == shown(some[start:stop])


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
def test_numbers_of_numpy_keep_their_type(kind):
    """Types of the same size are different types, as far as pickle knows that."""
    numbers = [kind(number % 2) for number in range(3 * FEWEST)]
    part = pickle.loads(pickle.dumps(packed(numbers, {kind})))
    assert shown(unpacked(part, 0, len(numbers))) == shown(
        map(pickle.loads, map(pickle.dumps, numbers))
    )


def test_times_keep_their_units():
    """Two values of one type may count different things."""
    times = [np.timedelta64(1, "s"), np.timedelta64(1, "D")] * FEWEST
    assert shown(unpacked(packed(times, {np.timedelta64}), 0, len(times))) == shown(times)


@pytest.mark.parametrize("of", [(int, "q"), (float, "d")])
def test_many_numbers_of_one_type_are_packed(of):
    """That is what it is for."""
    kind, code = of
    assert packed([kind(1)] * FEWEST, {kind}) == (code, array(code, [1] * FEWEST).tobytes())
    assert type(packed([np.int32(1)] * FEWEST, {np.int32})) is np.ndarray


class Own(np.float64):
    """A number that can be written to."""


@pytest.mark.parametrize("kind", SCALARS, ids=str)
def test_scalars_are_told_by_their_own_types(kind):
    """What is a number, and not what looks like one."""
    assert (kind in scalars()) == issubclass(kind, np.number | np.bool_)


@pytest.mark.parametrize("kind", [Own, int, str, object, np.ndarray])
def test_what_is_no_scalar_of_numpy_is_not_taken_for_one(kind):
    """A subclass may hold anything."""
    assert kind not in scalars()


KINDS = ("?", "i1", "u8", ">i4", "f2", "g", "c16", "M8[s]", "S3", "U2")
ARRAYS = [
    *(np.zeros(3, code) for code in KINDS),
    np.zeros((3, 2)),
    np.zeros((0,)),
    np.asfortranarray(np.ones((4, 5)))[::2],
    array("i", [1, 2]),
    array("d"),
]


@pytest.mark.parametrize("thing", ARRAYS, ids=repr)
def test_arrays_are_cut(thing):
    """A slice gives the items that a loop sees."""
    assert is_array(thing)
    assert shown(thing[1:]) == shown(list(thing)[1:])


class Matrix(np.ndarray):
    """Might do anything."""


@pytest.mark.parametrize(
    "thing",
    [
        np.array([object()]),
        np.zeros(2, [("a", "i4")]),
        np.zeros(2, "V3"),
        np.float64(1),
        np.array(1.0),
        np.zeros(3).view(Matrix),
        np.ma.zeros(3),
        [1],
        memoryview(b"1"),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_no_plain_array_is_not_cut(thing):
    """It is read item by item."""
    assert not is_array(thing)


def test_nothing_is_an_array_of_what_was_not_imported(monkeypatch):
    """Nor while another thread imports it."""
    for module in (None, type(sys)("numpy")):
        monkeypatch.setitem(sys.modules, "numpy", module)
        assert not is_array(np.zeros(3))


@pytest.mark.parametrize("thing", [np.arange(3), array("i", range(3))], ids=repr)
def test_a_row_of_numbers_is_kept_as_it_is_now(thing):
    """Whatever is written to it later."""
    mine = kept(thing)
    thing[0] = 7
    assert list(mine) == [0, 1, 2]


@given(
    columns=st.integers(1, 20).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(), min_size=n, max_size=n) | st.binary(min_size=n, max_size=n),
            min_size=1,
            max_size=3,
        )
    ),
    cut=st.slices(20),
)
def test_columns_are_what_zip_makes_of_them(columns, cut):
    """Their length, their rows, their slices, on either side."""
    rows = list(zip(*columns, strict=True))
    some = pickle.loads(pickle.dumps(Columns(*columns)))
    assert (len(some), list(some), some[0]) == (len(rows), rows, rows[0])
    assert list(some[cut]) == rows[cut]
