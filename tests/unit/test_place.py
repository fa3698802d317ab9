"""Whether we are in a worker, and in which."""

import contextvars
import os
import threading

import pytest

from taskpar._engine import place


@pytest.fixture(autouse=True)
def process(monkeypatch):
    """Whatever a test does to the process's place is undone."""
    monkeypatch.setattr(place, "_process", place._process)


def test_a_program_begins_outside_of_workers():
    """Nothing is a worker that was not said to be one."""
    assert not place.inside_worker()
    assert place.here() is place.here()


def test_a_worker_thread_is_one_while_it_runs_a_batch():
    """Batches may nest, as inline backends do; each is a place of its own."""
    outside = place.here()

    def fail_within(outer):
        with place.worker():
            assert place.here() not in (outer, outside)
            raise ZeroDivisionError

    with place.worker():
        outer = place.here()
        assert place.inside_worker()
        with pytest.raises(ZeroDivisionError):
            fail_within(outer)
        assert place.here() is outer
    assert place.here() is outside


def test_other_threads_are_not_in_the_worker():
    """A worker is one thread; what it starts by itself is not."""
    found = []
    with place.worker():
        thread = threading.Thread(
            target=contextvars.Context().run, args=(lambda: found.append(place.inside_worker()),)
        )
        thread.start()
        thread.join()
    assert found == [False]


def test_all_of_a_worker_process_is_in_the_worker():
    """Threads that a task starts there are too."""
    outside = place.here()
    context = contextvars.copy_context()
    context.run(place.enter)
    assert place.inside_worker()
    assert place.here() is not outside
    found = []
    thread = threading.Thread(target=lambda: found.append(place.here()))
    thread.start()
    thread.join()
    assert found == [place.here()]


def test_entering_leaves_the_place_that_was_forked():
    """A worker forked from within a worker thread is a place of its own."""
    with place.worker():
        forker = place.here()
        context = contextvars.copy_context()
        assert context.run(lambda: (place.enter(), place.here())[1]) is not forker


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("inside", [False, True])
def test_a_forked_process_is_another_place_of_the_same_kind(inside):
    """What was noted before the fork does not count after it; a worker's child is in a worker."""

    def fork():
        before = place.here()
        pid = os.fork()
        if not pid:
            after = place.here()
            os._exit(after is before or after.worker is not inside)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    if inside:
        with place.worker():
            assert fork() == 0
    else:
        assert fork() == 0
