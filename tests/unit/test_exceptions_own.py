"""Exceptions of users' classes come back as they were, whatever their ``__init__`` takes."""

from dataclasses import dataclass

import pytest
from thrown import REFUSED, TwoArgumentsError, crossed, held_by, with_notes

from rig.errors import ChildError, KeywordError, ParentError


class SlottedError(Exception):
    """Holds something in slots, one of them private, one of them empty."""

    __slots__ = ("__private", "empty", "public")

    def __init__(self, public, private):
        super().__init__("slotted")
        self.public, self.__private = public, private

    def both(self):
        """What the slots hold."""
        return self.public, self.__private


class NewError(Exception):
    """Is made with other arguments than it keeps."""

    def __new__(cls, first, second):
        """Keep their sum."""
        made = super().__new__(cls, first + second)
        made.first = first
        return made

    def __init__(self, first, second):
        super().__init__(first + second)


@dataclass
class DataError(Exception):
    """A dataclass that is an exception."""

    code: int
    texts: list[str]


@dataclass(frozen=True)
class FrozenError(Exception):
    """One that lets nobody set anything."""

    code: int


class GuardedError(Exception):
    """A class whose attributes are properties, and that refuses all others."""

    def __init__(self, code):
        super().__init__(code)
        self.__dict__["_code"] = code

    @property
    def code(self):
        """The code."""
        return self._code

    def __setattr__(self, name, value):
        raise TypeError(f"{name} cannot be set")


class MixedError(KeyError, OSError):
    """Two builtins whose memory is laid out differently."""


class CodedGroup(ExceptionGroup):
    """A group that takes a third argument."""

    def __new__(cls, message, exceptions, code):
        """Keep the third one as an attribute."""
        made = super().__new__(cls, message, exceptions)
        made.code = code
        return made

    def derive(self, exceptions):
        """As the documentation asks for."""
        return CodedGroup(self.message, exceptions, self.code)


class SpeakingError(Exception):
    """Says itself how it is pickled."""

    def __init__(self, first, second=None):
        super().__init__("made by its init")
        self.first, self.second = first, second

    def __reduce__(self):
        """By its ``__init__``."""
        return type(self), (self.first, self.second)


class StatefulError(Exception):
    """Says itself what its state is."""

    def __init__(self, code):
        super().__init__(code)
        self.code, self.cache = code, REFUSED

    def __reduce__(self):
        """Without what cannot cross."""
        return type(self), self.args, {"code": self.code, "restored": True}

    def __setstate__(self, state):
        """Take the state."""
        self.__dict__.update(state)


OWN = [
    TwoArgumentsError("item", 7),
    KeywordError(code=3, reason="because"),
    NewError("a", "b"),
    DataError(3, ["a"]),
    FrozenError(3),
    GuardedError(5),
    MixedError("key"),
    CodedGroup("coded", [ValueError(1)], 7),
    SpeakingError(1, 2),
    with_notes(ValueError("with notes")),
    with_notes(SpeakingError(1)),
    with_notes(ExceptionGroup("group", [with_notes(KeyError(1))])),
]


@pytest.mark.parametrize("error", OWN, ids=lambda error: type(error).__name__)
def test_users_exceptions_come_back_as_they_were(error):
    """Whatever their ``__init__`` takes, and whatever they refuse."""
    assert held_by(crossed(error)) == held_by(error)


@pytest.mark.parametrize("error", OWN, ids=lambda error: type(error).__name__)
def test_a_second_crossing_changes_nothing(error):
    """What has come back can go on: from a worker's worker, say."""
    assert held_by(crossed(crossed(error))) == held_by(error)


def test_slots_are_kept_private_ones_too():
    """A slot that was never set is not set afterwards."""
    back = crossed(SlottedError(1, [2]))
    assert back.both() == (1, [2])
    assert not hasattr(back, "empty")


def test_the_state_that_a_class_gives_is_what_it_gets():
    """``__setstate__`` is called with it, and nothing else is carried over."""
    back = crossed(StatefulError(3))
    assert (back.code, back.restored, back.args) == (3, True, (3,))


def test_a_class_of_a_function_comes_back_as_the_same_class():
    """It travels by value, and here it is known."""

    class LocalError(Exception):
        pass

    back = crossed(LocalError("local"))
    assert type(back) is LocalError
    assert back.args == ("local",)


def test_a_class_that_would_come_back_as_another_is_taken_apart():
    """The serial run raises this one."""
    back = crossed(ChildError("text"))
    assert (type(back), back.args) == (ChildError, ("text",))
    assert type(crossed(ParentError("text"))) is ParentError
