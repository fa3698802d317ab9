"""Engines that are told where each batch goes: deaths, constants, places that come and go.

The engine here is made of threads; the tests in `engines/` have real ones.
"""

import os
import threading
import time
from functools import partial

import pytest

from laws.oracle import outcomes
from rig.places import ThreadPlaces
from rig.waiting import eventually
from taskpar import Executor, InitializerError, WorkerDiedError
from taskpar._engine import afar, constant
from taskpar._engine.backend import bounds_of
from taskpar._engine.noting import Note, last_notes, run_noted
from taskpar._engine.waiting import LEAST_PART_AFAR, SHARE_AFAR, USUAL, Bounds
from taskpar.backends.placed import PlacedBackend
from taskpar.backends.serial import SerialBackend

WITHIN = 30.0
MEBI = 2**20


@pytest.fixture(autouse=True)
def forgetful_workers():
    """They are threads of this process, which is to keep nothing."""
    yield
    afar._kept.clear()
    constant._kept.clear()


@pytest.fixture
def engine():
    """Two places."""
    return ThreadPlaces("a", "b")


@pytest.fixture
def executor(engine):
    """An executor on them."""
    with Executor(PlacedBackend(engine, 0.01)) as executor:
        yield executor


# ------------------------------------------------------------------------------------- notes
def test_a_note_tells_where_a_worker_was_until_it_is_removed():
    """In a file of this machine, which anybody may read once."""
    note = Note("taskpar-test-note")
    assert last_notes(["taskpar-test-note"]) == [(None, os.getpid())]
    note = Note("taskpar-test-note")
    note.words[0] = 7
    assert last_notes(["taskpar-test-note", "taskpar-never-was"]) == [(7, os.getpid()), None]
    note = Note("taskpar-test-note")
    note.words[0] = 3
    note.leave()
    assert last_notes(["taskpar-test-note"]) == [(None, os.getpid())]
    note = Note("taskpar-test-note")
    note.remove()
    assert last_notes(["taskpar-test-note"]) == [None]


def test_two_batches_never_share_a_note():
    """Who finds one there does not run: nobody could tell who is who."""
    note = Note("taskpar-test-note")
    with pytest.raises(FileExistsError):
        run_noted("taskpar-test-note", b"", None, None)
    note.remove()


# -------------------------------------------------------------------------------------- places
STARTED = {}
GATES = {}


def stay(name, number):
    """Note a start, and stay in call 3 until the gate is opened."""
    STARTED[name].append(number)
    if number == 3:
        assert GATES[name].wait(WITHIN)
    return number


def test_a_death_costs_the_call_that_the_worker_was_in(engine, executor):
    """Those behind it are run at another place, once; those that were home stay home."""
    STARTED["death"], GATES["death"] = [], threading.Event()
    trying = executor.options(on_error="return")
    results = trying.map(partial(stay, "death"), range(8), chunksize=4)
    assert eventually(lambda: 3 in STARTED["death"], WITHIN)
    backend = executor._core.engine.backend
    (place,) = {out.place for ticket, out in backend._out.items() if ticket == 0}
    engine.lose(place)
    seen = list(results)
    GATES["death"].set()
    assert type(seen[3]) is WorkerDiedError
    assert seen[3].pid == os.getpid()
    assert str(seen[3]).startswith(f"call 3: its worker on {place} (pid {os.getpid()}) died")
    assert [*seen[:3], *seen[4:]] == [0, 1, 2, 4, 5, 6, 7]
    assert STARTED["death"].count(3) == 1
    assert len(engine.withdrawn) == 1


def test_where_nobody_answers_all_that_were_out_there_have_failed(engine, executor):
    """None is started again."""
    STARTED["silent"], GATES["silent"] = [], threading.Event()
    engine.silent = True
    trying = executor.options(on_error="return")
    results = trying.map(partial(stay, "silent"), range(3, 7), chunksize=2)
    assert eventually(lambda: 3 in STARTED["silent"], WITHIN)
    backend = executor._core.engine.backend
    engine.lose(backend._out[0].place)
    seen = list(results)
    GATES["silent"].set()
    assert [type(one) for one in seen[:2]] == [WorkerDiedError] * 2
    assert "of which nothing more is heard" in str(seen[0])
    assert seen[2:] == [5, 6]
    assert 4 not in STARTED["silent"]


def test_what_had_not_begun_is_sent_elsewhere(engine, executor):
    """It is no failure."""
    engine.gate.clear()
    futures = [executor.submit(abs, -number) for number in range(2)]
    engine.lose("a")
    engine.gate.set()
    assert [future.result(WITHIN) for future in futures] == [0, 1]


def test_calls_wait_where_there_is_no_place():
    """Until one comes."""
    engine = ThreadPlaces()
    with Executor(PlacedBackend(engine, 0.01)) as executor:
        future = executor.submit(abs, -1)
        assert not future.done()
        engine.threads = ThreadPlaces("late").threads
        engine.backend.tell(engine.say)
        assert future.result(WITHIN) == 1


def test_a_batch_that_is_sent_just_when_the_last_place_goes_waits_for_another(engine, executor):
    """The engine has not been told yet how few slots there are."""
    assert executor.submit(abs, -1).result(WITHIN) == 1
    engine.backend._places = {}
    future = executor.submit(abs, -2)
    assert len(engine.backend._waiting) == 1
    engine.backend.tell(engine.say)
    assert future.result(WITHIN) == 2


def test_quick_batches_are_sent_ahead_and_calls_of_which_nothing_is_known_are_not(executor):
    """The first calls of a map wait behind no other call: not even if that waits for them."""
    backend = executor._core.engine.backend
    assert 4 in {backend.slots for _ in executor.map(time.sleep, [0.0005] * 400)}
    GATES["ahead"] = threading.Event()
    assert list(executor.map(partial(open_last, "ahead"), range(4))) == [0, 1, 2, 3]
    assert backend.slots == 2


def test_nothing_is_sent_ahead_behind_a_batch_that_takes_long(executor):
    """What is longer than twice a batch should be holds up whatever waits for the same worker."""
    backend = executor._core.engine.backend
    naps = [2.5 * backend.batch_seconds] * 8
    assert {backend.slots for _ in executor.map(time.sleep, naps, chunksize=2)} == {2}


def test_where_messages_take_long_batches_do_and_their_tail_as_well(executor):
    """Those of an engine of others, beside ours."""
    backend = executor._core.engine.backend
    afar = Bounds(None, backend.batch_seconds, 1, LEAST_PART_AFAR, SHARE_AFAR)
    assert bounds_of(backend) == afar
    assert bounds_of(SerialBackend(None, ())) == USUAL._replace(largest=1)


def open_last(name, number):
    """Wait for the last call, if it is the first."""
    if number == 3:
        GATES[name].set()
    elif number == 0:
        assert GATES[name].wait(WITHIN)
    return number


def test_a_constant_is_stored_once_as_long_as_somebody_may_call_the_function(engine, executor):
    """Also by the next map; and forgotten after that."""
    for _ in range(2):
        assert list(executor.map(partial(within, bytes(MEBI)), range(100))) == list(range(100))
    assert engine.stores <= 1
    executor._core.engine._actor._constants.clear()
    backend = executor._core.engine.backend
    assert eventually(lambda: not len(backend._stored), WITHIN)


def within(data, number):
    """Return the number, if there are so many bytes."""
    return number if number < len(data) else None


def test_when_the_engine_is_over_nobody_waits(engine, executor):
    """What is out has failed, what waits is told, and no more is taken."""
    STARTED["over"], GATES["over"] = [], threading.Event()
    results = executor.map(partial(stay, "over"), range(3, 9), chunksize=1)
    assert eventually(lambda: 3 in STARTED["over"], WITHIN)
    engine.backend.tell(engine.backend.over, OSError("gone"))
    seen = outcomes(results, 1)
    assert seen[0][1][0] is WorkerDiedError
    GATES["over"].set()
    with pytest.raises(InitializerError, match="broken"):
        executor.submit(abs, 1)


def test_what_goes_wrong_in_our_thread_is_told(engine, executor):
    """It is our mistake, or the engine's: it must not end as a hang."""
    assert executor.submit(abs, -1).result(WITHIN) == 1
    engine.backend.tell(int, "x")
    assert eventually(lambda: executor._core.engine.trouble is not None, WITHIN)
    assert isinstance(executor._core.engine.trouble.__cause__, ValueError)
