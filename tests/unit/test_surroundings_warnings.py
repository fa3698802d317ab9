"""Warnings are filtered in a worker as in its parent, and no module is loaded for that."""

import importlib
import re
import sys
import threading
import warnings

import pytest
from surrounded import seen_by, worker

from rig.executors import START_METHODS
from taskpar.backends.surroundings import Surroundings

pytestmark = pytest.mark.usefixtures("no_shares")


class OurWarning(Warning):
    """A category that can be found by its name."""


def filters():
    """The filters as data."""
    return [tuple(plain(part) for part in each) for each in warnings.filters]


def plain(part):
    """A class by its name; a pattern by its text, also where the interpreter has a whole name."""
    if isinstance(part, str) and part.startswith("__"):
        return re.escape(part) + r"\Z"
    if isinstance(part, type):
        return part.__name__
    return part.pattern if isinstance(part, re.Pattern) else part


def test_warnings_are_filtered_as_in_the_parent(start):
    """In the same order, also those of the interpreter itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "a+b", OurWarning, r"some\.module", 7)
        warnings.simplefilter("always", BytesWarning, append=True)
        here = filters()
        assert seen_by(start, filters) == here


def warn():
    """Warn, and tell what becomes of it."""
    try:
        warnings.warn("told", OurWarning, stacklevel=1)
    except OurWarning as error:
        return "raised", error.args
    return "went on"


def test_a_warning_that_is_an_error_here_is_one_there(start):
    """And where it is ignored, it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        strict = Surroundings.here(1)
        warnings.simplefilter("ignore", OurWarning)
        lenient = Surroundings.here(1)
    with worker(start, strict) as (ask, _):
        assert ask(warn) == ("raised", ("told",))
    with worker(start, lenient) as (ask, _):
        assert ask(warn) == "went on"


def import_and_warn(name):
    """Load a module, which was not there, and tell what becomes of its own warning."""
    loaded = name in sys.modules
    category = importlib.import_module(name).Special
    try:
        warnings.warn("told", category, stacklevel=1)
    except category as error:
        return loaded, "raised", error.args
    return loaded, "went on"


@pytest.mark.parametrize("start", [start for start in START_METHODS if start != "fork"])
def test_no_module_is_loaded_for_a_filter(start, tmp_path, monkeypatch):
    """Its category is known by its name, also as the one of which another is."""
    source = "class General(Warning): pass\nclass Special(General): pass\n"
    (tmp_path / "warned_late.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    general = importlib.import_module("warned_late").General
    del sys.modules["warned_late"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", general)
        surroundings = Surroundings.here(1)
        assert seen_by(start, import_and_warn, "warned_late") == (False, "raised", ("told",))
        warnings.simplefilter("ignore", general)
        assert seen_by(start, import_and_warn, "warned_late") == (False, "went on")
    with worker(start, surroundings) as (ask, _):
        assert ask(within_two, import_and_warn, "warned_late") == (False, "raised", ("told",))


def within_two(function, *args):
    """What a worker of this worker says."""
    return seen_by("spawn", function, *args)


def warn_of_a_local_one():
    """Warn of a category that has no name by which it can be found."""

    class Local(Warning):
        pass

    with pytest.raises(Local):
        warnings.warn("told", Local, stacklevel=1)


def test_a_category_that_cannot_be_sent_is_known_by_its_name(start):
    """As are those of ``__main__``, which come by value."""
    with warnings.catch_warnings():
        local = type("Local", (Warning,), {"__module__": __name__, "lock": threading.Lock()})
        warnings.simplefilter("error", local)
        seen_by(start, warn_of_a_local_one)
