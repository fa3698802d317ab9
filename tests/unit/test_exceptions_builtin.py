"""Builtin exceptions come back with all their fields, also those of classes that inherit them."""

import json
import os
import subprocess
import sys
import zipfile

import pytest
from thrown import crossed, held_by

from rig.errors import raised_by


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
