"""Problems of other libraries with functions: 5, 30 of those in tests/README.md."""

import functools
import importlib.util
import inspect
import pickle
import pydoc
import sys

import cloudpickle
import pytest
from places import WITHIN, everywhere, in_processes, outcomes

from rig.executors import PROCESS_KINDS, benches
from rig.scripts import run_script
from taskpar import CrossingError, SerialExecutor, parallel, use


# ------------------------------------------------------------------------------ 5: without fork
class Writer:
    """Something with a file that is open for writing."""

    def __init__(self, path):
        self.file = path.open("a")

    def write(self, number):
        """Write nothing."""
        return number


@everywhere
def test_pain_05_a_function_within_a_function_runs_wherever_it_is_sent(bench):
    """With what it refers to, also itself."""
    base = {"one": 1}

    def fac(number):
        return base["one"] if number < 2 else number * fac(number - 1)

    with bench.make() as executor:
        assert list(executor.map(fac, range(6))) == list(map(fac, range(6)))
        assert executor.submit(lambda: fac(5)).result(WITHIN) == 120


@in_processes
def test_pain_05_a_method_of_what_holds_a_file_is_refused_with_the_path_to_the_file(
    bench, tmp_path
):
    """And with the ways out; the executor stays as it was."""
    writer = Writer(tmp_path / "file")
    with bench.make() as executor:
        seen = outcomes(executor.map(writer.write, range(2)))
        assert [type(each) for each in seen] == [CrossingError, CrossingError]
        assert "TextIOWrapper" in str(seen[0])
        assert ".file is a" in str(seen[0])
        assert "initializer" in str(seen[0])
        assert list(executor.map(abs, [-1])) == [1]
    writer.file.close()


SETTING = "as imported"


def set_setting(value):
    """Change a global of this module, where it runs."""
    global SETTING
    SETTING = value


def get_setting(_):
    """Return it."""
    return SETTING


@in_processes
def test_pain_05_a_global_that_is_set_at_run_time_is_set_in_workers_by_an_initializer(bench):
    """Under every start method, whatever the module had when it was imported."""
    with bench.make(initializer=set_setting, initargs=("set",)) as executor:
        assert set(executor.map(get_setting, range(6))) == {"set"}
    assert SETTING == "as imported"


@pytest.fixture
def plugin(tmp_path):
    """A module that was loaded by its path: no name leads to it elsewhere."""
    path = tmp_path / "plugin_of_a_test.py"
    path.write_text("FACTOR = 3\ndef f(x):\n    return FACTOR * x\nclass Plain:\n    pass\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs_in(bench, plugin):
    """Check that a module does: its functions, and its classes, which come back as they are."""
    with bench.make() as executor:
        assert list(executor.map(plugin.f, range(3))) == [0, 3, 6]
        assert type(executor.submit(plugin.Plain).result(WITHIN)) is plugin.Plain


@in_processes
def test_pain_05_a_module_that_was_loaded_by_its_path_runs_in_workers(bench, plugin):
    """As it is in no list of modules, it goes by value."""
    runs_in(bench, plugin)


@in_processes
def test_pain_05_one_that_pretends_to_be_importable_is_refused_with_the_way_out(
    bench, plugin, monkeypatch
):
    """Its name is sent, and leads nowhere, but in a fork; the way out does lead out."""
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    if bench.start == "fork":
        runs_in(bench, plugin)
    else:
        with bench.make() as executor:
            seen = outcomes(executor.map(plugin.f, range(3)))
            assert [type(each) for each in seen] == [CrossingError] * 3
            for number, error in enumerate(seen):
                assert f"the function of call {number} cannot be unpickled" in str(error)
                assert f"No module named {plugin.__name__!r}" in str(error)
                assert "cloudpickle.register_pickle_by_value" in str(error)
            assert list(executor.map(abs, [-1])) == [1]
    cloudpickle.register_pickle_by_value(plugin)
    try:
        runs_in(bench, plugin)
    finally:
        cloudpickle.unregister_pickle_by_value(plugin)


# ------------------------------------------------------------------------------ 30: decorated
def wrapped(function):
    """Decorate as everybody does."""

    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


@parallel
def square(x: int) -> int:
    """Square it."""
    return x * x


@parallel
@functools.lru_cache
def above_cache(x: int) -> int:
    """Square it once."""
    return x * x


@functools.lru_cache
@parallel
def below_cache(x: int) -> int:
    """Square it once."""
    return x * x


@parallel
@wrapped
def above_wraps(x: int) -> int:
    """Square it, by way of another function."""
    return x * x


@wrapped
@parallel
def below_wraps(x: int) -> int:
    """Square it, by way of another function."""
    return x * x


@parallel
def factorial(n: int) -> int:
    """Call itself, in parallel: in a worker that is a plain call."""
    return 1 if n < 2 else n * next(factorial.map([n - 1]))


class Shape:
    """Something with decorated methods."""

    def __init__(self, side):
        self.side = side

    @parallel
    def area(self, factor: int) -> int:
        """Of so many."""
        return self.side**2 * factor

    @staticmethod
    @parallel
    def below_static(x: int) -> int:
        """Do without an instance."""
        return 2 * x

    @parallel
    @staticmethod
    def above_static(x: int) -> int:
        """Do without an instance."""
        return 2 * x


NAMES = ["square", "above_cache", "below_cache", "above_wraps", "below_wraps", "factorial"]

# Each with the plain function that it must equal.
CASES = [
    *((globals()[name], lambda x: x * x) for name in NAMES[:-1]),
    (factorial, [1, 1, 2, 6].__getitem__),
    (Shape(3).area, lambda x: 9 * x),
    (Shape.below_static, lambda x: 2 * x),
    (Shape(3).above_static, lambda x: 2 * x),
]


@in_processes
def test_pain_30_decorated_functions_run_in_workers(bench):
    """As functions, methods, static methods, cached, wrapped and recursive ones."""
    with bench.make() as executor, use(executor):
        for function, plain in CASES:
            wanted = list(map(plain, range(4)))
            assert list(executor.map(function, range(4))) == wanted
            if function not in (below_cache, below_wraps):  # where another decorator is outside
                assert list(function.map(range(4))) == wanted
                assert function.submit(3).result(WITHIN) == wanted[3]


@pytest.mark.parametrize("name", NAMES)
def test_pain_30_decorated_functions_stay_what_they_are(name):
    """Called, looked at, and pickled by their name."""
    function, variable = globals()[name], "n" if name == "factorial" else "x"
    with SerialExecutor() as executor, use(executor):  # where the recursive one goes on
        assert function(3) == (6 if name == "factorial" else 9)
    assert (function.__name__, function.__module__) == (name, __name__)
    assert str(inspect.signature(function)) == f"({variable}: int) -> int"
    shown = pydoc.plain(pydoc.render_doc(function))
    assert f"{name}({variable}: int) -> int" in shown
    assert inspect.getdoc(function) in shown
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(function, protocol)) is function


def test_pain_30_decorated_methods_are_pickled_with_what_they_are_bound_to():
    """A static method by its name."""
    assert pickle.loads(pickle.dumps(Shape(3).area))(2) == 18
    assert pickle.loads(pickle.dumps(Shape.below_static)) is Shape.below_static
    assert pickle.loads(pickle.dumps(Shape.above_static)) is Shape.above_static


SCRIPT = """
import functools, multiprocessing, subprocess, sys
from pickle import dumps, loads
import cloudpickle
from taskpar import *

@parallel
def f(x): return x * x

@parallel
@functools.lru_cache
def above(x): return x + 1

@functools.lru_cache
@parallel
def below(x): return x + 2

@parallel
def factorial(n): return 1 if n < 2 else n * next(factorial.map([n - 1]))

class Shape:
    side = 3
    @parallel
    def area(self, factor): return self.side**2 * factor
    @staticmethod
    @parallel
    def static(x): return 2 * x

with {make} as ex, use(ex):
    for each in (f, above, factorial, Shape().area, Shape.static):
        print(list(each.map(range(4))), each.submit(3).result())
    print(list(ex.map(below, range(4))), f(3))

named = f, above, below, factorial, Shape.static
print(all(loads(dumps(each)) is each for each in named))
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(f, [3]), pool.map(Shape().area, [1]), pool.map(below, [1]))
sys.stdout.flush()
elsewhere = "import pickle, sys; print(pickle.load(sys.stdin.buffer)(3))"
for each in (f, factorial, Shape().area):
    subprocess.run([sys.executable, "-c", elsewhere], input=cloudpickle.dumps(each))
"""
PRINTED = """\
[0, 1, 4, 9] 9
[1, 2, 3, 4] 4
[1, 1, 2, 6] 6
[0, 9, 18, 27] 27
[0, 2, 4, 6] 6
[2, 3, 4, 5] 9
True
[9] [9] [3]
9
6
27
"""


@pytest.mark.parametrize("bench", benches(PROCESS_KINDS), ids=str)
def test_pain_30_so_do_those_of_a_script(bench, tmp_path):
    """Also for plain pickle, whose complaint elsewhere is that it is "not the same object as
    ``__main__.f``", and for cloudpickle, which takes it to where that script is unknown.
    """
    make = f"{bench.kind.capitalize()}Executor(2, mp_context={bench.start!r})"
    done = run_script(SCRIPT.replace("{make}", make), tmp_path)
    assert (done.stdout, done.stderr) == (PRINTED, "")
