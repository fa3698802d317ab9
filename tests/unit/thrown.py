"""Exceptions that go there and come back, and all that they hold, as data."""

import threading

from rig.errors import frames
from taskpar._engine.exceptions import dumps, loads

REFUSED = threading.Lock()  # what nobody can pickle


def crossed(error):
    """The exception as it comes back."""
    return loads(dumps(error))


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


class TwoArgumentsError(Exception):
    """Plain pickle fails on it."""

    def __init__(self, what, number):
        super().__init__(f"{what} {number}")
        self.what, self.number = what, number


def with_notes(error):
    """The error, with two notes and an attribute."""
    error.add_note("first")
    error.add_note("second")
    return error
