"""Exceptions there and back: nothing that they hold is lost, and whatever they do, something comes.

Each crossing is checked in this process, and one test does it in another one.
"""

import json
import os
import subprocess
import sys
import threading
import traceback
import zipfile
from dataclasses import dataclass

import pytest

from taskpar import DescribedError
from taskpar._engine.exceptions import dumps, loads

REFUSED = threading.Lock()  # what nobody can pickle


def crossed(error):
    """The exception as it comes back."""
    return loads(dumps(error))


def raised_by(function, *args):
    """The exception that a call raises."""
    try:
        function(*args)
    except BaseException as error:
        return error
    raise AssertionError(f"{function} raised nothing")


FIELDS = (
    "args",
    "name",
    "path",
    "name_from",
    "msg",
    "errno",
    "strerror",
    "filename",
    "filename2",
    "code",
    "value",
    "encoding",
    "object",
    "start",
    "end",
    "reason",
    "lineno",
    "offset",
    "text",
    "end_lineno",
    "end_offset",
    "characters_written",
    "message",
    "print_file_and_line",
    "__suppress_context__",
)


def is_ours(note):
    """Whether a note says which call an exception comes from: what the executor adds."""
    return str(note).startswith("taskpar: ")


def held_by(error):
    """All that an exception holds, as data; exceptions as what they hold in turn."""
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return {
        "class": type(error),
        "text": str(error),
        "attributes": {key: value for key, value in vars(error).items() if key != "__notes__"},
        "fields": {name: getattr(error, name, "is not set") for name in FIELDS if name != "args"},
        "notes": [note for note in getattr(error, "__notes__", ()) if not is_ours(note)],
        "args": error.args if not members else error.args[:1],
        "members": [held_by(member) for member in members],
        "cause": error.__cause__ and held_by(error.__cause__),
        "context": error.__context__ and held_by(error.__context__),
        "frames": [frame[1:] for frame in frames(error)],
    }


def frames(error):
    """File, function, line and its text, from the outermost to the innermost."""
    return [
        (frame.filename, frame.name, frame.lineno, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
    ]


# -------------------------------------------------------------------------------- builtin classes
def a_name_error():
    """Ask for what is not there."""
    return undefined_name  # noqa: F821


def an_import_error():
    """Ask a module for what it has not."""
    from json import nothing  # noqa: F401


BUILTIN = [
    raised_by(open, "/no/such/file"),
    raised_by(os.rename, "/no/such/file", "/no/other"),
    raised_by(os.rmdir, b"/no/such/directory"),
    raised_by(os.listdir, "/no/such/directory"),
    raised_by(int, "x"),
    raised_by({}.__getitem__, ("a", 1)),
    raised_by([].__getitem__, 3),
    raised_by(bytes.decode, b"ab\xff"),
    raised_by(str.encode, "ab\xff", "ascii"),
    raised_by(compile, "a b", "file.py", "exec"),
    raised_by(compile, "if x:\n  a\n\tb", "file.py", "exec"),
    raised_by(a_name_error),
    raised_by(an_import_error),
    raised_by(__import__, "no_such_module"),
    raised_by(getattr, 1, "nothing"),
    raised_by(sys.exit, 3),
    raised_by(sys.exit),
    raised_by(next, iter(())),
    raised_by(json.loads, "{"),
    raised_by(subprocess.check_output, ["false"]),
    raised_by(zipfile.ZipFile, os.devnull),
    OSError(),
    OSError("text"),
    OSError(2, "two"),
    OSError(2, "three", "file"),
    OSError(2, "five", "file", None, "other"),
    BlockingIOError(11, "with a count", 7),
    UnicodeTranslateError("text", 1, 2, "reason"),
    ImportError("text", name="module", path="/its/path"),
    NameError("text", name="name"),
    AttributeError("text", name="name"),
    StopIteration(5),
    StopAsyncIteration("a", "b"),
    SyntaxError("alone"),
    SystemExit(1, 2),
    KeyboardInterrupt(),
    KeyError("key"),
    Exception(),
    Exception(None),
    Exception(1, "two", (3,)),
    BaseExceptionGroup("group", [KeyboardInterrupt(1), ValueError("a")]),
    ExceptionGroup("outer", [ExceptionGroup("inner", [OSError(2, "x", "file")]), KeyError(1)]),
]


@pytest.mark.parametrize("error", BUILTIN, ids=lambda error: repr(error)[:60])
def test_builtin_exceptions_keep_all_their_fields(error):
    """Class, text, args, the fields that live in C, and the frames."""
    assert held_by(crossed(error)) == held_by(error)


@pytest.mark.parametrize("error", BUILTIN, ids=lambda error: repr(error)[:60])
def test_a_subclass_of_a_builtin_keeps_them_too(error):
    """A class of the user's, whose ``__init__`` takes something else, with an attribute."""
    base = type(error)
    if base.__module__ != "builtins":
        pytest.skip("has a class of its own already")

    class Own(base):
        def __init__(self, *, needed):
            raise AssertionError("not called on the way back")

    own = base.__new__(Own, *error.args)
    base.__init__(own, *error.args)
    own.attribute = [1, "two"]
    for name in ("filename", "filename2"):  # which are not among the args
        if getattr(error, name, None) is not None:
            setattr(own, name, getattr(error, name))
    back = crossed(own)
    assert held_by(back) == held_by(own)
    assert back.attribute == [1, "two"]


def test_a_field_that_was_changed_later_stays_changed():
    """Whoever fills in a file name after the fact finds it filled in."""
    error = OSError(2, "text")
    error.filename = "filled in"
    assert str(crossed(error)) == str(error) == "[Errno 2] text: 'filled in'"


# -------------------------------------------------------------------------------- users' classes
class TwoArgumentsError(Exception):
    """Plain pickle fails on it."""

    def __init__(self, what, number):
        super().__init__(f"{what} {number}")
        self.what, self.number = what, number


class KeywordError(Exception):
    """Takes keywords only, and passes nothing on."""

    def __init__(self, *, code, reason=None):
        self.code, self.reason = code, reason


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


def with_notes(error):
    """The error, with two notes and an attribute."""
    error.add_note("first")
    error.add_note("second")
    return error


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


# ------------------------------------------------------------------------------- chains and cycles
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


# ------------------------------------------------------------------------------- what cannot cross
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


@pytest.mark.parametrize("method", ["__reduce__", "__reduce_ex__", "__getstate__", "__setstate__"])
@pytest.mark.parametrize("worst", [ValueError("no"), SystemExit(9), KeyboardInterrupt(), None])
def test_a_class_that_fails_to_say_how_it_is_pickled_is_taken_apart_all_the_same(method, worst):
    """Whether it raises, calls ``sys.exit`` or says nonsense: it is rebuilt from what it holds."""

    def fail(self, *_):
        if worst is not None:
            raise worst

    Broken = type("Broken", (TwoArgumentsError,), {method: fail})  # noqa: N806
    back = crossed(with_notes(Broken("item", 7)))
    assert type(back) is Broken
    assert (back.args, back.what, back.number) == (("item 7",), "item", 7)
    assert back.__notes__ == ["first", "second"]


HOOKS = [
    "__getattribute__",
    "__getattr__",
    "__setattr__",
    "__delattr__",
    "__class__",
    "__dict__",
    "args",
    "__cause__",
    "__context__",
    "__traceback__",
    "__notes__",
    "__suppress_context__",
    "with_traceback",
    "add_note",
    "__eq__",
    "__hash__",
    "__bool__",
    "__len__",
    "__repr__",
    "__str__",
    "__new__",
    "__init__",
]
PROPERTIES = set(HOOKS[HOOKS.index("__class__") : HOOKS.index("with_traceback")])


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("worst", [ValueError("no"), SystemExit(9), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("part", [1, REFUSED], ids=["whole", "with a lock"])
def test_a_class_that_raises_whenever_it_is_asked_comes_back_all_the_same(hook, worst, part):
    """What every exception has is asked of the interpreter, not of the class."""

    def fail(*_):
        raise worst

    def go():
        raise error from KeyError("cause")

    inner = vars(BaseException)
    cls = type("EvilError", (ValueError,), {hook: property(fail) if hook in PROPERTIES else fail})
    error = ValueError.__new__(cls)
    inner["args"].__set__(error, ("text", part))
    inner["__dict__"].__get__(error)["attribute"] = 3
    assert raised_by(go) is error
    back = crossed(error)
    assert type(back) is cls
    assert inner["args"].__get__(back)[0] == "text"
    assert inner["__dict__"].__get__(back)["attribute"] == 3
    assert type(inner["__cause__"].__get__(back)) is KeyError
    assert inner["__traceback__"].__get__(back) is not None


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


class ParentError(Exception):
    """Says that it is pickled as this very class, and so do those that inherit it."""

    def __reduce__(self):
        return ParentError, self.args


class ChildError(ParentError):
    """Would come back as its parent."""


def test_a_class_that_would_come_back_as_another_is_taken_apart():
    """The serial run raises this one."""
    back = crossed(ChildError("text"))
    assert (type(back), back.args) == (ChildError, ("text",))
    assert type(crossed(ParentError("text"))) is ParentError


class ElsewhereError(Exception):
    """Comes back in the process that it went from, and in no other."""

    def __reduce__(self):
        return only_in, (os.getpid(),)


def only_in(pid):
    """Make one, in this process."""
    if pid != os.getpid():
        raise SystemExit(9)
    return ElsewhereError("in its process")


def fail_elsewhere():
    """Raise it."""
    raise ElsewhereError("what went wrong")


def test_what_does_not_come_back_here_is_described(process_executor):
    """What it said is not lost; why it did not come is the cause."""
    error = process_executor.submit(fail_elsewhere).exception()
    assert type(error) is DescribedError
    assert "ElsewhereError: what went wrong" in str(error)
    assert type(error.__cause__) is SystemExit


def test_an_interrupt_while_one_comes_back_is_the_users_in_the_main_thread_alone():
    """Elsewhere it is the exception that raises it, and it is described."""

    class InterruptingError(Exception):
        def __setstate__(self, state):
            if armed:
                raise KeyboardInterrupt

        def __reduce__(self):
            return type(self), ("text",), {"a": 1}

    armed, seen = [], []
    data = dumps(InterruptingError("text"))
    armed.append(True)
    with pytest.raises(KeyboardInterrupt):
        loads(data)
    thread = threading.Thread(target=lambda: seen.append(loads(data)))
    thread.start()
    thread.join()
    assert type(seen[0]) is DescribedError
    assert "InterruptingError: text" in str(seen[0])


def test_a_class_that_cannot_cross_is_described_and_its_neighbours_are_not():
    """Its text, frames included, stands for it; the causes around it stay what they are."""

    class UncrossableError(Exception):
        lock = REFUSED

    def fail():
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise UncrossableError("middle") from inner

    middle = raised_by(fail)
    outer = ValueError("outer")
    outer.__cause__ = middle
    back = crossed(outer)
    assert held_by(back.__cause__.__cause__) == held_by(middle.__cause__)
    assert (type(back), back.args) == (ValueError, ("outer",))
    described = back.__cause__
    assert type(described) is DescribedError
    assert "UncrossableError: middle" in str(described)
    assert "in fail" in str(described)
    assert described.index is None
    assert type(crossed(middle)) is DescribedError


def test_an_exception_that_cannot_even_be_shown_still_comes():
    """Its ``__str__`` raises, its class cannot cross."""

    class UncrossableError(Exception):
        lock = REFUSED

        def __str__(self):
            raise SystemExit(1)

    assert "UncrossableError" in str(crossed(UncrossableError()))


def test_what_comes_back_as_something_else_is_described():
    """A class may say that it is pickled as a string."""

    class OddError(Exception):
        def __reduce__(self):
            return (str, ("not an exception",))

    back = crossed(OddError("odd"))
    assert isinstance(back, OddError | DescribedError)


# -------------------------------------------------------------------------------- in a real worker
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
