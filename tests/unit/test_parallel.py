"""`@parallel`: what it is put on stays what it was, and runs in parallel besides."""

import abc
import asyncio
import copy
import functools
import inspect
import itertools
import pickle
import pydoc
import sys
import typing

import cloudpickle
import pytest
from decorated import (
    CASES,
    PARALLEL,
    Fine,
    Scale,
    above_cache,
    above_wraps,
    below_cache,
    below_wraps,
    fibonacci,
    power,
    root,
    square,
    twice,
)
from hypothesis import given
from hypothesis import strategies as st

from rig.executors import CLASSES, benches
from rig.scripts import run_script
from taskpar import Options, Parallel, SerialExecutor, Task, parallel, record_of, use

BEFORE_3_13 = sys.version_info < (3, 13)


each = pytest.mark.parametrize(("function", "plain"), CASES.values(), ids=CASES)


@pytest.fixture(scope="module")
def serial():
    """Decorated functions run on a serial executor."""
    with SerialExecutor() as executor, use(executor):
        yield executor


@pytest.fixture(scope="module", params=benches(), ids=str)
def used(request, shared):
    """Decorated functions run on each executor, under each start method."""
    with use(shared.of(request.param)) as executor:
        yield executor


# ------------------------------------------------------------------------- everywhere
@each
def test_the_plain_call_is_what_it_was(serial, function, plain):
    """Decorating takes nothing away."""
    assert [function(x) for x in range(5)] == [plain(x) for x in range(5)]


def test_every_decorated_function_is_mapped_by_every_executor(used):
    """It crosses to the workers, whatever else is around it, and is the plain call there."""
    results = {name: used.map(function, [2, 3]) for name, (function, _) in CASES.items()}
    found = {name: list(result) for name, result in results.items()}
    assert found == {name: [plain(2), plain(3)] for name, (_, plain) in CASES.items()}


def test_every_decorated_function_maps_itself_on_every_executor(used):
    """The methods of a decorated function are those of the executor."""
    results = {name: function.map([2, 3]) for name, (function, _) in PARALLEL.items()}
    found = {name: list(result) for name, result in results.items()}
    assert found == {name: [plain(2), plain(3)] for name, (_, plain) in PARALLEL.items()}


def test_all_methods_run_on_the_executor_in_use(used):
    """Each is the method of that name of the executor, with the function in the first place."""
    pairs = [(2, 2), (4, 3), (5, 5)]
    assert list(power.starmap(pairs)) == [4, 64, 3125]
    assert list(power.map([2, 4, 5], (2, 3, 5))) == [4, 64, 3125]
    assert sorted(power.map_unordered([2, 4, 5], (2, 3, 5))) == [4, 64, 3125]
    assert sorted(power.starmap_unordered(pairs)) == [4, 64, 3125]
    assert power.submit(2, 3, plus=1).result() == 9
    assert used.run([power.task(2, 3, plus=1), square.task(5)]) == [9, 25]


def test_an_exception_comes_from_where_it_came_without_us(used):
    """`map` goes on after it, as the builtin does."""
    results = root.map([4.0, -1.0, 9.0])
    assert next(results) == 2.0
    with pytest.raises(ValueError, match="negative") as caught:
        next(results)
    assert caught.value.args == ("negative", -1.0)
    assert next(results) == 3.0
    with pytest.raises(StopIteration):
        next(results)


def test_an_object_may_use_its_own_parallel_methods(used):
    """Also inside a worker, where they run serially."""
    assert Fine(2).all_times([1, 2]) == [-2, -4]
    assert used.submit(Fine(2).all_times, [1, 2]).result() == [-2, -4]


@given(st.lists(st.integers() | st.none()))
def test_map_is_the_builtin(serial, xs):
    """Law L1, through the decorator: values and exceptions, position by position."""

    def outcomes(results):
        for _ in range(len(xs) + 2):
            try:
                yield next(results)
            except Exception as error:
                yield type(error), error.args

    assert list(outcomes(square.map(xs))) == list(outcomes(map(square.__wrapped__, xs)))


def test_an_endless_input_is_read_only_as_far_as_it_must_be(serial):
    """Keywords go to the executor's method."""
    results = square.map(itertools.count(), buffersize=2, timeout=60)
    assert list(itertools.islice(results, 3)) == [0, 1, 4]
    results.close()


def test_wrong_keywords_are_refused_by_the_executor(serial):
    """And with the executor's own words."""
    with pytest.raises(ValueError, match="chunksize must be a positive integer"):
        square.map([1], chunksize=0)
    with pytest.raises(TypeError, match="buffer"):
        square.map([1], buffer=1)
    with pytest.raises(TypeError):
        square.map()


# -------------------------------------------------------------------- what it looks like
def test_a_decorated_function_looks_like_the_function():
    """Name, docstring, module, signature and annotations are those of the function."""
    raw = power.__wrapped__
    assert inspect.isfunction(raw)
    assert (power.__name__, power.__qualname__, power.__doc__) == ("power", "power", raw.__doc__)
    assert power.__module__ == "decorated"
    assert inspect.signature(power) == inspect.signature(raw)
    assert typing.get_type_hints(power) == typing.get_type_hints(raw)
    assert pydoc.render_doc(power, renderer=pydoc.plaintext).splitlines()[2:] == [
        "power(x: int, n: int = 2, /, *, plus: int = 0) -> int",
        "    Multiply by itself, n times.",
    ]
    assert repr(power) == "<parallel power>"


def test_a_decorated_method_looks_like_the_method():
    """Bound, it has one parameter less; it is the same each time it is taken from its object."""
    method = Scale(3).times
    assert str(inspect.signature(method)) == "(x: int) -> int"
    assert str(inspect.signature(Scale.times)) == "(self, x: int) -> int"
    assert str(inspect.signature(Scale.above_class)) == "(x: int) -> int"
    assert (method.__qualname__, method.__doc__) == ("Scale.times", "Multiply.")
    one = Scale(3)
    assert one.times == one.times
    assert hash(one.times) == hash(one.times)
    assert one.times != Fine(3).times
    assert one.times != one.cached
    assert Scale.times is Scale.times


def test_what_else_the_function_has_is_still_there():
    """Say, what a cache offers, or an attribute that another decorator made."""
    above_cache.cache_clear()
    assert [above_cache(1), above_cache(1)] == [4, 4]
    assert above_cache.cache_info().hits == 1
    assert above_wraps.calls >= 0
    with pytest.raises(AttributeError, match="mpa"):
        _ = square.mpa
    with pytest.raises(AttributeError, match="_private"):
        _ = square._private


def test_attributes_can_be_given_to_it():
    """As to any function."""
    function = parallel(lambda x: x)
    function.note = "mine"
    assert function.note == "mine"
    assert copy.deepcopy(function).note == "mine"


def test_keywords_that_it_has_itself_go_to_the_function(serial):
    """No name is taken from the function's own keywords."""

    @parallel
    def seen(*args, **kwargs):
        return args, kwargs

    words = {"self": 1, "fn": 2, "name": 3, "chunksize": 4, "timeout": 5}
    assert seen(0, **words) == ((0,), words)
    assert seen.submit(0, **words).result() == ((0,), words)
    assert seen.task(0, **words)() == ((0,), words)


def test_an_abstract_method_stays_abstract():
    """A class is not complete before its parallel methods are."""

    class Base(abc.ABC):
        @parallel
        @abc.abstractmethod
        def work(self, x):
            """Work."""

    class Real(Base):
        @parallel
        def work(self, x):
            return x

    with pytest.raises(TypeError, match="work"):
        Base()
    assert Real().work(3) == 3


# ----------------------------------------------------------------------------- options
def test_options_go_to_the_executor(serial):
    """A chunk or buffer size given to the decorator holds for each `map`, a name for each task."""
    assert power.task(2).name == "powers"
    assert square.task(2).name == "square"
    assert parallel(square, name="other").task(2).name == "other"
    seen = []
    inputs = (seen.append(x) or x for x in range(100))
    results = power.map(inputs)
    assert next(results) == 0
    assert len(seen) <= 6
    results.close()


def test_options_that_speak_of_errors_hold_for_calls_that_are_sent_and_for_no_plain_call(serial):
    """The function raises; its parallel calls are tried again, and their errors come as asked."""

    @parallel(retries=2, on_error="return")
    def inverse(number):
        return 1 / number

    zero, half = inverse.map([0, 2])
    assert (type(zero), half) == (ZeroDivisionError, 0.5)
    assert record_of(zero).attempt == 3
    assert type(inverse.submit(0).result()) is ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        inverse(0)


def test_a_task_is_that_of_the_decorated_function():
    """`f.task(...)` is `Task(f, ...)`: equal, and running it is the plain call."""
    assert square.task(3) == Task(square, 3)
    scale = Scale(3)
    assert scale.times.task(3) == Task(scale.times, 3) != Task(Scale(3).times, 3)
    assert square.task(3)() == 9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunksize": 0}, ValueError, "^chunksize must be a positive integer or None, not 0$"),
        ({"buffersize": "x"}, TypeError, "^buffersize must be a positive integer or None"),
        ({"name": 1}, TypeError, "^name must be a string or None, not 1$"),
        ({"retries": -1}, ValueError, "^retries must be an integer of at least 0 or None, not -1$"),
        ({"on_error": "log"}, ValueError, "^on_error must be one of 'raise', 'return', 'skip'"),
        ({"workers": 1}, TypeError, "no option 'workers': there are name, chunksize"),
    ],
)
def test_wrong_options_are_refused_before_there_is_a_function(options, error, message):
    """The line with the mistake is the one in the traceback."""
    with pytest.raises(error, match=message):
        parallel(**options)


@pytest.mark.parametrize("wrong", [None, 3, "f", property(len)])
def test_only_functions_can_be_decorated(wrong):
    """The argument is named."""
    with pytest.raises(TypeError, match=r"^fn must be callable, not "):
        parallel(wrong)
    with pytest.raises(TypeError, match=r"^fn must be callable, not "):
        parallel(chunksize=1)(wrong)


def test_an_async_function_is_refused():
    """It would only return a coroutine, which cannot cross; the message tells what to do."""

    async def work(x):
        return x

    async def many(x):
        yield x

    for wrong in (work, many, staticmethod(work), classmethod(work), functools.partial(work).func):
        with pytest.raises(TypeError, match=r"^fn must be a plain function, not an async def"):
            parallel(wrong)


def test_the_advice_for_async_functions_works(shared):
    """A coroutine awaits the plain function's future."""

    async def main():
        with use(SerialExecutor()):
            return await asyncio.wrap_future(square.submit(3))

    assert asyncio.run(main()) == 9


@pytest.mark.skipif(BEFORE_3_13, reason="classmethod still asks what it wraps to bind itself")
def test_below_classmethod_the_methods_are_refused_with_advice(serial):
    """From Python 3.13 on, the class cannot be learned there: rather an error than a wrong one."""
    for attempt in (Scale.below_class.map, Scale.below_class.submit, Scale.below_class.task):
        with pytest.raises(TypeError, match="write @parallel above @classmethod"):
            attempt([1])


# -------------------------------------------------------------------------- crossing
OF_THE_MODULE = [square, power, fibonacci, above_wraps, below_wraps.__wrapped__, above_cache]
OF_THE_MODULE += [below_cache.__wrapped__, twice, Scale.times, Scale.above_static]
OF_THE_MODULE += [Scale.below_static, vars(Scale)["above_class"], twice.__wrapped__]


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
@pytest.mark.parametrize("function", OF_THE_MODULE, ids=repr)
def test_a_function_with_a_name_crosses_as_its_name(function, dumps):
    """It comes back as the same object, below whatever other decorators it lies; as does a copy."""
    data = dumps(function)
    assert pickle.loads(data) is function
    assert len(data) < 200
    assert copy.deepcopy(function) is function


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_function_crosses_under_every_protocol(protocol):
    """Old ones too."""
    assert pickle.loads(pickle.dumps(square, protocol)) is square
    assert pickle.loads(pickle.dumps(Scale.times, protocol)) is Scale.times


@pytest.mark.parametrize(
    "method",
    [Scale(3).times, Fine(3).times, super(Fine, Fine(3)).times, Fine.above_class, Fine(3).cached],
    ids=repr,
)
def test_a_bound_method_crosses_with_what_it_is_bound_to(method):
    """Exactly this method: that of the parent is not exchanged for the one that overrides it."""
    found, owner = pickle.loads(pickle.dumps((method, method.__wrapped__.__self__)))
    assert found.__wrapped__.__self__ is owner
    assert found(2) == method(2)
    assert found.__wrapped__.__func__ is method.__wrapped__.__func__
    assert inspect.signature(found) == inspect.signature(method)


def test_a_function_without_a_name_crosses_with_what_is_in_it():
    """A local function is rebuilt at the other side, with its options; it may refer to itself."""

    @parallel(name="local", chunksize=3)
    def factorial(n):
        """Recursive, and local."""
        return 1 if n < 2 else n * factorial(n - 1)

    found = pickle.loads(cloudpickle.dumps(factorial))
    assert found is not factorial
    assert found(5) == 120
    assert (found.__name__, found.__doc__) == ("factorial", "Recursive, and local.")
    assert found._options == Options(name="local", chunksize=3)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(factorial)


def test_a_function_whose_name_leads_elsewhere_crosses_with_what_is_in_it():
    """The name is used only where it leads back to the function."""
    again = parallel(square.__wrapped__)
    found = pickle.loads(cloudpickle.dumps(again))
    assert found is not square
    assert found(3) == 9
    other = parallel(root.__wrapped__, name="roots")
    assert pickle.loads(cloudpickle.dumps(other)).task(4).name == "roots"


def test_the_methods_of_a_local_class_cross():
    """The class is rebuilt at the other side, with its decorated methods."""

    class Local:
        @parallel
        def plus(self, x):
            return x + 1

        @parallel
        @classmethod
        def name(cls, x):
            return cls.__name__ * x

        @parallel
        @staticmethod
        def minus(x):
            return x - 1

    found = pickle.loads(cloudpickle.dumps([Local().plus, Local.name, Local.minus]))
    assert [function(2) for function in found] == [3, "LocalLocal", 1]


def test_parallel_is_a_type_to_ask_for():
    """What is decorated can be told from what is not."""
    assert isinstance(square, Parallel)
    assert isinstance(Scale(3).times, Parallel)
    assert not isinstance(below_cache, Parallel)


# --------------------------------------------------------------------------- scripts
SCRIPT = """
import functools
from taskpar import parallel, use, {kind} as Executor

@parallel
def power(x, n):
    return x ** n

@parallel
def fibonacci(n):
    return n if n < 2 else sum(fibonacci.map([n - 1, n - 2]))

class Point:
    def __init__(self, x):
        self.x = x

    @parallel
    def moved(self, by):
        return Point(self.x + by)

with {executor} as executor:
    print(list(power.starmap([(2, 2), (4, 3), (5, 5)])), list(fibonacci.map([5, 6])))
    moved = list(Point(1).moved.map([1, 2]))
    print([type(point) is Point and point.x for point in moved])
    print(list(parallel(lambda x: x + 1).map([1, 2])))
"""
EXPECTED = "[4, 64, 3125] [5, 8]\n[2, 3]\n[2, 3]\n"


@pytest.mark.parametrize("bench", benches(), ids=str)
def test_a_script_needs_no_guard(bench, tmp_path):
    """Functions and classes of ``__main__`` run in parallel under every start method."""
    start = f"mp_context={bench.start!r}" if bench.start else ""
    script = SCRIPT.format(kind=CLASSES[bench.kind].__name__, executor=f"use(Executor(2, {start}))")
    done = run_script(script, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == (EXPECTED, "", 0)


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
def test_a_script_needs_no_executor(how, tmp_path):
    """The default is made when it is needed, and is gone at the end."""
    script = SCRIPT.format(kind="QueueExecutor", executor="use(Executor(1))")
    script = script.replace("with use(Executor(1)) as executor:", "if True:")
    done = run_script(script, tmp_path, how)
    assert (done.stdout, done.stderr, done.returncode) == (EXPECTED, "", 0)


CACHES = """
import functools
from taskpar import parallel, use, QueueExecutor

@parallel
@functools.lru_cache
def above(x):
    return x + 1

@functools.lru_cache
@parallel
def below(x):
    return x + below(x - 1) if x else 0

with QueueExecutor(1) as executor, use(executor):
    print(list(above.map([1, 2])), list(executor.map(below, [3, 4])))
"""


def test_cached_functions_of_a_script_cross(tmp_path):
    """Above or below the cache, which is empty in a new worker."""
    done = run_script(CACHES, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("[2, 3] [6, 10]\n", "", 0)
