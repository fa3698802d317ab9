"""The benchmarks: their cells run, and what they say follows from what was measured."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = BENCHMARKS.parent / "docs/explanation/benchmarks.md"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of the benchmarks, by their names."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def module(name: str) -> Any:
        return importlib.import_module(f"bench.{name}")

    return module


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a few cells, each three times."""
    return subprocess.run(
        [sys.executable, "-m", "bench", "--minutes", "0", *words],
        cwd=BENCHMARKS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_a_workload_is_measured_and_all_of_it_is_written_down(tmp_path: Path) -> None:
    """The table has a row for it, and the file every round of everyone."""
    found = tmp_path / "found.json"
    words = ("--only", "counter", "start-fork", "--contenders", "queue", "mp", "--json", str(found))
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "| a counter that two processes count up, one step |" in done.stdout
    rounds = json.loads(found.read_text(encoding="utf-8"))["rounds"]
    assert {key: set(of) for key, of in rounds.items()} == {
        "counter": {"queue", "mp"},
        "start-fork": {"queue", "mp"},
    }
    assert all(len(some) == 3 for of in rounds.values() for some in of.values())
    assert all(cell["figures"]["seconds"] > 0 for cell in rounds["counter"]["mp"])


def test_the_limit_gives_the_results_of_the_builtin(bench: Any) -> None:
    """Whoever is faster than all has to be right, too."""
    limit, tasks = bench("limit"), bench("tasks")
    with limit.lean(7)(None) as pool:
        assert list(pool.map(tasks.square, range(100))) == [x * x for x in range(100)]
        waiting = [pool.submit(tasks.square, x) for x in range(10)]
        assert [call() for call in waiting] == [x * x for x in range(10)]
        assert list(pool.stream(tasks.square, iter(range(100)))) == [x * x for x in range(100)]


def test_the_limit_for_arrays_gives_the_results_of_the_builtin(bench: Any) -> None:
    """Arrays in and out of the memory that all share are those that were given and made."""
    np = pytest.importorskip("numpy")
    limit, tasks = bench("limit"), bench("tasks")
    arrays = [np.full(1000, float(i)) for i in range(9)]
    with limit.arena(8000)(None) as pool:
        assert list(pool.map(tasks.total, arrays)) == [1000.0 * i for i in range(9)]
        sums = [float(array.sum()) for array in pool.map(tasks.negated, arrays)]
        assert sums == [-1000.0 * i for i in range(9)]


@pytest.mark.parametrize("name", ["serial", "queue", "pool", "process", "thread", "mp", "cf"])
def test_whoever_takes_part_gives_the_results_of_the_builtin(name: str, bench: Any) -> None:
    """A figure of wrong results would be worth nothing."""
    tasks = bench("tasks")
    with bench("pools").LIBRARIES[name].open(None) as pool:
        assert list(pool.map(tasks.square, range(20))) == [x * x for x in range(20)]
        assert pool.submit(tasks.square, 3)() == 9
        assert list(pool.stream(tasks.square, iter(range(20)))) == [x * x for x in range(20)]


def rounds_of(bench: Any, **figures: list[float]) -> Any:
    """Make rounds in which each took so many seconds."""
    taken = bench("turns").Taken
    return {
        name: [taken({"seconds": s}, False, "") for s in some] for name, some in figures.items()
    }


@pytest.mark.parametrize(
    ("ours", "met"),
    [
        ([1.0, 1.0, 1.0, 1.0], "yes"),
        ([3.0, 3.0, 3.0, 3.0], "no"),
        ([1.0, 1.0, 3.0, 3.0], "unclear"),
        ([1.0, 1.0, 1.0, 1.0, 9.0], "yes"),  # one bad round is no middle half
        ([1.0, 3.0], "unclear"),
    ],
)
def test_a_verdict_needs_the_middle_half_on_one_side(
    ours: list[float], met: str, bench: Any
) -> None:
    """What a noisy machine cannot tell, the table does not."""
    workload = bench("workload")
    some = workload.Workload("", {}, workload.Target(peer=1))
    rounds = rounds_of(bench, queue=ours, mp=[2.0] * len(ours), cf=[9.0] * len(ours))
    row = bench("figures").row("key", some, rounds)
    assert row.met == met
    assert [ratio.to for ratio in row.ratios] == ["mp"]  # the better of the two


def test_ratios_are_of_one_round(bench: Any) -> None:
    """A machine that becomes slower changes no ratio."""
    workload = bench("workload")
    some = workload.Workload("", {}, workload.Target(limit=2))
    rounds = rounds_of(bench, queue=[1.0, 10.0, 100.0], limit=[2.0, 20.0, 200.0])
    (ratio,) = bench("figures").row("key", some, rounds).ratios
    assert (ratio.low, ratio.middle, ratio.high) == (0.5, 0.5, 0.5)


def test_whoever_fails_or_is_late_is_named(bench: Any) -> None:
    """No figure is no good figure."""
    taken, workload = bench("turns").Taken, bench("workload")
    rounds = rounds_of(bench, queue=[1.0])
    rounds |= {"mp": [taken({}, True, "")], "cf": [taken({}, False, "Broken")]}
    row = bench("figures").row("key", workload.Workload("t", {}, workload.Target()), rounds)
    assert (row.late, row.failed) == (["mp"], {"cf": "Broken"})
    assert bench("report").others([row])[-1] == "| t | 1 s | too long | fails |"


def test_time_is_for_those_who_are_compared(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is far behind in the first round, late or fails is not asked again; ours comes first."""
    turns, workload = bench("turns"), bench("workload")
    took = {"queue": 1.0, "limit": 0.1, "serial": 9.0, "mp": 2.0, "cf": 4.0, "loky": 4.1}
    asked: list[str] = []

    def run(_: str, name: str, __: float) -> Any:
        asked.append(name)
        if name in took:
            return turns.Taken({"seconds": took[name]}, False, "")
        return turns.Taken({}, name == "mpire", "" if name == "mpire" else "Broken")

    monkeypatch.setattr(turns, "run", run)
    names = ["serial", "limit", "queue", "mp", "cf", "loky", "joblib", "mpire", "pebble"]
    some = workload.Workload("", dict.fromkeys(names), workload.Target(peer=1, to="mpire"))
    rounds = turns.measure("key", some, names, 0)
    assert asked[0] == "queue"
    assert {name for name in names if len(rounds[name]) == 3} == {*took} - {"loky"}
    assert {name for name in names if len(rounds[name]) == 1} == {
        "loky", "joblib", "mpire", "pebble"
    }  # fmt: skip


def test_the_page_of_the_docs_has_the_marks(bench: Any, tmp_path: Path) -> None:
    """The table has its place, once; what was there goes."""
    report = bench("report")
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(report.BEGIN) == text.count(report.END) == 1
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    for words in ("first", "second"):
        report.put(words, page)
    assert "second" in page.read_text(encoding="utf-8")
    assert "first" not in page.read_text(encoding="utf-8").partition(report.BEGIN)[2]


def test_every_workload_is_in_the_table_once(bench: Any) -> None:
    """What is registered has its place."""
    assert set(bench("every").EVERY) == set(bench("workload").WORKLOADS)
