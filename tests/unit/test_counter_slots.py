"""Each process that counts has a slot of its own while it counts, forked children too."""

import pickle
import threading
from functools import partial
from itertools import count

import pytest
from counting import add_ones, asked, ended_well, forked, in_threads, posix, serve, slots

from rig.executors import START_METHODS
from rig.processes import PATIENCE, receive, talking
from taskpar._model import counter as module
from taskpar._model.counter import SharedCounter


@posix
@pytest.mark.parametrize("method", START_METHODS)
def test_a_process_that_drops_the_counter_gives_its_slot_back(method: str) -> None:
    """It goes on with the next, and takes whatever slot is free when it gets the counter again."""
    with talking(serve, method=method) as (_, pipe):
        counter, other = SharedCounter(), SharedCounter()  # a forked child would never drop them
        for _ in range(5):
            for sent in (counter, other):
                pipe.send(sent)
                asked(pipe, "add", 1)
            assert ended_well(forked(partial(counter.add, 10)))
    assert (counter.value, slots(counter)) == (55, 1)


def test_a_process_that_has_a_slot_but_has_not_added_yet_hides_nobody() -> None:
    """Others, in the slots behind, are read all the same."""
    counter = SharedCounter()
    with talking(serve, counter) as (_, pipe):
        pipe.send(partial(counter._locks.try_lock, 0))
        assert receive(pipe) == "done"
        counter.add()
        assert (counter.value, slots(counter)) == (1, 2)


@posix
def test_a_forked_child_does_not_write_to_its_parents_slot() -> None:
    """Both go on adding at once; the grandchild has a slot of its own too."""
    counter = SharedCounter()
    counter.add()
    with talking(serve, counter, method="fork") as (_, pipe):
        asked(pipe, "add", 10)
        with talking(serve, counter, method="fork") as (_, second):
            asked(second, "add", 100)
            add_ones(counter, 1000)
            assert (counter.value, slots(counter)) == (1111, 3)


@posix
def test_forks_while_other_threads_add_and_reset_are_exact_and_do_not_hang() -> None:
    """A child may be forked at any moment, also while a lock of ours is held."""
    counter, stop, taken, added = SharedCounter(), threading.Event(), [], count()

    def add() -> None:
        while not stop.is_set():
            counter.add()
            next(added)

    def reset() -> None:
        while not stop.is_set():
            taken.append(counter.reset())

    def fork() -> None:
        try:
            for _ in range(40):
                assert ended_well(forked(lambda: (counter.add(5), counter.value)))
        finally:
            stop.set()

    in_threads(add, add, reset, fork)
    assert sum(taken) + counter.value == next(added) + 40 * 5


@posix
def test_a_child_that_is_forked_while_a_thread_holds_our_locks_is_free() -> None:
    """The child's thread that had them does not exist."""
    counter = SharedCounter()
    counter.add()
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with counter._claiming, module._books.lock, module._books.resetting:
            held.set()
            enough.wait(PATIENCE)

    def work() -> None:
        counter.add(10)
        assert pickle.loads(pickle.dumps(counter)) is counter
        SharedCounter().add()
        assert counter.reset() == 11

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(PATIENCE)
        assert ended_well(forked(work))
    finally:
        enough.set()
        thread.join()
    assert counter.value == 0


@posix
def test_more_than_there_are_slots_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aloud, and only those that come too late; what the others count stays right."""
    monkeypatch.setattr(module, "SLOTS", 1)
    counter = SharedCounter()
    with talking(serve, counter, method="fork") as (_, pipe):
        asked(pipe, "add", 1)
        with pytest.raises(RuntimeError, match="more than 1 threads are counting"):
            counter.add()
        asked(pipe, "add", 1)
        assert counter.reset() == 2
    counter.add(5)
    assert counter.value == 5
