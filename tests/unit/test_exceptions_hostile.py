"""Exceptions that raise whatever they are asked come back all the same."""

import pytest
from thrown import REFUSED, TwoArgumentsError, crossed, with_notes

from rig.errors import raised_by


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
