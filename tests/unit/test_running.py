"""In the worker: how far a batch runs, in how many parts, and what is noted meanwhile.

The clock is moved by the calls themselves.
"""

import threading
from itertools import islice
from multiprocessing import Pipe, get_context

import pytest
from crossing import REFUSED, SLICES, TIMED, WHOLE, crossed, packed, same
from hypothesis import given
from hypothesis import strategies as st

from rig.executors import START_METHODS
from taskpar._engine import handover, running, wire
from taskpar._engine.reply import read_reply
from taskpar._model.outcome import Error

WITHIN = 10.0  # seconds: a bound, not a measure


class Clock:
    """A clock that a call moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        """Tell the time."""
        return self.now


CLOCKS = []


@pytest.fixture
def clock(monkeypatch):
    """The clock of the worker, under control; the second thread, which has its own, is patient."""
    clock = Clock()
    for module in (running, handover):
        monkeypatch.setattr(module, "perf_counter", clock)
    monkeypatch.setattr(handover, "SLICE_SECONDS", WITHIN)
    CLOCKS.append(clock)
    yield clock
    CLOCKS.clear()


def takes(seconds):
    """Take so long, by the clock of the test."""
    CLOCKS[0].now += seconds
    return seconds


def fail(number):
    """Raise for 1, return what cannot come home for 3, and else a list, taking long."""
    takes(100.0)
    if number == 1:
        raise ValueError(number)
    return REFUSED if number == 3 else [number]


def refuse(number):
    """Raise for 1; two of these fill a slice of time."""
    takes(TWO_THIRDS)
    if number == 1:
        raise ValueError(number)


TWO_THIRDS = running.SLICE_SECONDS * 2 / 3


def counts(payload, row=running.UNNOTED):
    """How many outcomes are in each reply to a batch."""
    parts = []
    last = running.run(payload, row, parts.append)
    return [read_reply(data).count for data in [*parts, last]]


# ----------------------------------------------------------------------------- prefixes and slices
def test_a_batch_ends_with_its_slice_of_time(clock):
    """What has not been started is not in the reply."""
    assert crossed(takes, [TWO_THIRDS] * 5, manner=SLICES) == [TWO_THIRDS] * 2
    assert len(crossed(takes, [100.0] * 5, manner=SLICES)) == 1
    assert len(crossed(takes, [0.0] * 5, manner=SLICES)) == 5
    reply = read_reply(running.run(packed(takes, [TWO_THIRDS] * 5, manner=SLICES)))
    assert (reply.count, reply.seconds) == (2, pytest.approx(2 * TWO_THIRDS))


def test_slices_follow_each_other_for_a_while(clock):
    """Each is handed over, and the worker need not wait; then what is left goes back."""
    assert counts(packed(takes, [TWO_THIRDS] * 20, manner=SLICES)) == [2, 2, 2]
    assert counts(packed(takes, [TWO_THIRDS] * 5, manner=SLICES)) == [2, 2, 1]
    assert counts(packed(takes, [100.0] * 5, manner=SLICES)) == [1]


def test_no_slice_follows_one_with_an_error(clock):
    """The job may end with it: nothing behind it is to be started before it was read."""
    assert counts(packed(refuse, [0, 0, 0, 1, 0, 0, 0], manner=SLICES)) == [2, 2, 0]
    assert counts(packed(refuse, [0, 0, 0, 1, 0, 0, 0])) == [2, 2, 2, 1]


def test_a_whole_batch_runs_to_its_end(clock):
    """With a chunk size: in one reply where there is no way for parts, else in parts."""
    assert len(crossed(takes, [100.0] * 5)) == 5
    assert counts(packed(takes, [TWO_THIRDS] * 5)) == [2, 2, 1]
    assert crossed(takes, [TWO_THIRDS] * 5, parts=[]) == [TWO_THIRDS] * 5


def test_calls_with_a_time_limit_are_handed_over_one_by_one(clock):
    """So that no outcome waits for a call during which the worker may be stopped."""
    assert counts(packed(takes, [0.0] * 3, manner=TIMED)) == [1, 1, 1]
    both = wire.Manner(whole=True, timed=True)
    assert crossed(takes, [100.0] * 3, manner=both, parts=[]) == [100.0] * 3
    assert crossed(takes, [0.0] * 3, manner=TIMED) == [0.0]


def test_no_more_calls_are_run_than_a_worker_may(clock):
    """``most`` bounds the reply, in one part or in several."""
    assert len(crossed(takes, [0.0] * 5, most=2)) == 2
    assert len(crossed(takes, [100.0] * 5, most=3)) == 3
    for manner in (WHOLE, TIMED):
        assert len(crossed(takes, [100.0] * 5, manner=manner, parts=[], most=3)) == 3
    assert crossed(same, range(5), most=9) == [0, 1, 2, 3, 4]


def test_a_worker_that_has_had_enough_stops_between_two_slices(clock):
    """What it has not started goes back; it is asked behind a slice, never within one."""
    left = [False, True]
    assert len(crossed(takes, [TWO_THIRDS] * 9, parts=[], enough=lambda: left.pop(0))) == 4
    assert left == []


def test_errors_in_later_parts_know_their_index(clock):
    """They are counted from the first call of the batch, not from that of the part."""
    outcomes = crossed(fail, range(5), start=10, parts=[])
    assert [type(outcome) for outcome in outcomes] == [list, Error, list, Error, list]
    assert [outcomes[place].index for place in (1, 3)] == [11, 13]
    assert outcomes[3].exception.index == 13


def test_a_reply_says_which_of_its_calls_have_failed(clock):
    """Without being opened: values, errors, and what cannot come home."""
    reply = read_reply(running.run(packed(fail, range(5))))
    assert reply.failed == (1, 3)
    assert [type(outcome) for outcome in reply.outcomes(0)] == [list, Error, list, Error, list]
    assert read_reply(running.run(packed(fail, [0, 2]))).failed == ()
    refused = read_reply(running.run(packed(same, [REFUSED, 1])))
    assert refused.failed == (0,)
    calls = wire.Calls(fail, "one", range(3), 0, WHOLE)
    assert running.run_direct(calls).failed == (1,)


GROWN = []


def grown(number):
    """Write to what belongs to the module, and return it."""
    GROWN.append(number)
    return GROWN


def test_a_result_is_taken_as_it_is_when_its_call_ends():
    """A later call that writes to the same object does not reach it, whichever batch it is in."""
    GROWN.clear()
    assert crossed(grown, [1, 2, 3]) == [[1], [1, 2], [1, 2, 3]]
    GROWN.clear()
    assert crossed(lambda number: (number, grown(number)), [1, 2]) == [(1, [1]), (2, [1, 2])]


# ----------------------------------------------------------------------------- what is noted
class Told:
    """A row that remembers all that it is told, and allows as many calls as it is to."""

    def __init__(self, told=None, allowed=100):
        self.told = [] if told is None else told
        self.allowed = allowed

    @property
    def words(self):
        """Where a call is noted: in the first word."""
        return self

    def __setitem__(self, word, position):
        """Note a call."""
        assert word == 0
        self.told.append(position)

    def enter(self, position):
        """Note a call with a time limit."""
        self.told.append(f"enter {position}")
        self.allowed -= 1
        return self.allowed >= 0

    def begin(self, peak):
        """Note a slice."""
        assert peak > 1_000_000  # bytes
        self.told.append("begin")

    def leave(self):
        """Note that no call runs."""
        self.told.append("leave")


told = []


class Noted:
    """An argument, function or result that tells when it is pickled and unpickled."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        told.append(f"pack {self.name}")
        return noted, (self.name,)

    def __call__(self, argument):
        """Return something that is noted too."""
        told.append("call")
        return Noted(f"result {argument.name}")


def noted(name):
    """Unpickle."""
    told.append(f"make {name}")
    return Noted(name)


def test_the_position_is_noted_before_anything_of_the_users_runs(clock):
    """Making the function, the argument, the call, and pickling the result: all are its call's."""
    payload = packed(Noted("f"), [Noted("a"), Noted("b")])
    told.clear()
    running.run(payload, Told(told))
    assert [
        *(0, "begin"),
        *(0, "make f", "make a", "call", "pack result a"),
        *(1, "make f", "make b", "call", "pack result b"),
        "leave",
    ] == told


def test_positions_count_from_the_batch_as_it_was_sent(clock):
    """Also behind a part, so that each names one call; while a part is handed over none runs."""
    for manner, positions in ((WHOLE, [0, 1, 2]), (TIMED, ["enter 0", "enter 1", "enter 2"])):
        row = Told()
        assert counts(packed(takes, [100.0] * 3, manner=manner), row) == [1, 1, 1]
        first, second, third = positions
        assert row.told[:4] == [0, "begin", first, "leave"]
        assert row.told[4:] == ["begin", second, "leave", "begin", third, "leave"]


@pytest.mark.parametrize("allowed", range(4))
def test_a_call_that_is_forbidden_is_not_started(clock, allowed):
    """The reply is about those before it; nothing is said of the forbidden one."""
    GROWN.clear()
    assert sum(counts(packed(grown, [0, 1, 2], manner=TIMED), Told(allowed=allowed))) == allowed
    assert list(range(allowed)) == GROWN


# ----------------------------------------------------------------------------- the second thread
def wait_for(gate):
    """Wait until the test has seen what it wants to see."""
    return GATES[gate].wait(WITHIN)


GATES = {}


def run_with_a_long_call():
    """Run a batch whose second call ends when the first has been handed over, or after seconds."""
    gates = [threading.Event(), threading.Event()]
    gates[0].set()
    GATES.update(enumerate(gates))
    parts = []

    def part(reply):
        parts.append(reply)
        gates[1].set()

    last = running.run(packed(wait_for, [0, 1, 0, 0], manner=SLICES), part=part)
    replies = [read_reply(reply) for reply in [*parts, last]]
    return [(reply.outcomes(0), reply.returned) for reply in replies]


def test_what_is_done_is_handed_over_while_a_long_call_runs():
    """A death in it makes none of those before it run again, and none behind it has to wait."""
    assert run_with_a_long_call() == [([True], 2), ([True], 0)]


@given(
    items=st.lists(st.integers()) | st.text() | st.binary() | st.builds(range, st.integers(0, 9))
)
def test_items_go_to_one_thread_with_the_gil_and_without(items):
    """Both kinds of iterators give each item once, and end for everybody."""
    for rest in (running.for_two_threads(items), running.OneByOne(items)):
        taken = [*islice(rest, 2), *list(rest)]
        assert taken == list(items)
        assert list(rest) == []


@pytest.mark.skipif("fork" not in START_METHODS, reason="needs fork")
def test_a_forked_worker_has_a_second_thread_of_its_own():
    """That of its parent stayed there: a worker may be forked by a worker."""
    reader, writer = Pipe(duplex=False)

    def child():
        writer.send(run_with_a_long_call())

    process = get_context("fork").Process(target=child)
    process.start()
    assert reader.recv() == [([True], 2), ([True], 0)]
    process.join()
    process.close()
    reader.close()
    writer.close()


def handed(*, ended):
    """Let the second thread come when a slice has or has not ended; return what it hands over."""
    parts = []
    outcomes = handover.Outcomes(parts.append, list)
    outcomes.begin(iter(range(5)))
    if ended:
        outcomes.end()
    outcomes.hand_over(give_back=True)
    return [read_reply(part).returned for part in parts]


def test_the_time_of_a_long_call_is_its_own(clock):
    """What is given back while it runs takes none of it away."""
    parts = []
    outcomes = handover.Outcomes(parts.append, list)
    outcomes.begin(iter(range(5)))
    takes(7.0)
    outcomes.hand_over(give_back=True)
    takes(5.0)
    outcomes.put(1)
    replies = [read_reply(parts[0]), read_reply(outcomes.reply())]
    assert [(reply.count, reply.returned, reply.seconds) for reply in replies] == [
        (0, 5, 0.0),
        (1, 0, 12.0),
    ]


def test_who_comes_too_late_gives_nothing_back():
    """The slice has ended by itself, and its worker is answering already."""
    assert handed(ended=False) == [5]
    assert handed(ended=True) == []
