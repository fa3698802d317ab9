"""The search for what cannot be pickled raises nothing, whatever the objects do."""

import threading

import pytest
from hiding import REFUSED, Thing

from taskpar._engine.culprit import crossing_message, path_to_culprit
from taskpar._engine.parts import parts_of
from taskpar._engine.pickling import dumps

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
