"""Objects as bytes and back, by name where a name will do, by value where none will."""

import collections
import dataclasses
import enum
import functools
import inspect
import json
import pickle
import subprocess
import sys
import threading

import pytest
from cloudpickle import cloudpickle as inner

from rig.scripts import run_script
from taskpar._engine import pickling
from taskpar._engine.pickling import dumps, loads


def crossed(thing):
    """The object as it comes back."""
    return loads(dumps(thing))


def run_elsewhere(data, *args):
    """Call what was pickled in a process that knows nothing of this one's modules."""
    code = (
        "import pickle, sys; function, args = pickle.load(sys.stdin.buffer);"
        "sys.stdout.buffer.write(pickle.dumps(function(*args)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps((Loaded(data), args)),
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return pickle.loads(ran.stdout)


class Loaded:
    """Bytes that unpickle as what they are the bytes of."""

    def __init__(self, data):
        self.data = data

    def __reduce__(self):
        return pickle.loads, (self.data,)


# ------------------------------------------------------------------------------ by name or by value
@pytest.mark.parametrize("thing", ["x", [1, {2: (3,)}], len, json.dumps, collections.Counter])
def test_what_plain_pickle_can_do_is_left_to_it(thing):
    """It is many times faster."""
    assert dumps(thing) == pickle.dumps(thing, pickling.PROTOCOL)


def test_lambdas_and_closures_cross_with_what_they_close_over():
    """Also into a process that has never heard of this module."""
    number = 40
    assert crossed(lambda x: x + number)(2) == 42
    assert run_elsewhere(dumps(lambda x: x + number), 2) == 42


def test_recursive_closures_defaults_and_attributes_cross():
    """All that belongs to a function comes along."""

    def factorial(n, *, base=1):
        return base if n == 0 else n * factorial(n - 1)

    factorial.note = "attribute"
    back = crossed(factorial)
    assert (back(5), back.note, back.__kwdefaults__) == (120, "attribute", {"base": 1})
    assert inspect.signature(back) == inspect.signature(factorial)
    assert run_elsewhere(dumps(factorial), 5) == 120


def test_a_text_that_looks_like_a_module_is_only_a_text():
    """``__main__`` among the data makes pickling slower, never wrong."""
    for thing in ("__main__", ["__main__", b"__main__"], {"__main__": 1}):
        assert crossed(thing) == thing


def test_a_decorated_function_crosses_with_its_decorators():
    """A cache is made anew, and empty."""

    def double(x):
        return 2 * x

    cached = functools.lru_cache(maxsize=7)(double)
    cached(1)
    back = crossed(cached)
    assert back(4) == 8
    assert back.cache_parameters() == {"maxsize": 7, "typed": False}
    assert cached.cache_info().currsize == 1
    assert back.cache_info().currsize == 1


# ------------------------------------------------------------------------------ classes
def test_a_local_class_comes_back_as_itself():
    """With its methods, its bases and its instances."""

    class Base:
        pass

    class Point(Base):
        def __init__(self, x):
            self.x = x

        def moved(self, by):
            return Point(self.x + by)

    assert crossed(Point) is Point
    back = crossed(Point(1))
    assert type(back) is Point
    assert type(back.moved(2)) is Point
    assert crossed([Point, Base, Point(3)])[:2] == [Point, Base]


def test_local_classes_of_all_kinds_come_back_as_themselves():
    """Dataclasses, enumerations, named tuples, exceptions, generics."""

    @dataclasses.dataclass(frozen=True)
    class Data:
        x: int

    class Colour(enum.Enum):
        RED = 1

    Pair = collections.namedtuple("Pair", "a b")  # noqa: PYI024

    class LocalError(Exception):
        pass

    for thing in (Data(1), Pair(1, 2)):
        back = crossed(thing)
        assert back == thing
        assert type(back) is type(thing)
    assert crossed(Colour.RED) is Colour.RED
    assert type(crossed(LocalError(1))) is LocalError


def test_coming_back_changes_nothing_of_the_class():
    """What a worker did to its copy stays there."""

    class Counted:
        count = 0

    data = dumps(Counted)
    Counted.count = 5
    Counted.later = "added"
    assert loads(data) is Counted
    assert (Counted.count, Counted.later) == (5, "added")


def test_in_a_worker_the_newest_state_of_a_class_counts(tmp_path):
    """The same class sent again, changed, is the same class there, changed."""

    class Setting:
        value = 1

        def read(self):
            return type(self).value

    first = dumps(Setting().read)
    Setting.value = 2
    second = dumps(Setting().read)

    def in_order(first, second):
        import pickle

        from taskpar._engine import place

        place.enter()
        one = pickle.loads(first)
        before = one()
        two = pickle.loads(second)
        return before, two(), type(one.__self__) is type(two.__self__)

    assert run_elsewhere(dumps(in_order), first, second) == (1, 2, True)


def test_what_is_used_of_cloudpickles_inside_is_there():
    """The names, and that an identity leads to the class and back."""

    class Local:
        pass

    identity = inner._get_or_create_tracker_id(Local)
    assert identity == inner._get_or_create_tracker_id(Local)
    assert inner._DYNAMIC_CLASS_TRACKER_BY_ID[identity] is Local
    assert not inner._should_pickle_by_reference(Local)
    assert inner._should_pickle_by_reference(json.JSONDecoder)


# ------------------------------------------------------------------------------ buffers
def test_big_buffers_can_be_taken_out():
    """They are not in the bytes, and come back as what they are given back as."""
    array = pytest.importorskip("numpy").arange(100_000)
    buffers = []
    data = dumps(array, buffers)
    assert len(data) < 1000
    assert len(buffers) == 1
    back = pickle.loads(data, buffers=buffers)
    assert (back == array).all()
    assert (crossed(array) == array).all()


def test_buffers_are_taken_out_once_when_plain_pickle_gives_up():
    """A closure over an array: what a first attempt took out is forgotten."""
    array = pytest.importorskip("numpy").arange(100_000)
    buffers = []
    data = dumps(lambda: array, buffers)
    assert len(buffers) == 1
    assert (pickle.loads(data, buffers=buffers)() == array).all()


# ------------------------------------------------------------------------------ what cannot cross
def test_what_cannot_cross_raises_and_says_why():
    """The error is the one that tells what was in the way."""
    with pytest.raises(TypeError, match="lock"):
        dumps(threading.Lock())
    with pytest.raises(TypeError, match="generator"):
        dumps([1, (x for x in ())])


def test_an_objects_own_refusal_is_raised_as_it_is():
    """Also when it is an exit; whoever calls `dumps` has to expect it."""

    class Refuses:
        def __init__(self, error):
            self.error = error

        def __reduce__(self):
            raise self.error

    for error in (ValueError("no"), SystemExit(3), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            dumps(Refuses(error))


# ------------------------------------------------------------------------------ __main__
def test_what_main_defines_travels_by_value_and_comes_back_as_itself(tmp_path):
    """Functions, classes and instances, in a process that does not import ``__main__``."""
    program = '''
        import pickle, subprocess, sys
        from enum import Enum
        from taskpar._engine.pickling import dumps, loads

        SHIFT = 10

        class Colour(Enum):
            RED = 1

        class Point:
            made = 0

            def __init__(self, x):
                self.x = x
                type(self).made += 1

        def shifted(point, colour):
            made = Point(point.x + SHIFT)
            assert type(made) is type(point) and colour is Colour.RED
            Point.made = 1000
            Point.worker = "was here"
            return made, colour, Point

        CHILD = """
        import pickle, sys
        from taskpar._engine import place
        from taskpar._engine.pickling import dumps
        place.enter()
        function, args = pickle.load(sys.stdin.buffer)
        sys.stdout.buffer.write(dumps(function(*args)))
        """

        import textwrap
        point = Point(1)
        ran = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CHILD)],
            input=dumps((shifted, (point, Colour.RED))), stdout=subprocess.PIPE, check=True,
        )
        back, colour, cls = loads(ran.stdout)
        print(back.x, type(back) is Point, cls is Point, colour is Colour.RED)
        print(Point.made, hasattr(Point, "worker"))
    '''
    for how in ("file", "-c", "stdin"):
        done = run_script(program, tmp_path, how)
        assert (done.stdout, done.stderr) == ("11 True True True\n1 False\n", ""), how
