"""Exceptions come home with the frames that they were raised in, from workers too."""

import sys

from thrown import TwoArgumentsError, crossed, held_by, with_notes

from rig.errors import frames, raised_by


def endless(number):
    """Call itself until the stack is full."""
    return endless(number + 1)


def test_an_endless_recursion_comes_with_all_its_frames():
    """There are more than pickle can follow one within the other."""
    error = raised_by(endless, 0)
    back = crossed(error)
    assert (type(back), back.args) == (RecursionError, error.args)
    assert len(frames(error)) > 500
    assert frames(back) == frames(error)


def test_of_a_longer_traceback_both_ends_come():
    """Where it began, and where it was raised."""

    def down(number):
        return down(number - 1) if number else int("x")

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        error = raised_by(down, 3000)
    finally:
        sys.setrecursionlimit(limit)
    back = frames(crossed(error))
    assert back == frames(error)[:1000] + frames(error)[-1000:]
    assert back[0][1] == "raised_by"


def deepest(number):
    """Raise from some frames down."""
    if number:
        return deepest(number - 1)
    raise chained_with_everything()


def chained_with_everything():
    """One of each."""
    error = with_notes(TwoArgumentsError("item", 7))
    error.__cause__ = raised_by(open, "/no/such/file")
    return error


def test_the_frames_of_a_worker_come_home(process_executor):
    """Function names and the text of the lines, as if it had been raised here."""
    error = process_executor.submit(deepest, 3).exception()
    here = raised_by(deepest, 3)
    assert error.__traceback__ is not None
    assert frames(error) == frames(here)[1:]
    assert [name for _, name, *_ in frames(error)] == ["deepest"] * 4
    assert "raise chained_with_everything()" in frames(error)[-1][-1]
    assert str(error.__cause__) == "[Errno 2] No such file or directory: '/no/such/file'"
    for kind in ("fields", "notes"):
        assert held_by(error)[kind] == held_by(here)[kind]


def test_what_came_back_can_be_raised():
    """It is an ordinary exception, with the frames of both sides."""

    def fail():
        raise TwoArgumentsError("item", 7)

    def raise_again():
        raise crossed(raised_by(fail))

    error = raised_by(raise_again)
    names = [name for _, name, *_ in frames(error)]
    assert names == ["raised_by", "raise_again", "raised_by", "fail"]
