"""The border, there and back without a process: what comes home equals the plain calls.

`crossed` packs a batch, runs it as a worker would, and opens the reply; `direct` runs the same
calls here. Whatever cannot cross is the outcome of its own call.
"""

import pickle
from functools import partial

import pytest
from crossing import REFUSED, WHOLE, crossed, direct, packed, same, seen
from hypothesis import given
from hypothesis import strategies as st

from taskpar import CrossingError
from taskpar._engine import handover, running, wire
from taskpar._engine.constant import SMALL, Constants
from taskpar._engine.reply import read_reply


def shown(*args, **words):
    """The arguments, or an error if there is a None among them."""
    if None in args:
        raise ValueError("none of that", args, words)
    return args, words


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner))


# ------------------------------------------------------------------------------ as without a border
@given(items=st.lists(values, min_size=1, max_size=9), start=st.integers(0, 1000))
def test_a_batch_that_crossed_gives_what_the_calls_give(items, start):
    """``f(x)``: values with their types, and errors, each at its place."""
    for function in (shown, same):
        assert seen(crossed(function, items, start=start)) == seen(direct(function, items))


@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=5))
def test_rows_are_spread_out(rows):
    """``f(*x)``, also with rows of plain values, which travel together."""
    assert seen(crossed(shown, rows, "star")) == seen(direct(shown, rows, "star"))


@given(
    calls=st.lists(st.tuples(st.tuples(values), st.dictionaries(st.sampled_from("abc"), values)))
)
def test_calls_take_keyword_arguments(calls):
    """``f(*args, **kwargs)``."""
    calls = calls or [((), {})]
    assert seen(crossed(shown, calls, "call")) == seen(direct(shown, calls, "call"))


@pytest.mark.parametrize(
    "items", [range(5), "hello", b"bytes", (1, "two", None), [(1, 2), (3, None)]], ids=repr
)
def test_plain_sequences_travel_whole_and_arrive_item_by_item(items):
    """A string is its letters, bytes are numbers, a range is not written out."""
    assert crossed(same, items) == list(items)
    assert len(packed(same, range(10**6))) < 200


@given(
    few=st.lists(plain, min_size=1, max_size=3),
    many=st.lists(st.integers() | st.floats(allow_nan=False), min_size=9, max_size=20),
    place=st.integers(0, 20),
)
def test_one_of_another_type_among_many_numbers_keeps_its_own(few, many, place):
    """As True is no 1, and 1 is no 1.0."""
    items = [*many[:place], *few, *many[place:]]
    for some in (items, [*[1] * 9, *few, *[2] * 9], [*[1.0] * 9, *few]):
        assert seen(crossed(same, some)) == seen(direct(same, some))


def test_numbers_of_one_type_come_home_packed():
    """Eight bytes each, where pickle has ten for one as large as this."""
    assert len(running.run(packed(same, [2**62] * 1000))) < 8200


class Number(int):
    """No plain number."""


@pytest.mark.parametrize("value", [Number(3), True, 1.0, "x", b"x", [1], (1,), {1: 2}, {1}, 1j])
def test_types_are_kept(value):
    """A subclass is not taken for the plain type that it looks like."""
    (there,) = crossed(type, [value])
    assert there is type(value)
    (back,) = crossed(same, [value])
    assert type(back) is type(value)


@given(results=st.lists(st.lists(plain, max_size=3).map(tuple), min_size=9, max_size=20))
def test_tuples_of_plain_values_come_home_without_a_pickle_of_their_own(results):
    """Of nothing that anyone could write to is there need to keep how it was."""
    assert seen(crossed(same, results)) == seen(direct(same, results))
    assert [handover.sealed(result, 0) for result in results] == [(result,) for result in results]


def test_rows_that_are_no_rows_fail_as_in_starmap():
    """The error of ``itertools.starmap``, at its place."""
    outcomes = crossed(shown, [(1,), 2, (3,)], "star")
    assert seen(outcomes)[1][:2] == ("error", TypeError)
    assert [outcomes[0], outcomes[2]] == [((1,), {}), ((3,), {})]


# ----------------------------------------------------------------------------- whose objects
def grown(items):
    """Write to the argument."""
    items.append("written")
    return len(items)


def test_no_call_sees_the_object_of_another():
    """The same list three times is three lists in a worker, in one batch or in three."""
    shared = [1]
    assert crossed(grown, [shared, shared, shared]) == [2, 2, 2]
    assert shared == [1]


def test_within_one_call_what_is_the_same_stays_the_same():
    """``f(x, x)`` gets one object twice."""
    shared = [1]
    assert crossed(lambda a, b: a is b, [(shared, shared)], "star") == [True]
    assert crossed(lambda a, b: a is b, [((shared,), {"b": shared})], "call") == [True]


def test_results_of_two_calls_share_nothing():
    """Each result comes alone, as from workers that know nothing of each other."""
    kept = []

    def keep(_):
        return kept

    first, second = crossed(keep, [1, 2])
    assert first == second == []
    assert first is not second


def test_what_is_bound_is_new_for_each_call_when_it_can_be_written_to():
    """A partial's list never shows what another call wrote; a lambda's closure neither."""
    assert crossed(partial(grown, []), [()] * 3, "star") == [1, 1, 1]
    closed_over = []
    assert crossed(lambda _: grown(closed_over), [1, 2, 3]) == [1, 1, 1]


# ----------------------------------------------------------------------------- what cannot cross
def test_an_argument_that_cannot_be_pickled_fails_its_own_call():
    """The others run; the error names the argument, the call, and why."""
    before, failed, after = crossed(same, ["a", REFUSED, "b"], start=40)
    assert [before, after] == ["a", "b"]
    error = failed.exception
    assert type(error) is CrossingError
    assert isinstance(error, pickle.PicklingError)
    assert error.index == 41
    assert "argument 'value' of call 41" in str(error)
    assert "lock" in str(error)
    assert isinstance(error.__cause__, TypeError)


def refused_if_one(number):
    """A lock for 1."""
    return REFUSED if number == 1 else number


def test_a_result_that_cannot_be_pickled_fails_its_own_call():
    """It was computed, but cannot come home."""
    before, failed, after = crossed(refused_if_one, range(3), start=5)
    assert [before, after] == [0, 2]
    assert failed.exception.index == 6
    assert "result of call 6" in str(failed.exception)


def test_a_function_that_cannot_be_pickled_fails_each_call():
    """Each with its own index, whatever the batch."""
    outcomes = crossed(partial(same, REFUSED), range(3), start=7)
    assert [outcome.exception.index for outcome in outcomes] == [7, 8, 9]
    assert {type(outcome.exception) for outcome in outcomes} == {CrossingError}
    assert all("function of call" in str(outcome.exception) for outcome in outcomes)


class Stubborn:
    """Goes, but does not arrive: ``__setstate__`` raises what it is told to."""

    def __init__(self, error):
        self.error = error

    def __setstate__(self, state):
        raise state["error"]

    def __call__(self, argument):
        """Return the argument."""
        return argument


class Unwilling:
    """Does not go: ``__reduce__`` raises what it is told to."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error

    def __call__(self, argument):
        """Return the argument."""
        return argument


class StubbornConstant(Stubborn):
    """The same, of a kind that is made once for all calls."""

    __taskpar_stable__ = True


ERRORS = [ValueError("no"), SystemExit(3), GeneratorExit(), StopIteration(1)]


@pytest.mark.parametrize("kind", [Stubborn, Unwilling])
@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_objects_that_refuse_on_the_way_fail_their_own_call(kind, error):
    """As an argument, as a result and as the function; none of it is raised here."""
    for outcome in (
        *crossed(same, [kind(error)], start=3),
        *crossed(kind, [error], start=3),
        *crossed(kind(error), [1], start=3),
        *crossed(StubbornConstant(error), [1], start=3),
    ):
        assert type(outcome.exception) is CrossingError
        assert outcome.exception.index == 3
        cause = outcome.exception.__cause__
        assert (type(cause), cause.args) == (type(error), error.args)


def test_a_function_that_does_not_arrive_fails_each_call_with_its_index():
    """Also where it would be made only once."""
    for function in (Stubborn(ValueError("no")), StubbornConstant(ValueError("no"))):
        outcomes = crossed(function, range(3), start=4)
        assert [outcome.exception.index for outcome in outcomes] == [4, 5, 6]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_what_a_call_raises_is_its_outcome(error):
    """Also what ends threads and programs elsewhere."""

    def fail(_):
        raise error

    (outcome, _) = crossed(fail, [1, 2])
    assert seen([outcome]) == [("error", type(error), error.args)]


def test_an_interrupt_within_a_call_is_its_outcome_and_while_packing_the_users_own():
    """A task may raise what it likes; Ctrl-C while an argument is pickled is for the caller."""

    def interrupt(_):
        raise KeyboardInterrupt

    assert seen(crossed(interrupt, [1])) == [("error", KeyboardInterrupt, ())]
    with pytest.raises(KeyboardInterrupt):
        packed(same, [Unwilling(KeyboardInterrupt())])


def test_the_traceback_begins_in_the_function():
    """None of our own frames is above the user's."""

    def fail(_):
        raise ValueError

    for outcomes in (direct(fail, [1]), crossed(fail, [1])):
        trace = outcomes[0].exception.__traceback__
        assert trace.tb_frame.f_code.co_name == "fail"
        assert trace.tb_next is None


# ----------------------------------------------------------------------------- constants
def test_a_big_constant_crosses_beside_the_batch():
    """The payload stays small, and the function is whole in the worker."""
    big = bytes(10 * SMALL)
    constant = Constants().reference(partial(same, big))
    calls = wire.Calls(partial(same, big), "star", [(), ()], 0, WHOLE)
    payload = wire.pack(calls, constant)
    assert len(payload) < SMALL
    assert read_reply(running.run(payload)).outcomes(0) == [big, big]


def test_a_batch_whose_constant_is_gone_fails_and_the_worker_lives():
    """The job was closed while the batch was on its way: nobody waits for it any more."""
    constant = Constants().reference(partial(same, bytes(10 * SMALL)))
    calls = wire.Calls(same, "star", [(), ()], 3, WHOLE)
    payload = wire.pack(calls, constant)
    del constant
    outcomes = read_reply(running.run(payload)).outcomes(3)
    assert [outcome.exception.index for outcome in outcomes] == [3, 4]


# ----------------------------------------------------------------------------- starting workers
def test_an_initializer_crosses_with_its_arguments():
    """None stays none."""
    assert wire.pack_startup(None, (1,)) is None
    initializer, initargs = wire.unpack_startup(wire.pack_startup(lambda x: x + 1, (1, "a")))
    assert (initializer(4), initargs) == (5, (1, "a"))
