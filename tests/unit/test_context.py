"""Context variables of the caller: in threads, and in processes where their values can travel."""

import contextvars
import decimal
import json
import pickle
import subprocess
import sys
import threading
import types
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest

from rig.scripts import run_script
from taskpar._engine import context, pickling, place, variables
from taskpar._engine.context import applied, captured, travelling

number: ContextVar[int] = ContextVar("number")
words: ContextVar[list[str]] = ContextVar("words")
other: ContextVar[object] = ContextVar("other", default="default")


def fresh(function, *args):
    """Call a function where no variable is set."""
    return contextvars.Context().run(function, *args)


def travelled(function, *changes):
    """Make changes where no variable is set; return what the function returns after the journey."""

    def leave():
        for change, *args in changes:
            change(*args)
        return travelling(captured())

    data = fresh(leave)
    return fresh(lambda: applied(data)().run(function))


# --------------------------------------------------------------------------------------- captured
def test_nothing_is_captured_where_nothing_is_set():
    """Nor where only the library's own variables are, which say where code runs."""

    def within_worker():
        with place.worker():
            return captured()

    assert fresh(captured) is None
    assert fresh(within_worker) is None


def test_what_is_set_is_captured():
    """Whatever it is."""

    def run():
        number.set(3)
        other.set(None)
        return dict(captured().pairs)

    assert fresh(run) == {number: 3, other: None}


@pytest.mark.parametrize("work", [decimal.getcontext, lambda: decimal.Decimal(1) / 3])
def test_a_decimal_context_as_everybody_has_it_is_nothing(work):
    """Every calculation with decimals sets one; what happened so far does not count."""
    assert fresh(lambda: (work(), captured())[1]) is None


def test_a_decimal_context_counts_where_the_usual_one_is_another(monkeypatch):
    """A worker may have the usual one of all others."""
    monkeypatch.setattr(decimal.DefaultContext, "prec", 5)

    def run():
        decimal.setcontext(decimal.Context(prec=28))
        return captured()

    assert fresh(run) is not None


# ---------------------------------------------------------------------------------------- threads
def test_a_thread_sees_what_its_caller_has_set_and_keeps_its_own():
    """The caller's count where both have set one."""

    def begin():
        number.set(1)
        other.set("worker")

    def leave():
        number.set(7)
        return captured()

    def run(told):
        make = told.contexts()
        return make().run(lambda: (number.get(), other.get(), place.inside_worker()))

    def worker(told):
        with place.worker():
            return run(told)

    with ThreadPoolExecutor(1, initializer=begin) as pool:
        assert pool.submit(worker, fresh(leave)).result() == (7, "worker", True)


def test_what_a_call_sets_shows_neither_in_the_next_call_nor_in_the_caller():
    """Each has a context of its own."""

    def run():
        number.set(1)
        make = captured().contexts()

        def call():
            before = number.get()
            number.set(before + 1)
            return before

        return [make().run(call) for _ in range(3)], number.get()

    assert fresh(run) == ([1, 1, 1], 1)


def test_calls_may_run_at_once():
    """A context can be entered once at a time; each call has another."""
    both = threading.Barrier(2, timeout=10)

    def leave():
        number.set(1)
        return captured()

    told = fresh(leave)

    def call():
        both.wait()
        return number.get()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(lambda: told.contexts()().run(call)) for _ in range(2)]
        assert [future.result() for future in futures] == [1, 1]


def test_a_decimal_context_is_no_two_calls():
    """It is written to by every operation; in a thread too each call has its own."""

    def run():
        decimal.getcontext().prec = 7
        make = captured().contexts()

        def call():
            before, decimal.getcontext().prec = decimal.getcontext().prec, 3
            return before

        return [make().run(call) for _ in range(2)], decimal.getcontext().prec

    assert fresh(run) == ([7, 7], 7)


def test_captured_values_live_no_longer_than_needed():
    """A context that is gone holds nothing."""

    class Value:
        pass

    value = Value()
    gone = weakref.ref(value)

    def run(value):
        other.set(value)
        make = captured().contexts()
        return make().run(lambda: other.get() is value), travelling(captured())

    assert fresh(run, value)[0] is True
    del value
    assert gone() is None


# -------------------------------------------------------------------------------------- processes
def test_a_value_travels_and_is_what_it_was():
    """Plain values and others; by the names of their variables."""

    def look():
        return number.get(), words.get(), other.get()

    changes = [(number.set, 3), (words.set, ["a"]), (other.set, (1, {"x": None}))]
    assert travelled(look, *changes) == (3, ["a"], (1, {"x": None}))


@pytest.mark.parametrize("change", [(lambda: None,), (decimal.getcontext,)])
def test_nothing_travels_where_nothing_is_set(change):
    """A batch then carries nothing."""
    assert fresh(lambda: (change[0](), travelling(captured()))[1]) is None


def test_what_cannot_travel_is_left_out():
    """The others travel; the variable has its default there."""

    class Awkward:
        def __reduce__(self):
            raise SystemExit

    class Bomb:
        def __reduce__(self):
            return int, ("x",)

    def look():
        return number.get(), other.get(), words.get([])

    for awkward in (threading.Lock(), Awkward(), Bomb()):
        changes = [(other.set, awkward), (number.set, 3)]
        assert travelled(look, *changes) == (3, "default", [])


def test_a_value_that_was_refused_is_not_tried_again():
    """Trying may take long, and each submission would."""
    tries = []

    class Awkward:
        def __reduce__(self):
            tries.append(1)
            raise TypeError

    def run():
        other.set(Awkward())
        told = captured()
        first, count = travelling(told), len(tries)
        return first, travelling(told), len(tries) - count

    assert fresh(run) == (None, None, 0)
    assert tries


def test_each_call_has_its_own_copy_of_a_value_that_can_be_written_to():
    """As it has of its arguments; so it does not matter which calls share a worker."""

    def leave():
        words.set(["a"])
        return travelling(captured())

    data = fresh(leave)

    def call():
        words.get().append("b")
        return words.get()

    def run():
        make = applied(data)
        again = applied(data)
        return [each().run(call) for each in (make, make, again)]

    assert fresh(run) == [["a", "b"]] * 3


def test_what_was_applied_last_does_not_count_for_the_next():
    """A variable that the next caller has not set is not set."""

    def leave(variable):
        variable.set(3)
        return travelling(captured())

    one, two = fresh(leave, number), fresh(leave, other)

    def look():
        return number.get(None), other.get()

    found = [fresh(lambda data=data: applied(data)().run(look)) for data in (one, two, one)]
    assert found == [(3, "default"), (None, 3), (3, "default")]


def test_decimal_and_numpy_travel_as_settings():
    """They keep them in variables that nobody else can name."""
    np = pytest.importorskip("numpy", minversion="2")

    def look():
        with pytest.raises(FloatingPointError):
            np.array([1.0]) / 0
        return str(decimal.Decimal(1) / 3), decimal.getcontext().flags[decimal.Inexact]

    def calculate():
        decimal.setcontext(decimal.Context(prec=5))
        assert decimal.Decimal(2) / 3
        np.seterr(divide="raise")

    assert travelled(look, (calculate,)) == ("0.33333", True)
    assert travelled(lambda: decimal.getcontext().flags[decimal.Inexact], (calculate,)) is False
    assert fresh(np.geterr)["divide"] == "warn"


def test_bytes_are_the_same_while_nothing_changes():
    """So a worker looks into them once, whatever was calculated meanwhile."""

    def run():
        decimal.getcontext().prec = 5
        number.set(3)
        first = travelling(captured())
        assert decimal.Decimal(1) / 3
        return first == travelling(captured())

    assert fresh(run)


def test_a_worker_that_lacks_a_module_leaves_its_variables_out(monkeypatch):
    """The others are set."""
    module = types.ModuleType("gone_there")
    module.variable = ContextVar("variable")
    monkeypatch.setitem(sys.modules, "gone_there", module)

    def leave():
        module.variable.set(3)
        number.set(4)
        return travelling(captured())

    data = fresh(leave)
    monkeypatch.delitem(sys.modules, "gone_there")
    assert fresh(lambda: applied(data)().run(number.get)) == 4


# -------------------------------------------------------------------------------------- variables
def test_a_variable_is_found_by_its_reference():
    """One of a module and one that a function made, with and without a default."""
    for variable in (number, other, ContextVar("local"), ContextVar("local", default=(1,))):
        reference = pickle.loads(pickle.dumps(variables.reference(variable)))
        assert variables.find(reference) is variable


def test_a_variable_of_a_module_goes_by_the_modules_name():
    """Also where ``__main__`` has it under another."""
    assert variables.reference(number) == (__name__, "number", None)
    main = sys.modules["__main__"]
    main.borrowed = number
    try:
        sys.modules["and_one_more"] = types.ModuleType("and_one_more")  # so it looks again
        assert variables.reference(number) == (__name__, "number", None)
    finally:
        del sys.modules["and_one_more"], main.borrowed


def test_what_is_found_under_a_name_is_a_variable():
    """The module may be another one there."""
    with pytest.raises(LookupError):
        variables.find((__name__, "pytest", None))
    with pytest.raises(LookupError):
        variables.find((__name__, "gone", None))


def test_a_module_that_is_imported_later_is_looked_into(monkeypatch):
    """What was no global may be one now."""
    variable = ContextVar("late")
    assert not variables.is_known(variable)
    module = types.ModuleType("comes_late")
    module.late = variable
    monkeypatch.setitem(sys.modules, "comes_late", module)
    assert variables.is_known(variable)
    assert variables.reference(variable) == ("comes_late", "late", None)


def test_a_function_takes_its_variable_along_and_both_stay_together():
    """What a function made is no global; the function that uses it carries it."""
    inner = ContextVar("inner", default=1)

    def look():
        return inner.get()

    def leave():
        inner.set(5)
        before = travelling(captured())
        return before, pickling.dumps((look, look)), travelling(captured())

    before, function, data = fresh(leave)
    assert before is None
    first, second = pickle.loads(function)
    assert first.__closure__[0].cell_contents is inner is second.__closure__[0].cell_contents
    assert fresh(lambda: applied(data)().run(look)) == 5


def elsewhere(program, *given):
    """Run a program in a process that knows nothing of this one; return what it prints."""
    code = f"import json, pickle, sys\ngiven = pickle.load(sys.stdin.buffer)\n{program}"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(given), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_a_worker_makes_a_variable_once_with_its_name_and_default():
    """All that refers to it, values and functions, in batch after batch, finds the same one."""
    inner = ContextVar("inner", default=1)

    def change(value):
        before = inner.get()
        inner.set(value)
        return before

    def look():
        return inner.get()

    def leave():
        functions = pickling.dumps(change), pickling.dumps(look)
        inner.set(5)
        return (*functions, travelling(captured()))

    found = elsewhere(
        """
from contextvars import Context
from taskpar._engine.context import applied
change, look, data = given
change, look = map(pickle.loads, (change, look))
def run():
    return [change(8), look()]
print(json.dumps([Context().run(run), Context().run(lambda: applied(data)().run(run)), look()]))
""",
        *fresh(leave),
    )
    assert found == [[1, 8], [5, 8], 1]


def test_a_variable_comes_home_as_itself():
    """What a worker made of it is known by its key."""
    inner = ContextVar("inner")
    back = elsewhere(
        """
from taskpar._engine import pickling
print(json.dumps(pickling.dumps(pickle.loads(given[0])).hex()))
""",
        pickling.dumps(inner),
    )
    assert pickle.loads(bytes.fromhex(back)) is inner


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
def test_variables_of_main_work_in_workers(how, tmp_path):
    """A function of ``__main__`` that uses one crosses; and it sees what the caller has set."""
    script = """
        import subprocess, pickle, sys
        from contextvars import ContextVar
        from taskpar._engine import pickling
        from taskpar._engine.context import captured, travelling

        request = ContextVar("request", default="none")

        def look(): return request.get()

        request.set("mine")
        data = pickle.dumps((pickling.dumps(look), travelling(captured())))
        program = '''
        import pickle, sys
        from taskpar._engine.context import applied
        look, told = pickle.load(sys.stdin.buffer)
        print(pickle.loads(look)(), applied(told)().run(pickle.loads(look)))
        '''
        code = "\\n".join(line.strip() for line in program.splitlines())
        done = subprocess.run([sys.executable, "-c", code], input=data, stdout=-1, check=True)
        print(done.stdout.decode())
        """
    done = run_script(script, tmp_path, how)
    assert (done.stdout.strip(), done.stderr) == ("none mine", "")


def test_the_names_that_decimal_and_numpy_use():
    """What context.py takes for theirs."""
    assert fresh(lambda: (decimal.getcontext(), _names())[1]) == {context._DECIMAL}
    np = pytest.importorskip("numpy", minversion="2")  # an older one has no variable
    assert fresh(lambda: (np.seterr(all="warn"), _names())[1]) == {context._NUMPY}


def _names():
    return {variable.name for variable in contextvars.copy_context()}
