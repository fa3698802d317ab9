"""Of an exception that holds what cannot cross, only that becomes a text."""

import pytest
from thrown import REFUSED, TwoArgumentsError, crossed, held_by, with_notes

from rig.errors import frames, raised_by


class Unspeakable:
    """Neither pickled nor shown."""

    def __reduce__(self):
        raise SystemExit(1)

    def __repr__(self):
        raise SystemExit(2)


class ArrivesNot:
    """Pickled, but not unpickled."""

    def __reduce__(self):
        return raised_again, ()


def raised_again():
    """Refuse to come back."""
    raise SystemExit(3)


PARTS = [REFUSED, Unspeakable(), ArrivesNot()]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_a_part_that_cannot_cross_becomes_a_text(part):
    """All else stays: class, other arguments, other attributes, notes, cause and frames."""

    def fail():
        error = with_notes(TwoArgumentsError("item", 7))
        error.args = ("kept", part, 2)
        error.part = part
        raise error from KeyError("cause")

    error = raised_by(fail)
    back = crossed(error)
    assert type(back) is TwoArgumentsError
    assert (back.args[0], back.args[2]) == ("kept", 2)
    assert type(back.args[1]) is type(back.part) is str
    assert (back.what, back.number) == ("item", 7)
    assert back.__notes__ == ["first", "second"]
    assert held_by(back.__cause__) == held_by(error.__cause__)
    assert frames(back) == frames(error)


def test_a_cause_that_cannot_cross_whole_does_not_hurt_what_it_caused():
    """Only its own part becomes a text."""
    cause = TwoArgumentsError("item", 7)
    cause.part = REFUSED
    error = TwoArgumentsError("outer", 8)
    error.__cause__ = cause
    error.data = [1, 2]
    back = crossed(error)
    assert (type(back), back.what, back.data) == (TwoArgumentsError, "outer", [1, 2])
    assert (type(back.__cause__), back.__cause__.number) == (TwoArgumentsError, 7)
    assert "lock" in back.__cause__.part


@pytest.mark.parametrize("notes", [["kept", REFUSED], REFUSED, ("a", "b"), 3])
def test_notes_that_are_no_texts_do_not_hurt(notes):
    """What can cross comes, and a text for what cannot."""
    error = ValueError("x")
    error.__notes__ = notes
    back = crossed(error)
    assert (type(back), back.args) == (ValueError, ("x",))
    if notes == ["kept", REFUSED]:
        assert back.__notes__[0] == "kept"
        assert "lock" in back.__notes__[1]
    elif notes is REFUSED:
        assert "lock" in back.__notes__
    else:
        assert back.__notes__ == notes


def test_an_exception_among_the_arguments_is_taken_apart_beside_what_cannot_cross():
    """It does not become a text because its neighbour does."""
    error = RuntimeError("failed", TwoArgumentsError("item", 7), REFUSED)
    back = crossed(error)
    assert held_by(back.args[1]) == held_by(error.args[1])
    assert "lock" in back.args[2]
