"""`Task`, `partial` with `Placeholder`, and `call`, before and after they have crossed a border."""

import copy
import functools
import pickle
import sys
from pathlib import PurePosixPath

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar import Placeholder, Task, call, partial
from taskpar._model.task import name_of

values = st.integers() | st.text(max_size=3) | st.none()
args = st.lists(values, max_size=4).map(tuple)
# Names that a careless signature would keep for itself.
names = st.sampled_from(["self", "cls", "fn", "func", "f", "args", "kwargs", "name", "task", "x"])
kwargs = st.dictionaries(names, values, max_size=3)
layers = st.lists(st.tuples(args, kwargs), min_size=1, max_size=4)

CROSSINGS = {
    "here": lambda thing: thing,
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),
    "old pickle": lambda thing: pickle.loads(pickle.dumps(thing, 2)),
    "cloudpickle": lambda thing: pickle.loads(cloudpickle.dumps(thing)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(scope="module", params=CROSSINGS)
def cross(request):
    """A way for an object to come out again at the other side."""
    return CROSSINGS[request.param]


def seen(*args, **kwargs):
    """What a function is called with."""
    return args, kwargs


def inc(x: int) -> int:
    """A function with a name."""
    return x + 1


class Adder:
    """Callable, without a name of its own."""

    def __init__(self, amount):
        self.amount = amount

    def __call__(self, x):
        """Add."""
        return x + self.amount

    def add(self, x):
        """Add, under a name."""
        return x + self.amount


# --------------------------------------------------------------------------------- call
@given(args, kwargs)
def test_call_calls(a, k):
    """The law of `call`, whatever the keywords are called."""
    assert call(seen, *a, **k) == seen(*a, **k)


# --------------------------------------------------------------------------------- task
@given(a=args, k=kwargs)
def test_a_task_is_the_call_of_its_function(cross, a, k):
    """The law of `Task`, whatever the keywords are called, also after it has crossed."""
    task = cross(Task(seen, *a, **k))
    assert task() == seen(*a, **k)
    assert (task.fn, task.args, task.kwargs) == (seen, a, k)


@given(a=args, k=kwargs)
def test_a_task_is_equal_to_one_with_the_same_parts(cross, a, k):
    """Tasks are values: keyword arguments have no order, and equal tasks have equal hashes."""
    task = Task(seen, *a, **k)
    other = cross(Task(seen, *a, **dict(reversed(k.items()))))
    assert task == other
    assert hash(task) == hash(other)


@pytest.mark.parametrize(
    "other",
    [
        Task(seen, 1, x=2),
        Task(seen, 1),
        Task(seen, 1, y=3),
        Task(call, 1, y=2),
        Task(seen, 1, y=2).named("another"),
        functools.partial(seen, 1, y=2),
        "seen",
    ],
)
def test_a_task_differs_from_one_with_another_part(other):
    """Function, arguments and name all count."""
    assert Task(seen, 1, y=2) != other


def test_a_task_can_be_hashed_where_its_parts_can():
    """As with a tuple."""
    assert len({Task(seen, 1), Task(seen, 1), Task(seen, 2)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Task(seen, []))


@pytest.mark.parametrize("name", ["fn", "args", "kwargs", "name", "other"])
def test_a_task_is_frozen(name):
    """No attribute can be set, and the keyword arguments can only be read."""
    task = Task(seen, x=1)
    with pytest.raises(AttributeError):
        setattr(task, name, 1)
    with pytest.raises(TypeError):
        task.kwargs["x"] = 2


@pytest.mark.parametrize(
    ("task", "name"),
    [
        (Task(inc, 4), "inc"),
        (Task(Adder(1).add, 4), "Adder.add"),
        (Task(len, "abc"), "len"),
        (Task(dict, a=1), "dict"),
        (Task(Adder(1), 4), "Adder"),
        (Task(functools.partial(functools.partial(inc), 4)), "inc"),
        (Task(partial(inc, 4)), "inc"),
        (Task(functools.lru_cache(inc), 4), "inc"),
        (Task(PurePosixPath("a").is_absolute), "PurePath.is_absolute"),
    ],
)
def test_a_task_is_called_what_its_function_is_called(task, name):
    """Without a name of its own, it is that of the function, of what a partial binds, of a type."""
    assert task.name == name == name_of(task.fn)


def test_a_task_can_be_given_a_name(cross):
    """A named task is another value; its name crosses with it, and can be taken away again."""
    task = cross(Task(inc, 4).named("Service 1"))
    assert (task.name, task()) == ("Service 1", 5)
    assert task == Task(inc, 4).named("Service 1")
    assert task.named(None) == Task(inc, 4)
    with pytest.raises(TypeError, match=r"^name must be a string or None, not 7$"):
        task.named(7)


def test_a_task_shows_what_it_calls():
    """For logs and messages."""
    assert repr(Task(inc, 4)) == "Task(inc, 4)"
    assert repr(Task(seen, "a", 1.5, key=[2])) == "Task(seen, 'a', 1.5, key=[2])"
    assert repr(Task(inc, 4).named("Service 1")) == "Task(inc, 4).named('Service 1')"


@pytest.mark.parametrize("wrong", [None, 3, "inc", [inc]])
def test_a_task_needs_a_function(wrong):
    """The mistake is found where the task is made, not where it is run."""
    with pytest.raises(TypeError, match=r"^fn must be callable, not "):
        Task(wrong, 1)


def test_a_task_that_is_its_own_argument_crosses(cross):
    """An argument may lead back to the task, as with any container."""
    inside = []
    task = Task(seen, inside)
    inside.append(task)
    (found,) = cross(task).args[0]
    assert found.fn is seen


@given(bound=st.tuples(args, kwargs), more=st.tuples(args, kwargs), given_=st.tuples(args, kwargs))
def test_a_partial_of_a_task_binds_its_arguments_first(cross, bound, more, given_):
    """The law of `Task.partial`: as a partial of a partial of the function."""
    (t, tk), (a, k), (b, m) = bound, more, given_
    found = cross(Task(seen, *t, **tk).partial(*a, **k))(*b, **m)
    assert found == seen(*t, *a, *b, **{**tk, **k, **m})


# ------------------------------------------------------------------------------ partial
def nested(kind, function, layers):
    """A partial of a partial of ..."""
    for a, k in layers:
        function = kind(function, *a, **k)
    return function


@given(layers=layers, b=args, m=kwargs)
def test_partial_is_that_of_functools(cross, layers, b, m):
    """Law L11, for partials of partials of any depth, before and after a crossing."""
    ours = cross(nested(partial, seen, layers))
    theirs = nested(functools.partial, seen, layers)
    assert ours(*b, **m) == theirs(*b, **m)
    assert (ours.func, ours.args, ours.keywords) == (theirs.func, theirs.args, theirs.keywords)
    assert isinstance(ours, functools.partial)


@given(a=args, k=kwargs, b=args, m=kwargs)
def test_partial_and_that_of_functools_go_together(a, k, b, m):
    """Either may be bound by the other."""
    assert partial(functools.partial(seen, *a, **k), *b, **m)() == seen(*a, *b, **{**k, **m})
    assert functools.partial(partial(seen, *a, **k), *b, **m)() == seen(*a, *b, **{**k, **m})


@st.composite
def filled_in_steps(draw):
    """All arguments of a call, and for each the step in which it is given."""
    full = draw(st.lists(values, max_size=6))
    steps = draw(st.lists(st.integers(0, 3), min_size=len(full), max_size=len(full)))
    return full, steps


@given(plan=filled_in_steps(), k=kwargs, m=kwargs)
def test_placeholders_are_filled_in_order(cross, plan, k, m):
    """However arguments are spread over partials of partials and the call, they find their place.

    Each step gives the arguments that are its own, and leaves free what comes before the last of
    them; what is left at the end comes with the call.
    """
    full, steps = plan
    function, free = seen, list(range(len(full)))
    for step in range(3):
        mine = [position for position in free if steps[position] == step]
        reach = free[: free.index(mine[-1]) + 1] if mine else []
        given_now = [full[p] if p in mine else Placeholder for p in reach]
        function = cross(partial(function, *given_now, **k))
        free = [position for position in free if position not in mine]
    rest = [full[position] for position in free]
    assert function(*rest, **m) == seen(*full, **{**k, **m})
    assert isinstance(function, functools.partial)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="functools has placeholders from 3.14 on")
def test_partial_is_the_one_of_functools_where_that_has_placeholders():
    """Nothing is made anew that the language has."""
    assert partial is functools.partial
    assert Placeholder is functools.Placeholder


def test_a_partial_with_placeholders_takes_more_arguments_than_they_are(cross):
    """The first ones fill the places, the others come last."""
    function = cross(partial(seen, Placeholder, 2, Placeholder, 4, key=0))
    assert function(1, 3, 5, 6, other=7) == seen(1, 2, 3, 4, 5, 6, key=0, other=7)
    assert functools.partial(function, 1)(3) == seen(1, 2, 3, 4, key=0)
    assert function.args == (Placeholder, 2, Placeholder, 4)


def test_a_placeholder_too_many_in_the_call_is_an_error(cross):
    """Every place that was left free must be filled by the call."""
    function = cross(partial(seen, Placeholder, 2, Placeholder, 4))
    with pytest.raises(TypeError, match=r"missing positional arguments .* at least 2, got 1"):
        function(1)


def test_a_placeholder_cannot_come_last():
    """It would say nothing."""
    with pytest.raises(TypeError, match=r"trailing Placeholders are not allowed"):
        partial(seen, 1, Placeholder)
    with pytest.raises(TypeError, match=r"trailing Placeholders are not allowed"):
        Task(seen, 1).partial(Placeholder)


def test_a_placeholder_cannot_be_a_keyword_argument():
    """Only positions can be left free."""
    with pytest.raises(TypeError, match="Placeholder cannot be passed as a keyword argument"):
        partial(seen, key=Placeholder)


def test_a_partial_needs_a_function():
    """As functools says it."""
    with pytest.raises(TypeError, match="callable"):
        partial(3)


def test_there_is_one_placeholder(cross):
    """It is the same one everywhere, so `is` finds it, in a worker too."""
    assert cross(Placeholder) is Placeholder
    assert type(Placeholder)() is Placeholder
    assert repr(Placeholder) == "Placeholder"


def test_an_attribute_of_a_partial_crosses_with_it(cross):
    """As that of any other object; a partial that has one is not flattened, so it keeps it."""
    function = partial(seen, Placeholder, 2)
    function.note = "mine"
    assert cross(function).note == "mine"
    assert partial(function, 1)(3) == seen(1, 2, 3)


class Subclass(partial):
    """A partial of a user's own."""


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="functools.partial itself allows it there")
def test_a_subclass_takes_no_placeholder():
    """It is refused instead of being passed on as an argument."""
    assert Subclass(seen, 1)(2) == seen(1, 2)
    with pytest.raises(TypeError, match="Subclass"):
        Subclass(seen, Placeholder, 2)
