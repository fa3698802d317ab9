"""A context variable is the same one wherever it has gone, and when it comes home."""

import json
import pickle
import subprocess
import sys
import types
from contextvars import ContextVar

import pytest
from journeys import fresh

from rig.scripts import run_script
from taskpar._engine import pickling, variables
from taskpar._engine.context import applied, captured, travelling

number: ContextVar[int] = ContextVar("number")
other: ContextVar[object] = ContextVar("other", default="default")


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
