"""The names under which things are known, below decorators too."""

import functools
import sys
import types
from unittest.mock import Mock

import cloudpickle
import pytest

from taskpar._model.known import Known, find, known, outermost, registered


def plain():
    """A function."""


@functools.lru_cache
def cached():
    """A function below a decorator."""


class Outer:
    """Has things in it."""

    class Inner:
        """Has more in it."""

        @staticmethod
        @functools.lru_cache
        def deep():
            """A function below two decorators."""

        def method(self):
            """A method."""


DEEP = vars(Outer.Inner)["deep"]
KNOWN = [
    (plain, "plain", 0),
    (cached, "cached", 0),
    (cached.__wrapped__, "cached", 1),
    (Outer.Inner.method, "Outer.Inner.method", 0),
    (DEEP, "Outer.Inner.deep", 0),
    (DEEP.__wrapped__, "Outer.Inner.deep", 1),
    (DEEP.__wrapped__.__wrapped__, "Outer.Inner.deep", 2),
    (Outer.Inner, "Outer.Inner", 0),
]


@pytest.mark.parametrize(("thing", "qualname", "depth"), KNOWN)
def test_what_is_known_is_found(thing, qualname, depth):
    """The law: the name leads back to this very thing, however deep it lies."""
    assert known(thing) == Known(__name__, qualname, depth)
    assert find(*known(thing)) is thing
    assert outermost(thing) is find(__name__, qualname, 0)


def test_a_name_in_main_means_something_here_alone(monkeypatch):
    """Another process has another `__main__`."""
    main = types.ModuleType("__main__")
    main.function = types.FunctionType(plain.__code__, {"__name__": "__main__"}, "function")
    monkeypatch.setitem(sys.modules, "__main__", main)
    main.function.__qualname__ = "function"
    assert known(main.function) is None
    assert known(main.function, here=True) == Known("__main__", "function", 0)


def test_what_goes_by_value_has_no_name_elsewhere():
    """The user has told cloudpickle so, of this module or of a package that holds it."""
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        assert registered() == {__name__}
        assert known(plain) is None
        assert known(plain, here=True) == Known(__name__, "plain", 0)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert known(plain) == Known(__name__, "plain", 0)


def test_what_is_not_known_has_no_name():
    """A local thing, one whose name leads elsewhere, one without a name, one of `__main__`."""

    def local():
        pass

    impostor = types.FunctionType(plain.__code__, globals(), "plain")
    stranger = types.FunctionType(plain.__code__, globals(), "stranger")
    orphan = types.FunctionType(plain.__code__, globals(), "plain")
    orphan.__module__ = "no_such_module"
    main = types.FunctionType(plain.__code__, globals(), "main")
    main.__module__ = "__main__"
    sys.modules["__main__"].main = main
    for thing in (local, impostor, stranger, orphan, main, 3, None, Mock()):
        assert known(thing) is None
        assert outermost(thing) is None
    del sys.modules["__main__"].main


def test_an_object_that_makes_up_attributes_is_searched_for_a_while_only():
    """Looking inside ends, though there is always something inside."""
    endless = Mock()
    sys.modules[__name__].endless = endless
    thing = types.FunctionType(plain.__code__, globals(), "endless")
    assert known(thing) is None
    del sys.modules[__name__].endless


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ((__name__, "gone", 0), LookupError),
        ((__name__, "plain", 1), LookupError),
        ((__name__, "gone.plain", 0), LookupError),
        (("no_such_module", "plain", 0), ImportError),
    ],
)
def test_what_is_gone_is_told_with_its_name(name, error):
    """Say, where another version of a module is installed."""
    with pytest.raises(error, match=name[0] if error is ImportError else "there is no"):
        find(*name)
