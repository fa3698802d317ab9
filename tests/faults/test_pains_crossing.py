"""Problems of other libraries at the border: 3, 6, 15 of those in tests/README.md."""

import pickle
import socket
import sys
import threading
import traceback
from functools import partial

import pytest
from places import WITHIN, each_kind_in_processes, everywhere, in_processes, outcomes, told

from rig.executors import PROCESS_KINDS, benches
from rig.scripts import run_script
from taskpar import CrossingError, record_of


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


@pytest.mark.parametrize("bench", benches(PROCESS_KINDS), ids=str)
def test_pain_03_an_exception_that_the_program_itself_defines_comes_back_as_that(bench, tmp_path):
    """``except`` finds it, with its attributes; but for one that cannot cross, which is told."""
    done = run_script(
        f"""
        import threading
        from taskpar import *
        class Mine(Exception):
            def __init__(self, a, b):
                super().__init__(f"{{a}}-{{b}}")
                self.b = b
        class Locked(Mine):
            def __init__(self):
                super().__init__("locked", 1)
                self.lock = threading.Lock()
        class Stubborn(Exception):
            def __reduce__(self):
                raise SystemExit("no")
        def f(x):
            raise (Mine(x, b=2), Locked(), Stubborn("no"))[x]
        with {bench.kind.capitalize()}Executor(2, mp_context={bench.start!r}) as ex:
            seen = list(ex.options(on_error="return").map(f, range(3)))
            print([type(each) for each in seen] == [Mine, Locked, Stubborn])
            print(*seen, seen[0].b, seen[1].b, "lock" in str(seen[1].lock))
            try:
                ex.submit(f, 0).result()
            except Mine as mine:
                print(mine)
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("True\n0-2 locked-1 no 2 1 True\n0-2\n", "")


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


class Wordy:
    """Has much to say."""

    def __repr__(self):
        return "word " * 100_000


@everywhere
def test_pain_15_a_long_input_is_cut_off(bench):
    """The error is for reading: of each argument no more than 200 characters."""
    with bench.make() as executor:
        for item in ("x" * 1_000_000, Wordy(), [["x" * 1000] * 1000] * 1000):
            (error,) = outcomes(executor.map(int, [item]))
            text = record_of(error).input
            assert text.startswith("int(")
            assert len(text) <= 200 + len("int()")
            assert text in "".join(traceback.format_exception(error))
