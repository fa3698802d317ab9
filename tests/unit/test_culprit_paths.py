"""What cannot be pickled is found, wherever it hides, and its path leads to it."""

import collections
import dataclasses
import functools
import typing

import pytest
from hiding import (
    REFUSED,
    Nameless,
    Refusing,
    Slotted,
    Thing,
    closing_over,
    conf_and_number,
    local_class,
)
from hypothesis import given
from hypothesis import strategies as st

from taskpar import Task, parallel, partial
from taskpar._engine.culprit import path_to_culprit
from taskpar._engine.pickling import dumps


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


def with_default(x, lock=REFUSED, *, key=None):
    """Hold it as a default."""


def walked(thing, path):
    """What a path leads to, as Python itself reads it."""
    return eval(f"thing{path}", {"thing": thing})


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
