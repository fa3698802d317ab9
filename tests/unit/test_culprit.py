"""What cannot be pickled is found, wherever it hides and whatever it does, and told in words.

A path is checked by walking it: evaluated behind the object, it leads to the culprit.
"""

import collections
import dataclasses
import functools
import io
import pickle
import threading
import time
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar import Task, parallel, partial
from taskpar._engine import culprit
from taskpar._engine.culprit import crossing_message, explanation, path_to_culprit
from taskpar._engine.parts import parts_of
from taskpar._engine.pickling import dumps
from taskpar._model.task import call

REFUSED = threading.Lock()  # what nobody can pickle
SAYS = "cannot pickle '_thread.lock' object"


class Thing:
    """Holds what it is given."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def method(self):
        """Do nothing."""

    @parallel
    def decorated(self):
        """Do nothing, elsewhere."""


class Slotted:
    """The same, in slots, one of which stays empty."""

    __slots__ = ("__private", "empty", "public")

    def __init__(self, public, private=None):
        self.public, self.__private = public, private


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    """Gives its state as a list."""

    number: int
    part: object


class Reducing:
    """Says itself what it is made of."""

    def __init__(self, held, fresh=None):
        self.held, self.fresh = held, fresh

    def __reduce__(self):
        """Its attribute, and something that is nowhere else."""
        return Reducing, (self.held, [self.fresh])


class Row(typing.NamedTuple):
    """Gives its fields as arguments."""

    first: object
    second: object


class Nameless:
    """Does not say what its arguments are called."""

    __signature__ = 3

    def __call__(self, *args):
        """Take them."""


def conf_and_number(conf, number=1, *more, key=None, **words):
    """Take all kinds of arguments."""


def with_default(x, lock=REFUSED, *, key=None):
    """Hold it as a default."""


def closing_over(value):
    """A function that has captured a value."""
    return lambda: value


def walked(thing, path):
    """What a path leads to, as Python itself reads it."""
    return eval(f"thing{path}", {"thing": thing})


# -------------------------------------------------------------------------------------- where it is
class Refusing:
    """Can be called, but not pickled."""

    def __call__(self):
        """Do nothing."""

    def __reduce__(self):
        raise TypeError(SAYS)


def with_attribute(thing, value, name="info"):
    """The thing, with an attribute."""
    vars(thing)[name] = value
    return thing


HOLDERS = [
    ("", lambda part: part),
    ("[1]", lambda part: [1, part, 2]),
    ("[1]", lambda part: ("a", part)),
    ("['x'][3].a", lambda part: {"w": 1, "x": [1, 2, 3, Thing(a=part)]}),
    ("[(1, 2)]", lambda part: {(1, 2): part}),
    (".conn._sock", lambda part: Thing(name="n", conn=Thing(_sock=part))),
    (".public", lambda part: Slotted(part, 1)),
    ("._Slotted__private", lambda part: Slotted(1, part)),
    (".part", lambda part: Data(1, part)),
    (".second", lambda part: Row([1], part)),
    (".held", lambda part: Reducing(part, 1)),
    (".args[1]", lambda part: ValueError("text", part)),
    (".info", lambda part: with_attribute(ValueError("text"), part)),
    ("['k']", lambda part: collections.defaultdict(list, {"k": part})),
    ("['o']", lambda part: collections.OrderedDict(n=1, o=part)),
    ("[2]", lambda part: collections.deque([1, 2, part])),
    (".default_factory", collections.defaultdict),
    (".__self__.name", lambda part: Thing(name=part).method),
    (".__self__[0]", lambda part: [part].append),
    (".note", lambda part: with_attribute(closing_over(1), part, "note")),
    (".fn", Task),
    (".func", functools.partial),
    (".__dict__['no name']", lambda part: with_attribute(Thing(), part, "no name")),
    (
        ".__class__.method.lock",
        lambda part: local_class(with_attribute(closing_over(1), part, "lock"))(),
    ),
]


@pytest.mark.parametrize(("path", "holder"), HOLDERS)
def test_the_path_leads_to_what_cannot_be_pickled(path, holder):
    """In containers, attributes, slots, and in what an object says it is made of."""
    refusing = Refusing()
    thing = holder(refusing)
    found, part = path_to_culprit(thing, dumps)
    assert found == path
    assert walked(thing, path) is part is refusing


def test_what_an_object_makes_for_pickle_alone_is_named_as_such():
    """It has no other name."""
    made = Reducing(1, REFUSED)
    assert path_to_culprit(made, dumps) == (".__reduce_ex__(5)[1][1][0]", REFUSED)
    assert walked(made, ".__reduce_ex__(5)[1][1][0]") is REFUSED


def containers(parts):
    """Lists, tuples, dicts and objects of parts."""
    names = st.sampled_from(["a", "b", "c"])
    return st.one_of(
        st.lists(parts, max_size=4),
        st.lists(parts, max_size=4).map(tuple),
        st.dictionaries(st.one_of(names, st.integers()), parts, max_size=4),
        st.dictionaries(names, parts, max_size=3).map(lambda held: Thing(**held)),
        st.builds(Slotted, parts, parts),
        st.builds(Row, parts, parts),
        st.builds(Data, st.integers(), parts),
        st.builds(collections.deque, st.lists(parts, max_size=3)),
        parts.map(ValueError),
    )


LEAVES = st.one_of(st.integers(), st.text(max_size=3), st.none(), st.just(len), st.just([]))


@given(thing=st.recursive(st.one_of(LEAVES, st.just(REFUSED)), containers, max_leaves=12))
def test_in_any_structure_a_culprit_is_found_where_there_is_one(thing):
    """There is none exactly where pickling works; the path leads to it."""
    try:
        dumps(thing)
    except TypeError:
        path, part = path_to_culprit(thing, dumps)
        assert walked(thing, path) is part is REFUSED
    else:
        assert path_to_culprit(thing, dumps) is None


WORDS = {
    " captured variable 'value'": lambda: closing_over(REFUSED),
    " captured variable 'value'.a[0]": lambda: closing_over(Thing(a=[REFUSED])),
    " default of 'lock'": lambda: sent_by_value(with_default),
    " default of 'key'": lambda: sent_by_value(with_default, __defaults__=(), key=REFUSED),
    " global variable 'REFUSED'": lambda: lambda: REFUSED,
    " captured variable 'value' global variable 'REFUSED'": lambda: closing_over(lambda: REFUSED),
    " argument 'conf'": lambda: functools.partial(conf_and_number, REFUSED),
    " argument 'number'[0]": lambda: partial(conf_and_number, 1, [REFUSED]),
    " argument 'key'": lambda: functools.partial(conf_and_number, key=REFUSED),
    " argument 'other'": lambda: functools.partial(conf_and_number, other=REFUSED),
    " argument 3": lambda: functools.partial(conf_and_number, 1, 2, 3, REFUSED),
    " argument 'number'.b": lambda: Task(conf_and_number, 1, Thing(b=REFUSED)),
    " argument 0": lambda: functools.partial(Nameless(), REFUSED),
    ".func captured variable 'value'": lambda: functools.partial(closing_over(REFUSED)),
    ".fn captured variable 'value'": lambda: Task(closing_over(REFUSED)),
    ".__self__.a": lambda: Thing(a=REFUSED).decorated,
    "['l'] default of 'lock'": lambda: {"l": parallel(sent_by_value(with_default))},
    ".f.__class__.method": lambda: Thing(f=local_class()()),
    " key (1, Thing())[1].a": lambda: {(1, Shown(a=REFUSED)): 2},
    " member Thing().a": lambda: {1, 2, Shown(a=REFUSED)},
}


class Shown(Thing):
    """Has a text of its own."""

    def __repr__(self):
        return "Thing()"


def sent_by_value(function, key=None, **attributes):
    """A copy of a function that no name leads to."""
    copy = type(function)(function.__code__, {}, "copy", function.__defaults__)
    copy.__qualname__ = "nowhere.copy"
    copy.__kwdefaults__ = {"key": key}
    for name, value in attributes.items():
        setattr(copy, name, value)
    return copy


def local_class(value=REFUSED):
    """A class that travels by value, with what cannot."""

    class Local:
        method = value

    return Local


@pytest.mark.parametrize("path", WORDS)
def test_where_there_is_no_expression_the_path_is_in_words(path):
    """What functions capture, default to and are bound to, by name; keys, members of sets."""
    found, part = path_to_culprit(WORDS[path](), dumps)
    assert (found, part) == (path, REFUSED)


@pytest.mark.parametrize("thing", [1, "x", [1, {2: ()}], len, Thing(a=[1]), lambda: 1])
def test_what_can_be_pickled_has_no_culprit(thing):
    """None is the answer then."""
    assert path_to_culprit(thing, dumps) is None


def test_what_refuses_by_itself_is_the_culprit_itself():
    """Not what it holds."""
    thing = Thing(inner=Refusing())
    thing.inner.held = REFUSED
    assert path_to_culprit(thing, dumps) == (".inner", thing.inner)


# ------------------------------------------------------------------------------------ within bounds
class Counting:
    """Pickles, and counts how often."""

    def __init__(self):
        self.tries = 0

    def __call__(self, thing):
        """Pickle once more."""
        self.tries += 1
        return dumps(thing)


@pytest.mark.parametrize("place", [0, 4321, 99_999])
def test_one_among_very_many_takes_few_tries(place):
    """Of its own kind, it is found at once; among its like, by halves."""
    counting = Counting()
    things = [(number,) for number in range(100_000)]
    things[place] = REFUSED
    assert path_to_culprit(things, counting) == (f"[{place}]", REFUSED)
    assert counting.tries < 10
    counting = Counting()
    things[place] = (REFUSED,)
    assert path_to_culprit(things, counting) == (f"[{place}][0]", REFUSED)
    assert counting.tries < 100


def test_a_million_items_cost_no_more_than_the_bound():
    """Also where each has an attribute that is refused."""
    begin = time.monotonic()
    path, _ = path_to_culprit([(1, REFUSED)] * 1_000_000, dumps)
    assert path == "[0][1]"
    assert time.monotonic() - begin < 20  # a bound, not a measure


def test_what_leads_back_is_not_followed_again():
    """A cycle is no culprit, whichever way round it is met first."""
    first, second = Thing(), Thing()
    first.other, second.other = second, first
    first.lock = REFUSED
    assert path_to_culprit(first, dumps) == (".lock", REFUSED)
    assert path_to_culprit(second, dumps) == (".other.lock", REFUSED)
    itself = [1]
    itself += [itself, Thing(back=itself), {"lock": REFUSED}]
    assert path_to_culprit(itself, dumps) == ("[3]['lock']", REFUSED)


def test_a_net_of_many_that_all_lead_to_each_other_is_left_in_time():
    """Each is looked at once."""
    counting = Counting()
    net = [Thing() for _ in range(300)]
    for thing in net:
        thing.net = net
    net[-1].lock = REFUSED
    path, _ = path_to_culprit(net[0], counting)
    assert path.startswith(".net")
    assert counting.tries <= culprit.TRIES + 1


def test_what_is_nested_deeper_is_told_by_its_outer_part():
    """A path has an end."""
    thing = REFUSED
    for _ in range(200):
        thing = [thing]
    path, part = path_to_culprit(thing, dumps)
    assert path == "[0]" * culprit.DEEPEST
    assert type(part) is list


def test_a_search_that_takes_too_long_tells_what_it_has_found(monkeypatch):
    """The path so far."""
    monkeypatch.setattr(culprit, "SECONDS", 0.0)
    thing = Thing(a=[REFUSED])
    assert path_to_culprit(thing, dumps) == ("", thing)


def test_what_says_that_it_has_no_end_of_parts_is_left():
    """Its parts are not waited for."""
    thing = Endless()
    assert path_to_culprit([thing], refusing_endless) == ("[0]", thing)


class Endless:
    """Has items for ever."""

    def __reduce__(self):
        return Endless, (), None, iter(int, 1)


def refusing_endless(thing):
    """Refuse it, without trying: there would be no end."""
    if isinstance(thing, Endless) or (isinstance(thing, list) and Endless in map(type, thing)):
        raise TypeError("no end")
    return dumps(thing)


# --------------------------------------------------------------------------------- whatever they do
WORST = [
    ValueError("no"),
    SystemExit(9),
    GeneratorExit(),
    RecursionError(),
    MemoryError(),
    StopIteration(),
]
HOOKS = [
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__getattribute__",
    "__getattr__",
    "__repr__",
    "__str__",
    "__eq__",
    "__bool__",
    "__len__",
    "__iter__",
    "__dict__",
    "__class__",
    "__taskpar_parts__",
    "_fields",
]


def evil(hook, worst):
    """An object that holds what is refused, and raises as soon as it is asked for anything."""

    def fail(self, *_):
        raise worst

    fails = property(fail) if hook in {"__dict__", "__class__", "_fields"} else fail
    return object.__new__(
        type("Evil", (), {hook: fails, "__hash__": object.__hash__, "lock": REFUSED})
    )


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("worst", WORST, ids=repr)
def test_nothing_raises_whatever_an_object_does(hook, worst):
    """As the thing itself, as a part, as a key, as a member, as an exception; also in a message."""
    thing = evil(hook, worst)
    for holder in (thing, [thing], {"k": thing}, {thing: 1}, {1, thing}, Thing(a=thing)):
        found = path_to_culprit(holder, dumps)
        assert found is None or isinstance(found[0], str)
        for what in ("argument", "function", "result"):
            told = crossing_message(what, 3, worst, thing=holder, function=thing)
            assert "call 3" in told
    assert isinstance(parts_of(thing), list)


@pytest.mark.parametrize("hook", ["__str__", "__repr__", "__cause__", "__class__", "args"])
def test_nothing_raises_whatever_an_error_does(hook):
    """It is named all the same."""

    def fail(self):
        raise SystemExit(9)

    fails = fail if hook in {"__str__", "__repr__"} else property(fail)
    error = type("EvilError", (Exception,), {hook: fails})("x")
    assert "EvilError" in crossing_message("result", 1, error, thing=REFUSED)
    assert "EvilError" in crossing_message("result", 1, error)


class Interrupting:
    """Raises what Ctrl-C raises."""

    def __reduce__(self):
        raise KeyboardInterrupt


def test_an_interrupt_is_the_users_in_the_main_thread_alone():
    """There nobody can tell it from Ctrl-C; in another thread it is the object that raises it."""
    thing = Thing(a=Interrupting())
    with pytest.raises(KeyboardInterrupt):
        path_to_culprit(thing, dumps)
    found = []
    thread = threading.Thread(target=lambda: found.append(path_to_culprit(thing, dumps)))
    thread.start()
    thread.join()
    assert found == [(".a", thing.a)]


# ----------------------------------------------------------------------------------------- in words
def first_line(*args, **words):
    """The message, without the ways out."""
    line, ways = crossing_message(*args, **words).split("\n")
    assert ways.startswith("Ways out: ")
    assert "ThreadExecutor" in ways
    return line


ERROR = TypeError(SAYS)


def test_the_message_names_the_argument_the_path_and_the_type():
    """By the parameter's name."""
    conf = Thing(conn=Thing(_sock=REFUSED))
    assert (
        first_line("argument", 2, ERROR, thing=conf, function=conf_and_number)
        == f"argument 'conf' of call 2 cannot be pickled: .conn._sock is a _thread.lock ({SAYS})"
    )


NAMED = {
    "argument 'conf'": [
        ("one", REFUSED, conf_and_number),
        ("star", (REFUSED, 2), conf_and_number),
        ("call", ((REFUSED,), {}), conf_and_number),
        ("call", ((), {"conf": REFUSED}), conf_and_number),
        ("one", REFUSED, functools.wraps(conf_and_number)(lambda *a: None)),
        ("one", REFUSED, parallel(conf_and_number)),
        ("one", Task(conf_and_number, REFUSED), call),
    ],
    "argument 'number'": [
        ("star", [1, REFUSED], conf_and_number),
        ("one", REFUSED, functools.partial(conf_and_number, 1)),
        ("call", ((), {"conf": 1, "number": REFUSED}), conf_and_number),
        ("one", Task(conf_and_number, 1, REFUSED), call),
    ],
    "argument 'attributes'": [("call", ((), {"attributes": REFUSED}), Thing)],
    "argument 'public'": [("one", REFUSED, Slotted)],
    "argument 3": [("star", (1, 2, 3, REFUSED), conf_and_number)],
    "argument 0": [
        ("one", REFUSED, None),
        ("one", REFUSED, Nameless()),
    ],
    "the arguments": [("star", (number for number in "ab"), conf_and_number)],
}


@pytest.mark.parametrize("subject", NAMED)
def test_an_argument_is_named_whatever_the_shape_of_the_call(subject):
    """Where its name cannot be known, by its position."""
    for shape, item, function in NAMED[subject]:
        line = first_line("argument", 2, ERROR, thing=item, function=function, shape=shape)
        kind = "generator" if subject == "the arguments" else "_thread.lock"
        assert line == f"{subject} of call 2 cannot be pickled: it is a {kind} ({SAYS})"


def test_the_message_names_the_function_and_what_it_has_captured():
    """Also where a task is sent by `run`, whose function is not the user's."""
    lines = [
        first_line("function", 7, ERROR, thing=functools.partial(conf_and_number, [REFUSED])),
        first_line(
            "argument", 7, ERROR, thing=Task(partial(conf_and_number, [REFUSED])), function=call
        ),
    ]
    told = f"cannot be pickled: argument 'conf'[0] is a _thread.lock ({SAYS})"
    assert lines == [f"the function of call 7 (conf_and_number) {told}"] * 2


def test_an_explanation_serves_all_calls_of_a_function():
    """The search is made once."""
    told = explanation("function", ERROR, thing=closing_over(REFUSED))
    assert "of call 1 (closing_over.<locals>.<lambda>) cannot" in told.of(1)
    assert told.of(2) == told.of(1).replace("call 1", "call 2")


def test_the_message_tells_the_path_within_a_result():
    """And what to do is another thing than for an argument."""
    line = first_line("result", 0, ERROR, thing={"a": [io.BytesIO, local_class()]})
    assert line == (
        f"the result of call 0 cannot be pickled: ['a'][1].method is a _thread.lock ({SAYS})"
    )
    assert "initializer" not in crossing_message("result", 0, ERROR, thing=REFUSED)
    assert "initializer" in crossing_message("argument", 0, ERROR, thing=REFUSED)


def test_what_does_not_arrive_is_told_by_its_error():
    """There is no object to look into."""
    error = ModuleNotFoundError("No module named 'mine'")
    told = "cannot be unpickled: ModuleNotFoundError: No module named 'mine'"
    assert first_line("result", 4, error) == f"the result of call 4 {told}"
    assert first_line("function", 4, error) == f"the function of call 4 {told}"
    assert (
        first_line("argument", 4, error, function=conf_and_number)
        == f"argument 'conf' of call 4 {told}"
    )
    assert first_line("argument", 4, error, shape="star") == f"the arguments of call 4 {told}"


def test_what_is_nested_too_deeply_is_said_to_be():
    """A path of a hundred thousand steps would help nobody."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises((RecursionError, pickle.PicklingError)) as caught:
        dumps(deep)
    line = first_line("result", 1, caught.value, thing=deep)
    assert line.startswith("the result of call 1 cannot be pickled, as it is nested too deeply")
    assert "[0]" not in line


def test_a_message_has_bounds_whatever_the_names_and_texts():
    """Of the keys, the path, the error and the type."""
    long = "x" * 100_000
    thing = {long: {long: Thing(**{long: [REFUSED]})}}
    error = type("E" * 1000, (Exception,), {})(long)
    assert len(crossing_message("result", 1, error, thing=thing)) < 1500
    assert len(crossing_message("argument", 1, error, thing=type(long, (), {"a": REFUSED}))) < 1500


def test_a_class_is_told_as_a_class(monkeypatch):
    """Not as a type."""
    monkeypatch.setattr(culprit, "SECONDS", 0.0)  # so that it is not looked into
    cls = local_class()
    told = f"it is the class {__name__}.local_class.<locals>.Local ("
    assert told in first_line("result", 1, ERROR, thing=cls)
