"""Functions of a script, pickled once: the oracle is pickling them each time.

**Truth:** whatever was changed since, of a function or of what it uses, the bytes that workers get
are those that pickling gives now.
"""

import sys
from types import FunctionType, ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskpar._engine import pickling
from taskpar._engine.constant import Constants
from taskpar._engine.unchanged import KEPT, parts_of

SCRIPT = """
import math
import string
import taskpar_test_package
number, firm, things = 5, ("a", (1, None)), [1]

class Class:
    value = 1

def helper(x, by=2, *, also=3):
    return x * by + also

def other(x, by=2, *, also=3):
    return x - by - also

def function(x: int, y: "str" = "y", *, z: list[int] | None = None):
    '''A function that uses firm things.'''
    return [helper(each) + number for each in [math.sqrt(x)]], string.digits, firm, sometimes

def itself(x):
    return itself(x - 1) if x else number

def there(x):
    return back(x - 1) if x else number

def back(x):
    return there(x)

def packaged():
    return taskpar_test_package.inner

def soft(x):
    return things, x

def classy():
    return Class.value
"""
FIRM = ["function", "itself", "there", "packaged", "bound", "lambda_"]
SOFT = ["soft", "classy", "holding"]


class Script(dict):
    """The globals of a script, with some functions that are made within others."""

    def __init__(self):
        super().__init__(__name__="__main__", __file__="script.py", __builtins__=__builtins__)
        exec(compile(SCRIPT, "script.py", "exec"), self)
        self["bound"], self["set_cell"] = bound_to(7)
        self["holding"], _ = bound_to([7])
        self["lambda_"] = lambda x, y=3: (x, y)


def bound_to(value):
    """Make a function with a cell, and what sets that."""

    def bound():
        return value

    def set_cell(to):
        nonlocal value
        value = to

    return bound, set_cell


CHANGES = {
    "a global": lambda s: s.update(number=s["number"] + 1000),
    "a global of the same value": lambda s: s.update(firm=(*s["firm"],)),
    "one that appears": lambda s: s.update(sometimes=1),
    "one that vanishes": lambda s: s.pop("sometimes", None),
    "a helper": lambda s: s.update(helper=s["other"], other=s["helper"]),
    "a helper of helpers": lambda s: s.update(back=s["itself"]),
    "a helper's code": lambda s: setattr(s["helper"], "__code__", s["other"].__code__),
    "a helper's default": lambda s: setattr(s["helper"], "__defaults__", (9,)),
    "a helper's keyword": lambda s: s["helper"].__kwdefaults__.update(also=8),
    "an annotation": lambda s: s["function"].__annotations__.update(x=float),
    "an annotation that is none": lambda s: s["function"].__annotations__.clear(),
    "a default": lambda s: setattr(s["function"], "__defaults__", ("z",)),
    "keywords": lambda s: setattr(s["function"], "__kwdefaults__", {"z": [], "x": None}),
    "no keywords": lambda s: setattr(s["function"], "__kwdefaults__", None),
    "a text": lambda s: setattr(s["function"], "__doc__", "Another."),
    "a name": lambda s: setattr(s["itself"], "__qualname__", "Elsewhere.itself"),
    "an attribute": lambda s: setattr(s["itself"], "attribute", 1),
    "no attribute": lambda s: vars(s["itself"]).clear(),
    "a cell": lambda s: s["set_cell"](8),
    "a cell, to a list": lambda s: s["set_cell"]([8]),
    "a module": lambda s: s.update(math=s["string"]),
    "a list": lambda s: s["things"].append(1),
    "a list in a cell": lambda s: s["holding"]().append(1),
    "a class": lambda s: setattr(s["Class"], "value", s["Class"].value + 1),
    "the file": lambda s: s.update(__file__="elsewhere.py"),
    "a package": lambda s: sys.modules.setdefault(f"{PACKAGE}.inner", ModuleType("inner")),
}
PACKAGE = "taskpar_test_package"


@pytest.fixture(autouse=True)
def package(monkeypatch):
    """A package, of which a part is imported in some tests."""
    module = ModuleType(PACKAGE)
    module.__path__, module.__package__ = [], PACKAGE
    monkeypatch.setitem(sys.modules, PACKAGE, module)
    yield
    sys.modules.pop(f"{PACKAGE}.inner", None)


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_seen(change):
    """By every function that it concerns."""
    script, constants = Script(), Constants()
    for name in FIRM + SOFT:
        constants.reference(script[name])
    CHANGES[change](script)
    for name in FIRM + SOFT:
        assert constants.reference(script[name]) == Constants().reference(script[name]), name


@settings(max_examples=10 * settings().max_examples)
@given(st.data())
def test_whatever_is_changed_the_bytes_are_those_of_now(data):
    """After each of several changes, of which some are of no concern to a function."""
    sys.modules.pop(f"{PACKAGE}.inner", None)
    script, constants = Script(), Constants()
    names = data.draw(st.lists(st.sampled_from(FIRM + SOFT), min_size=1, max_size=3, unique=True))
    for change in data.draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=5)):
        for name in names:
            assert constants.reference(script[name]) == Constants().reference(script[name])
        CHANGES[change](script)
        for name in names:
            assert constants.reference(script[name]) == Constants().reference(script[name])


@pytest.fixture
def pickled(monkeypatch):
    """How often something was pickled."""
    times, dumps = [], pickling.dumps
    monkeypatch.setattr(pickling, "dumps", lambda *args: times.append(args[0]) or dumps(*args))
    return times


@pytest.mark.parametrize("name", FIRM)
def test_what_stays_the_same_is_pickled_once(name, pickled):
    """Else all this would be for nothing."""
    script, constants = Script(), Constants()
    first = constants.reference(script[name])
    assert [constants.reference(script[name]) for _ in range(3)] == [first] * 3
    assert len(pickled) == 1
    constants.clear()
    assert constants.reference(script[name]) == first
    assert len(pickled) == 2


@pytest.mark.parametrize("name", SOFT)
def test_what_may_change_without_a_sign_is_pickled_each_time(name, pickled):
    """A list, and a class of the script."""
    script, constants = Script(), Constants()
    for _ in range(3):
        constants.reference(script[name])
    assert len(pickled) == 3


NAMED = """
def plain(x): return x
def other(x): return -x
def bound(x, things=[]): return things
"""


@pytest.fixture
def named(monkeypatch):
    """A module that everybody can import, as far as pickling can tell."""
    module = ModuleType("taskpar_test_named")
    exec(NAMED, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_a_name_is_written_down_once(named, pickled):
    """As long as it leads to its function."""
    constants = Constants()
    first = constants.reference(named.plain)
    assert constants.reference(named.plain) is first
    assert len(pickled) == 1


NAMINGS = {
    "it leads elsewhere": lambda named, _: setattr(named, "plain", named.other),
    "it leads nowhere": lambda named, _: delattr(named, "plain"),
    "it is another": lambda _, function: setattr(function, "__qualname__", "other"),
    "it is in another": lambda _, function: setattr(function, "__module__", "math"),
    "it is in none": lambda _, function: setattr(function, "__module__", None),
    "something is bound": lambda _, function: setattr(function, "__defaults__", ([],)),
    "its module has gone": lambda named, _: sys.modules.pop(named.__name__),
    "its module is none": lambda named, _: sys.modules.update({named.__name__: object()}),
}


@pytest.mark.parametrize("change", NAMINGS)
def test_a_name_that_means_something_else_is_not_what_was_written_down(change, named):
    """Or it is not that simple any more."""
    function, constants = named.plain, Constants()
    constants.reference(function)
    NAMINGS[change](named, function)
    assert constants.reference(function) == Constants().reference(function)


def test_a_name_that_is_not_pickled_as_such_is_none(named, monkeypatch):
    """What a program is made of is another's; things with a class of their own are pickled."""
    monkeypatch.setitem(sys.modules, "package.__main__", named)
    named.plain.__module__ = "package.__main__"
    for thing in (named.plain, named.bound, len, Script):
        assert parts_of(thing) is None


def test_only_so_many_are_kept(pickled):
    """And what is gone is not kept at all."""
    constants = Constants()
    functions = [bound_to(number)[0] for number in range(KEPT + 2)]
    for function in functions:
        constants.reference(function)
    del pickled[:]
    for function in functions[-2:]:
        constants.reference(function)
    assert pickled == []
    assert type(functions[0]) is FunctionType
    constants.reference(functions[0])
    assert len(pickled) == 1


def test_what_is_big_is_compared_as_ever(pickled):
    """It lies in memory of its own."""
    function, _ = bound_to("x" * 100_000)
    constants = Constants()
    first = constants.reference(function)
    assert first[0] is not None
    assert constants.reference(function) is first
    assert len(pickled) == 2


def test_a_module_that_goes_by_value_is_pickled_each_time(monkeypatch):
    """Nobody can tell what of it has changed."""
    import cloudpickle

    module = ModuleType("taskpar_test_by_value")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    function = Script()["function"]
    assert parts_of(function) is not None
    cloudpickle.register_pickle_by_value(module)
    try:
        assert parts_of(function) is None
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_what_changes_while_it_is_pickled_is_not_kept(monkeypatch):
    """The bytes may be those of before, or of after."""
    script, constants, dumps = Script(), Constants(), pickling.dumps

    def change_and_dump(*args):
        script["number"] += 1000
        return dumps(*args)

    with monkeypatch.context() as patch:
        patch.setattr(pickling, "dumps", change_and_dump)
        constants.reference(script["itself"])
    script["number"] -= 1000
    assert constants.reference(script["itself"]) == Constants().reference(script["itself"])


@pytest.mark.parametrize(
    "change",
    [
        {"math": ModuleType("math")},
        {"math": sys.modules["__main__"]},
        {"__path__": ["somewhere"]},
    ],
)
def test_what_can_change_around_a_function_without_a_sign_is_never_kept(change):
    """A module that is not the one of its name, or travels by value; where a package lies."""
    function = Script()["function"]
    assert parts_of(function) is not None
    function.__globals__.update(change)
    assert parts_of(function) is None


def test_a_keyword_is_no_annotation():
    """Whatever both are called."""
    function = Script()["function"]
    function.__kwdefaults__, function.__annotations__ = {"x": None}, {}
    before = parts_of(function)
    function.__kwdefaults__, function.__annotations__ = None, {"x": None}
    assert not parts_of(function).are(before)


class Hostile:
    """As a proxy is that stands for nothing at the moment."""

    @property
    def __class__(self):
        raise RuntimeError("outside of any request")


def deep():
    """A tuple in a tuple, and so on."""
    thing = ()
    for _ in range(3000):
        thing = (thing,)
    return thing


@pytest.mark.parametrize("make", [Hostile, deep])
def test_what_cannot_be_taken_apart_is_left_to_pickling(make):
    """Whatever it raises when it is looked at, that is not for who looks."""
    function = Script()["function"]
    function.__globals__["firm"] = make()
    assert parts_of(function) is None


@pytest.mark.skipif(sys.version_info < (3, 14), reason="annotations are evaluated at once there")
def test_annotations_that_cannot_be_evaluated_are_left_to_pickling():
    """A function may be called all the same."""
    names = {"__name__": "__main__"}
    exec("def function(x: nothing): return x", names)
    assert parts_of(names["function"]) is None
