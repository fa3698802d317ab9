"""What users of other libraries suffer from at the border (USER_PAINS 3, 5, 6, 15, 30)."""

import functools
import importlib.util
import pickle
import socket
import sys
import threading
import traceback
from functools import partial

import pytest
from places import WITHIN, each_kind_in_processes, everywhere, in_processes, outcomes, told

from rig.scripts import run_script
from taskpar import CrossingError, parallel, record_of, use


# ------------------------------------------------------------------------------ 3: exceptions
class TwoArgumentsError(Exception):
    """Its ``args`` are not what its ``__init__`` takes."""

    def __init__(self, a, b):
        super().__init__(f"{a}-{b}")
        self.b = b


class KeywordsError(Exception):
    """Its ``__init__`` wants keywords, as many libraries' errors do."""

    def __init__(self, *, response, code):
        super().__init__(response)
        self.code = code


class LockedError(Exception):
    """It holds what cannot be pickled."""

    def __init__(self):
        super().__init__("locked", 1)
        self.lock = threading.Lock()
        self.then = lambda: None


class StubbornError(Exception):
    """It refuses to be pickled, and does not say so nicely."""

    def __reduce__(self):
        sys.exit("no")


class BrokenError(Exception):
    """It pickles, and does not unpickle."""

    def __reduce__(self):
        return (int, ("not a number",))


ERRORS = {
    "two arguments": partial(TwoArgumentsError, 1, 2),
    "keywords": partial(KeywordsError, response="no", code=404),
    "lock": LockedError,
    "stubborn": StubbornError,
    "broken": BrokenError,
}


def raise_at_2(kind, number):
    """Raise an error of this kind for 2."""
    if number == 2:
        error = ERRORS[kind]()
        raise error
    return number


@everywhere
@pytest.mark.parametrize("kind", ERRORS)
def test_pain_03_an_exception_that_does_not_unpickle_is_its_calls_error(bench, kind):
    """Of the class that the serial run gives; all other calls arrive, before it and behind."""
    wanted = ERRORS[kind]()
    with bench.make() as executor:
        seen = outcomes(executor.map(partial(raise_at_2, kind), range(5)))
        assert seen[:2] + seen[3:] == [0, 1, 3, 4]
        assert told(seen[2]) == told(wanted)
        for name in ("b", "code"):
            assert getattr(seen[2], name, None) == getattr(wanted, name, None)
        assert told(executor.submit(raise_at_2, kind, 2).exception(WITHIN)) == told(wanted)
        assert list(executor.map(abs, [-1])) == [1]


def test_pain_03_an_exception_that_the_program_itself_defines_comes_back_as_that(tmp_path):
    """``except`` finds it, with its attributes."""
    done = run_script(
        """
        from taskpar import QueueExecutor
        class Mine(Exception):
            def __init__(self, a, b):
                super().__init__(f"{a}-{b}")
                self.b = b
        def f(x):
            raise Mine(x, b=2)
        with QueueExecutor(2) as ex:
            try:
                list(ex.map(f, [1]))
            except Mine as mine:
                print(mine, mine.b)
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("1-2 2\n", "")


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


@in_processes
def test_pain_05_a_module_that_was_loaded_by_its_path_runs_in_workers(bench, tmp_path, monkeypatch):
    """As no name leads to it there, an error tells that if it cannot be sent."""
    path = tmp_path / "plugin_of_a_test.py"
    path.write_text("FACTOR = 3\ndef f(x):\n    return FACTOR * x\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.stem, module)
    spec.loader.exec_module(module)
    with bench.make() as executor:
        seen = outcomes(executor.map(module.f, range(3)))
        if any(isinstance(each, Exception) for each in seen):
            assert [type(each) for each in seen] == [CrossingError] * 3
            assert path.stem in str(seen[0])
            assert "call 0" in str(seen[0])
        else:
            assert seen == [0, 3, 6]
        assert list(executor.map(abs, [-1])) == [1]


# ------------------------------------------------------------------------------ 6: what cannot
class Refuses:
    """Refuses to be pickled."""

    def __reduce__(self):
        raise ValueError("not me")


class Connection:
    """Holds a socket, deep inside."""

    def __init__(self, sock):
        self._sock = sock


def result_of(number):
    """Return what cannot cross, for 2."""
    return Refuses() if number == 2 else number


def first_of(conf):
    """Take an argument of that name."""
    return conf if isinstance(conf, int) else 0


@everywhere
def test_pain_06_an_argument_that_cannot_cross_fails_its_own_call(bench):
    """The message names the argument and the call, and the others are not affected."""
    with bench.make() as executor:
        seen = outcomes(executor.map(first_of, [0, 1, Refuses(), 3]))
        assert seen[:2] + seen[3:] == [0, 1, 3]
        if bench.in_processes:
            assert (type(seen[2]), seen[2].index) == (CrossingError, 2)
            assert "argument 'conf' of call 2 cannot be pickled" in str(seen[2])
            assert "not me" in str(seen[2])
            assert isinstance(seen[2], pickle.PicklingError)
        else:
            assert seen[2] == 0
        assert list(executor.map(abs, [-1])) == [1]


@in_processes
def test_pain_06_a_result_that_cannot_cross_fails_its_own_call(bench):
    """As an argument does."""
    with bench.make() as executor:
        seen = outcomes(executor.map(result_of, range(4)))
        assert seen[:2] + seen[3:] == [0, 1, 3]
        assert (type(seen[2]), seen[2].index) == (CrossingError, 2)
        assert "result of call 2 cannot be pickled" in str(seen[2])
        assert type(executor.submit(result_of, 2).exception(WITHIN)) is CrossingError
        assert list(executor.map(abs, [-1])) == [1]


@each_kind_in_processes
def test_pain_06_the_message_leads_to_the_culprit(bench):
    """Through dictionaries and attributes, to the socket; and it tells the ways out."""
    with socket.socket() as sock, bench.make() as executor:
        conf = {"service": {"primary": {"conn": Connection(sock)}}}
        (error,) = outcomes(executor.map(first_of, [conf]))
        assert type(error) is CrossingError
        assert "argument 'conf' of call 0" in str(error)
        assert "['service']['primary']['conn']._sock is a socket.socket" in str(error)
        assert "ThreadExecutor" in str(error)


@each_kind_in_processes
def test_pain_06_a_partial_that_holds_a_lock_says_so(bench):
    """By the name of the argument that is bound."""
    with bench.make() as executor:
        (error,) = outcomes(executor.map(partial(first_of, conf=threading.Lock()), [1]))
        assert type(error) is CrossingError
        assert "conf" in str(error)
        assert "lock" in str(error)


# ------------------------------------------------------------------------------ 15: which one
def fail(number):
    """Raise, for 3, an error with a cause and a note."""
    try:
        return 6 // (3 - number)
    except ZeroDivisionError as cause:
        error = ValueError("no good", number)
        error.add_note("a note of its own")
        raise error from cause


@everywhere
def test_pain_15_an_error_tells_which_call_it_was_where_and_why(bench):
    """Type, notes, cause, the line of source, and the call, in an ordinary traceback."""
    with bench.make() as executor:
        error = outcomes(executor.map(fail, range(5)))[3]
        assert told(error) == (ValueError, ("no good", 3))
        assert type(error.__cause__) is ZeroDivisionError
        assert error.__notes__[0] == "a note of its own"
        record = record_of(error)
        assert (record.index, record.name, record.attempt, record.input) == (
            3,
            "fail",
            1,
            "fail(3)",
        )
        text = "".join(traceback.format_exception(error))
        assert "return 6 // (3 - number)" in text
        assert "in fail" in text
        assert "call 3" in text
        assert "fail(3)" in text
        assert text.count("no good") == 1
        assert f"process {record.pid}" in text


@everywhere
def test_pain_15_a_long_input_is_cut_off(bench):
    """The error is for reading."""
    with bench.make() as executor:
        (error,) = outcomes(executor.map(int, ["x" * 1_000_000]))
        assert len(record_of(error).input) < 500
        assert record_of(error).input.startswith("int('xxx")


# ------------------------------------------------------------------------------ 30: decorated
@parallel
def square(x):
    """Square it."""
    return x * x


@parallel
@functools.lru_cache
def cached(x):
    """Square it once."""
    return x * x


@parallel
def fibonacci(n):
    """Call itself."""
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


class Shape:
    """Something with decorated methods."""

    def __init__(self, side):
        self.side = side

    @parallel
    def area(self, factor):
        """Of so many."""
        return self.side**2 * factor

    @staticmethod
    @parallel
    def double(x):
        """Do without an instance."""
        return 2 * x


@in_processes
def test_pain_30_decorated_functions_run_in_workers_and_stay_what_they_are(bench):
    """As functions, methods, static methods, cached and recursive ones."""
    with bench.make() as executor, use(executor):
        for function in (square, cached, fibonacci, Shape(3).area, Shape.double):
            assert list(function.map(range(8))) == list(map(function, range(8)))
        assert list(executor.map(square, range(4))) == [0, 1, 4, 9]
        assert square.submit(3).result(WITHIN) == 9
    assert (square(3), square.__name__, square.__doc__) == (9, "square", "Square it.")
    assert pickle.loads(pickle.dumps(square)) is square
