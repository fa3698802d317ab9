"""Causes, contexts and members come back in their places, cycles and long chains too."""

import traceback

import pytest
from thrown import TwoArgumentsError, crossed, held_by, with_notes

from rig.errors import raised_by


def chained():
    """A cause, a context, and a suppressed one."""
    try:
        try:
            raise KeyError("innermost")
        except KeyError:
            raise TwoArgumentsError("middle", 1)  # noqa: B904
    except TwoArgumentsError as cause:
        raise with_notes(ValueError("outermost")) from cause


def suppressed():
    """A context that is not to be shown."""
    try:
        raise KeyError("hidden")
    except KeyError:
        raise ValueError("shown") from None


@pytest.mark.parametrize("function", [chained, suppressed])
def test_causes_and_contexts_come_along_with_their_frames(function):
    """Down the whole chain, as a traceback shows them."""
    error = raised_by(function)
    back = crossed(error)
    assert held_by(back) == held_by(error)
    assert shown(back) == shown(error)


def shown(error):
    """The traceback as text, without the marks under the lines, which cannot be rebuilt."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return [line for line in lines if set(line) - set(" ^~")]


def test_what_is_one_exception_stays_one():
    """The cause that is also the context, and the member that is also an attribute."""
    error = raised_by(chained)
    assert error.__cause__ is error.__context__
    back = crossed(error)
    assert back.__cause__ is back.__context__
    group = ExceptionGroup("group", [ValueError(1)])
    group.first = group.exceptions[0]
    back = crossed(group)
    assert back.first is back.exceptions[0]


def test_cycles_come_back_as_cycles():
    """An exception that is reachable from itself: by its context, an attribute, a group."""
    error, other = ValueError(1), KeyError(2)
    error.__context__, other.origin = other, error
    back = crossed(error)
    assert back.__context__.origin is back

    member = ValueError("member")
    group = ExceptionGroup("group", [member])
    member.group = group
    back = crossed(group)
    assert back.exceptions[0].group.exceptions[0] is back.exceptions[0]

    itself = ValueError("itself")
    itself.itself = itself
    back = crossed(itself)
    assert back.itself is back


def test_an_exception_among_its_own_arguments_still_comes():
    """It cannot be made before itself; its class and a text of it come."""
    error = ValueError("x")
    error.args = (error, 1)
    back = crossed(error)
    assert type(back) is ValueError
    assert back.args[1] == 1


def test_the_longest_chain_and_the_deepest_group_come_whole():
    """Longer than pickle itself could follow."""
    error = ValueError(0)
    for number in range(1, 5000):
        error, context = ValueError(number), error
        error.__context__ = context
    back, length = crossed(error), 0
    while back is not None:
        assert (type(back), back.args) == (ValueError, (4999 - length,))
        back, length = back.__context__, length + 1
    assert length == 5000
    group = ValueError("innermost")
    for number in range(2000):
        group = ExceptionGroup(str(number), [group])
    back = crossed(group)
    while isinstance(back, ExceptionGroup):
        (back,) = back.exceptions
    assert back.args == ("innermost",)
