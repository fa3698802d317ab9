"""What users of other libraries suffer from in scripts and notebooks (USER_PAINS 16, 17)."""

import time

import pytest
from places import LOADED

from rig.executors import PROCESS_KINDS, START_METHODS, Bench, benches
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
@pytest.mark.parametrize("start", START_METHODS)
def test_pain_17_what_a_session_defines_runs_in_workers_and_comes_back_as_what_it_is(
    start, how, tmp_path
):
    """Functions, classes and dataclasses, of no file."""
    source = SESSION.format(make=made(Bench("queue", 2, start)))
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
