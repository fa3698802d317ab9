"""What cannot be pickled is told in words: the argument, the path, the type and the ways out."""

import functools
import io
import pickle

import pytest
from hiding import (
    REFUSED,
    SAYS,
    Nameless,
    Slotted,
    Thing,
    closing_over,
    conf_and_number,
    local_class,
)

from taskpar import Task, parallel, partial
from taskpar._engine import culprit
from taskpar._engine.culprit import crossing_message, explanation
from taskpar._engine.pickling import dumps
from taskpar._model.task import call


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
    told = f"it is the class {local_class.__module__}.local_class.<locals>.Local ("
    assert told in first_line("result", 1, ERROR, thing=cls)
