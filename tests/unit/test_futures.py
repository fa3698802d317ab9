"""`LeanFuture` is a `concurrent.futures.Future`, whatever is done with it: that is the oracle."""

import asyncio
import concurrent.futures
import threading
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar._engine.futures import LeanFuture

ROUNDS = 1000


def deed(name, *args):
    """A method to be called; what it gives or raises is to be the same."""
    return name, lambda future: getattr(future, name)(*args)


DEEDS = dict(
    [
        deed("cancel"),
        deed("cancelled"),
        deed("done"),
        deed("running"),
        deed("set_running_or_notify_cancel"),
        deed("set_result", "result"),
        deed("set_exception", KeyError("no")),
        deed("result", 0),
        deed("exception", 0),
        ("waited for", lambda future: len(concurrent.futures.wait([future], 0).done)),
        ("completed", lambda future: len(list(concurrent.futures.as_completed([future], 0)))),
        ("called back", lambda future: future.add_done_callback(future.calls.append)),
        ("fails in a call back", lambda future: future.add_done_callback(lambda _: 1 / 0)),
        ("told", lambda future: repr(future).partition(" state=")[2]),
    ]
)


def outcome(deed, future):
    """What a deed gives, or raises."""
    try:
        return deed(future)
    except Exception as error:
        return type(error), str(error) if isinstance(error, KeyError) else None


@given(st.lists(st.sampled_from(sorted(DEEDS)), max_size=12))
def test_it_does_what_a_future_of_the_standard_library_does(names):
    """In every order of whatever can be done with it, allowed or not."""
    theirs, ours = Future(), LeanFuture()
    for future in (theirs, ours):
        future.calls = []
    for name in names:
        assert outcome(DEEDS[name], ours) == outcome(DEEDS[name], theirs), name
        assert [call is ours for call in ours.calls] == [True] * len(theirs.calls)


def test_it_has_what_a_future_has_but_for_the_condition():
    """Whatever another version of Python adds must be made here too."""
    theirs, ours = vars(Future()), LeanFuture()
    theirs.pop("_condition")
    assert {name: getattr(ours, name) for name in theirs} == theirs


def test_one_that_nobody_waits_for_makes_no_condition():
    """That is what makes it lean."""
    future = LeanFuture()
    assert future.set_running_or_notify_cancel()
    assert not future.done()
    assert not future.cancelled()
    future.set_result(1)
    assert future.done()
    assert not future.cancelled()
    assert future.result() == 1
    assert future._made is None


WAYS = {
    "result": lambda future: future.result(),
    "exception": lambda future: future.exception(),
    "wait": lambda future: concurrent.futures.wait([future]),
    "as_completed": lambda future: next(concurrent.futures.as_completed([future])),
    "asyncio": lambda future: asyncio.run(_awaited(future)),
}


async def _awaited(future):
    return await asyncio.wrap_future(future)


@pytest.mark.parametrize("way", WAYS)
def test_who_begins_to_wait_as_it_ends_is_woken(way):
    """In that very moment the condition is made, or it has ended without one."""
    futures = [LeanFuture() for _ in range(ROUNDS if way != "asyncio" else ROUNDS // 20)]
    both = threading.Barrier(2)

    def end_them():
        for future in futures:
            both.wait()
            future.set_running_or_notify_cancel()
            future.set_result(None)

    ending = threading.Thread(target=end_them)
    ending.start()
    for future in futures:
        both.wait()
        WAYS[way](future)
        assert future.done()
    ending.join()


def test_a_future_is_cancelled_or_it_ends_but_never_both():
    """Whoever comes first."""
    both = threading.Barrier(2)
    futures = [LeanFuture() for _ in range(ROUNDS)]
    told = []

    def run_them():
        for future in futures:
            both.wait()
            begun = future.set_running_or_notify_cancel()
            if begun:
                future.set_result(None)
            told.append(begun)

    running = threading.Thread(target=run_them)
    running.start()
    cancelled = []
    for future in futures:
        both.wait()
        cancelled.append(future.cancel())
    running.join()
    assert [not begun for begun in told] == cancelled
    assert [future.cancelled() for future in futures] == cancelled
