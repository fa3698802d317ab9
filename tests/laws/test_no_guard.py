"""A program needs no ``__main__`` guard, and what it defines itself may go to a worker."""

from pathlib import Path

import pytest

from rig.executors import START_METHODS, Bench, benches
from rig.scripts import run_script

FIVE_LINES = """
from taskpar import {name}
class Point(tuple): pass
with {name}(2{start}) as ex:
    points = list(ex.map(lambda x: Point([x, x * x]), range(5)))
print(points, all(isinstance(point, Point) for point in points))
"""
ANSWER = "[(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)] True\n"

FUNCTIONS_AND_ERRORS = """
import sys
from dataclasses import dataclass
from taskpar import QueueExecutor, Task, partial
ex = QueueExecutor(2, mp_context={start!r})

class Trouble(Exception):
    def __init__(self, what, where):
        super().__init__(what + where)
        self.where = where

@dataclass(frozen=True)
class Point:
    x: int
    def norm(self):
        return abs(self.x) + SHIFT

SHIFT = 10

def norm(point):
    return helper(point)

def helper(point):
    if point.x == 3:
        raise Trouble("at ", str(point.x))
    return point.norm()

results = ex.map(norm, map(Point, range(-1, 4)))
print([next(results) for _ in range(4)])
try:
    next(results)
except Trouble as trouble:
    print(trouble, trouble.where, type(trouble) is Trouble)

print(ex.submit(Point, 5).result() == Point(5), ex.run([Task(Point(-2).norm)]))
print(list(ex.map(partial(Point(7).__eq__), [Point(7), Point(8)])))
ex.shutdown()
"""
FUNCTIONS_AND_ERRORS_ANSWER = """\
[11, 10, 11, 12]
at 3 3 True
True [12]
[True, False]
"""


def five_lines(bench: Bench) -> str:
    """Write the program for an executor."""
    start = "" if bench.start is None else f", mp_context={bench.start!r}"
    return FIVE_LINES.format(name=f"{bench.kind.capitalize()}Executor", start=start)


@pytest.mark.parametrize("bench", benches(), ids=str)
def test_five_lines_with_a_lambda_and_a_class_of_their_own_run(
    bench: Bench, tmp_path: Path
) -> None:
    """What comes back is of the program's own class."""
    done = run_script(five_lines(bench), tmp_path)
    assert (done.stdout, done.stderr) == (ANSWER, "")


@pytest.mark.parametrize("start", START_METHODS)
@pytest.mark.parametrize("how", ["-c", "stdin", "repl"])
def test_a_program_need_not_be_a_file(how: str, start: str, tmp_path: Path) -> None:
    """``python -c``, a script from standard input, and a session of the REPL."""
    source = five_lines(Bench("queue", 2, start))
    if how == "repl":  # a block ends with an empty line there
        source = source.replace("\nwith", "\n\nwith").replace("\nprint", "\n\nprint")
    done = run_script(source, tmp_path, how)
    assert done.stdout == ANSWER, done.stderr
    assert how == "repl" or done.stderr == ""


@pytest.mark.parametrize("how", ["file", "-c", "stdin"])
@pytest.mark.parametrize("start", START_METHODS)
def test_functions_classes_globals_and_errors_of_a_program_cross(
    start: str, how: str, tmp_path: Path
) -> None:
    """A function finds what it calls and the globals it reads; errors keep class and attributes."""
    done = run_script(FUNCTIONS_AND_ERRORS.format(start=start), tmp_path, how)
    assert (done.stdout, done.stderr) == (FUNCTIONS_AND_ERRORS_ANSWER, "")


@pytest.mark.parametrize("start", START_METHODS)
def test_the_program_itself_is_run_once(start: str, tmp_path: Path) -> None:
    """No worker imports it: what it prints at its top is printed once."""
    done = run_script(
        f"""
        print("top")
        from taskpar import QueueExecutor
        ex = QueueExecutor(2, mp_context={start!r})
        print(sorted(ex.map(abs, range(-3, 0))))
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("top\n[1, 2, 3]\n", "")


@pytest.mark.parametrize("start", START_METHODS)
def test_a_guarded_program_runs_as_well(start: str, tmp_path: Path) -> None:
    """The guard of the textbooks does no harm."""
    done = run_script(
        f"""
        from taskpar import QueueExecutor
        def double(x):
            return 2 * x
        if __name__ == "__main__":
            with QueueExecutor(2, mp_context={start!r}) as ex:
                print(list(ex.map(double, [1, 2])))
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("[2, 4]\n", "")


def test_a_function_defined_anew_is_the_one_that_runs(tmp_path: Path) -> None:
    """As in a notebook: the same name again is another function, for the same workers."""
    done = run_script(
        """
        from taskpar import QueueExecutor
        ex = QueueExecutor(2)
        SHIFT = 1
        def f(x): return x + SHIFT

        print(list(ex.map(f, [1, 2])))
        SHIFT = 5
        print(list(ex.map(f, [1, 2])))
        def f(x): return -x

        print(list(ex.map(f, [1, 2])))
        class C: kind = "first"

        print(ex.submit(lambda: C().kind).result())
        class C: kind = "second"

        print(ex.submit(lambda: C().kind).result(), isinstance(ex.submit(C).result(), C))
        C.kind = "third"
        print(ex.submit(lambda: C().kind).result())
        ex.shutdown()
        """,
        tmp_path,
        "repl",
    )
    assert done.stdout == "[2, 3]\n[6, 7]\n[-1, -2]\nfirst\nsecond True\nthird\n", done.stderr


def test_main_looks_the_same_after_workers_were_started(tmp_path: Path) -> None:
    """Starting workers hides nothing of ``__main__`` for longer than that takes."""
    done = run_script(
        """
        import __main__, pickle
        before = sorted(vars(__main__)), __file__, __spec__
        from taskpar import QueueExecutor
        with QueueExecutor(1, mp_context="spawn") as ex:
            assert ex.submit(abs, -1).result() == 1
        del QueueExecutor, ex
        after = sorted(set(vars(__main__)) - {"before"}), __file__, __spec__
        print(before == after)
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
