"""Problems of other libraries with programs: 16, 17, 32 of those in tests/README.md."""

import time

import pytest
from places import LOADED

from rig.executors import PROCESS_KINDS, benches
from rig.scripts import run_script


def made(bench):
    """Write how to make this executor."""
    return f"{bench.kind.capitalize()}Executor(2, mp_context={bench.start!r})"


@pytest.mark.parametrize("bench", benches(PROCESS_KINDS), ids=str)
def test_pain_16_three_lines_without_a_guard_run(bench, tmp_path):
    """Under every start method, once, and in seconds."""
    began = time.monotonic()
    done = run_script(
        f"""
        from taskpar import *
        print(list({made(bench)}.map(lambda x: x * x, range(5))))
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[0, 1, 4, 9, 16]\n", "", 0)
    assert time.monotonic() - began < 3.0 + LOADED


SESSION = """
from dataclasses import dataclass
from taskpar import *
ex = {make}

def double(x): return 2 * x

class Plain:
    def __init__(self, x): self.x = x

@dataclass
class Point:
    x: int

print(list(ex.map(double, [1, 2])))
print(isinstance(ex.submit(Plain, 1).result(), Plain))
print(ex.submit(Point, 1).result() == Point(1), list(ex.map(Point, [1]))[0].__class__ is Point)
print(ex.submit(lambda p: double(p.x), Point(4)).result())
ex.shutdown()
"""
ANSWER = "[2, 4]\nTrue\nTrue True\n8\n"


@pytest.mark.parametrize("how", ["-c", "stdin", "repl"])
@pytest.mark.parametrize("bench", benches(PROCESS_KINDS), ids=str)
def test_pain_17_what_a_session_defines_runs_in_workers_and_comes_back_as_what_it_is(
    bench, how, tmp_path
):
    """Functions, classes and dataclasses, of no file."""
    source = SESSION.format(make=made(bench))
    if how == "repl":  # a block ends with an empty line there
        source = source.replace("\ndef", "\n\ndef").replace("\n@", "\n\n@")
    done = run_script(source, tmp_path, how)
    assert done.stdout == ANSWER, done.stderr
    assert how == "repl" or done.stderr == ""


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_pain_17_so_does_what_was_executed_in_a_module_without_a_file(kind, tmp_path):
    """As notebooks and plug-ins do it; nobody waits for ever, in any case."""
    source = SESSION.format(make=f"{kind.capitalize()}Executor(2)")
    done = run_script(
        f"""
        import types, sys
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        exec(compile({source!r}, "<cell 1>", "exec"), vars(module))
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == (ANSWER, "")


WITHOUT_SEMAPHORES = """
import _multiprocessing

class SemLock:
    SEM_VALUE_MAX = 1

    def __init__(self, *args):
        raise OSError(38, "Function not implemented")

_multiprocessing.SemLock = SemLock
"""


@pytest.mark.parametrize("bench", benches(PROCESS_KINDS), ids=str)
def test_pain_32_where_the_system_has_no_semaphores_all_is_as_ever(bench, tmp_path, monkeypatch):
    """As in AWS Lambda; here every process of the program is without. None of ours needs one."""
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_SEMAPHORES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = run_script(
        f"""
        import multiprocessing, os
        from functools import partial
        from taskpar import *

        def has_semaphores():
            try:
                multiprocessing.Lock()
            except OSError:
                return False
            return True

        def work(counter, big, number):
            counter.add()
            return len(big) // number if number != 4 else os._exit(1)

        counter = SharedCounter()
        with {made(bench)} as ex:
            print(has_semaphores(), ex.submit(has_semaphores).result())
            function = partial(work, counter, bytes(6 * 10**6))
            seen = ex.options(on_error="return").map(function, range(5))
            print(*[each if type(each) is int else type(each).__name__ for each in seen])
            print(counter.value)
        """,
        tmp_path,
    )
    seen = "ZeroDivisionError 6000000 3000000 2000000 WorkerDiedError"
    assert (done.stdout, done.stderr) == (f"False False\n{seen}\n5\n", "")
