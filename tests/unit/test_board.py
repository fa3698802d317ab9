"""The board: what a worker writes is read by its parent, and nothing is started once forbidden."""

import os
import pickle
import time
from itertools import pairwise
from multiprocessing import get_context

import pytest

from rig.executors import START_METHODS
from taskpar.backends.board import Board, Row

SOON = 10.0  # seconds: a bound, not a measure


@pytest.fixture
def board():
    """The rows of three workers."""
    board = Board(3)
    yield board
    board.close()


@pytest.fixture
def row(board):
    """One of them, ready for a worker."""
    row = board.row(1)
    row.reset()
    yield row
    row.close()


def test_a_row_that_is_ready_tells_of_nothing(row):
    """No process, no call, no time, no memory."""
    assert (row.pid, row.position, row.seconds, row.peak) == (0, None, None, None)


def test_a_row_tells_what_its_worker_has_noted(row):
    """Who it is, where it is, since when, and what memory it had used before."""
    row.arrive(1234)
    row.begin(5_000_000_000)
    row.words[0] = 7
    assert (row.pid, row.position, row.peak) == (1234, 7, 5_000_000_000)
    assert 0 <= row.seconds < SOON
    row.leave()
    assert (row.pid, row.position, row.seconds) == (1234, None, None)


def test_the_time_of_a_call_without_a_limit_begins_with_its_slice_and_of_one_with_at_the_call(row):
    """Where nobody asks for it, calls do not look at the clock."""
    row.begin(0)
    time.sleep(0.02)
    row.words[0] = 3
    assert row.seconds >= 0.02
    before = row.seconds
    assert row.enter(4)
    assert row.seconds < before


def test_rows_are_apart(board):
    """What one worker notes is nothing to the others."""
    rows = [board.row(place) for place in range(3)]
    for row in rows:
        row.reset()
    rows[1].words[0] = 5
    rows[1].halt(5)
    assert [row.position for row in rows] == [None, 5, None]
    assert [row.enter(0) for row in rows] == [True, False, True]
    for row in rows:
        row.close()


def serve(segment, asked, answered):
    """Be a worker: enter the calls that the test names, and say whether that was allowed."""
    row = Row(pickle.loads(segment), 1)
    row.arrive(os.getpid())
    while (position := asked.recv()) is not None:
        answered.send(row.enter(position))


@pytest.mark.parametrize("start", START_METHODS)
def test_another_process_writes_to_the_same_row(board, row, start):
    """Both sides see at once what the other has written."""
    context = get_context(start)
    (asked, ask), (hear, answered) = context.Pipe(duplex=False), context.Pipe(duplex=False)
    given = (pickle.dumps(board.segment), asked, answered)
    process = context.Process(target=serve, args=given)
    process.start()

    def begins(position):
        ask.send(position)
        return hear.recv()

    assert begins(3)
    assert (row.position, row.pid) == (3, process.pid)
    assert not row.halt(2)
    assert begins(4)
    assert row.halt(4)
    assert not begins(5)
    row.clear()
    assert begins(0)
    ask.send(None)
    process.join()
    process.close()
    for end in (asked, ask, hear, answered):
        end.close()


# ------------------------------------------------------------------------------ forbidding
def test_a_worker_is_forbidden_to_go_on_only_if_it_is_where_it_was_thought_to_be(row):
    """A call that has just ended is not stopped, and nor is the next one."""
    row.enter(3)
    assert not row.halt(2)
    assert row.enter(4)
    assert row.halt(4)
    assert not row.enter(5)


def test_a_worker_may_be_forbidden_to_go_on_wherever_it_is(row):
    """Also where it runs no call at all."""
    for at in (None, 3):
        row.clear()
        if at is not None:
            row.enter(at)
        assert row.halt(None)
        assert not row.enter(4)


def test_a_call_that_was_forbidden_is_not_where_the_worker_is(row):
    """It had noted where it would go: a death at that moment must not be blamed on this call."""
    row.enter(3)
    assert row.halt(3)
    assert row.position == 3
    row.enter(4)
    assert (row.position, row.seconds) == (None, None)
    row.clear()
    row.enter(4)
    assert row.position == 4


class Words:
    """The words of a row, where something happens before or after one of the accesses."""

    def __init__(self, words, number, happens):
        self._words = words
        self._left = number
        self._happens = happens

    def _step(self):
        self._left -= 1
        if self._left == -1:
            self._happens()

    def __getitem__(self, word):
        self._step()
        return self._words[word]

    def __setitem__(self, word, value):
        self._step()
        self._words[word] = value


@pytest.mark.parametrize("enters", [True, False])
@pytest.mark.parametrize("position", [2, 3, 4])
@pytest.mark.parametrize("number", range(5))
def test_nothing_begins_behind_a_call_that_was_found_to_be_running(row, enters, position, number):
    """However the two sides come between each other: the worker is about to go from 3 to 4."""
    words, happened = row.words, {}

    def enter():
        happened["begun"] = row.enter(4)

    def halt():
        happened["found"] = row.halt(position)

    first, second = (enter, halt) if enters else (halt, enter)

    def happens():
        row.words = words
        second()

    row.enter(3)
    row.words = Words(words, number, happens)
    first()
    row.words = words
    if len(happened) < 2:
        second()
    if happened["found"]:
        assert position == 4 or not happened["begun"]
        assert not row.enter(5)
    else:
        assert row.enter(5)


def test_no_two_workers_write_to_one_line_of_a_cache(board):
    """They would take it from each other with each call: 64 bytes, fetched in pairs."""
    rows = [board.row(place) for place in range(3)]
    for row in rows:
        row.arrive(4711)
    with board.segment.memory.cast("q") as words:
        places = [place for place, word in enumerate(words) if word == 4711]
    for row in rows:
        row.close()
    assert [8 * (there - here) >= 128 for here, there in pairwise(places)] == [True, True]
