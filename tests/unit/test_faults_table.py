"""The table of faults: its cells are run for real, and its words follow from what a cell tells."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PAGE = BENCHMARKS.parent / "docs/explanation/faults.md"

ALL_BUT_3 = [0, 2, 4, "WorkerDiedError", 8, 10, 12, 14]
WELL = {"late": False, "original": False, "seconds": 0.1, "usable": True, "left": True}


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The modules of the table, by their names."""
    monkeypatch.syspath_prepend(BENCHMARKS)

    def module(name: str) -> Any:
        return importlib.import_module(f"faults.{name}")

    return module


def cells(*words: str) -> dict[str, list[str]]:
    """Run the table for some of its cells, and return its rows by their headings."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "faults_table.py", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    table = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if "|" in line]
    return {head: row for head, *row in table}


def test_a_killed_worker_costs_one_call_here_and_the_pool_of_the_stdlib() -> None:
    """The table tells apart an executor that survives and one that does not."""
    rows = cells("--only", "sigkill", "--executors", "queue", "cf")
    assert rows["its worker gets `SIGKILL`"] == ["only 3", "pool dead"]
    assert rows["usable afterwards"] == ["1 of 1", "0 of 1"]


def test_workers_of_a_killed_caller_are_counted() -> None:
    """Those that sleep in a call are gone within two seconds; those of the stdlib are not."""
    rows = cells("--only", "left-sleep", "--executors", "queue", "cf")
    assert rows["workers left then, of those in a call that sleeps"] == ["0 of 2", "2 of 2"]


def test_a_hang_is_found_and_ended() -> None:
    """A cell that does not end is told as such, and its processes end with it."""
    rows = cells("--quick", "--only", "exit", "--executors", "mp")
    assert rows["it calls `os._exit`"] == ["hang"]


@pytest.mark.parametrize("peer", ["loky", "joblib", "mpire", "pebble"])
def test_each_peer_can_be_opened_and_asked(peer: str, faults: Any) -> None:
    """Where a peer is installed, an ordinary exception of a call comes back from it."""
    if not faults("peers").PEERS[peer].installed:
        pytest.skip(f"{peer} is not installed")
    rows = cells("--only", "frames", "--executors", peer)
    (row,) = (row for head, row in rows.items() if "frames" in head)
    assert row in (["yes"], ["no"], ["in part"])


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({**WELL, "answers": ALL_BUT_3}, "only 3"),
        ({**WELL, "answers": ALL_BUT_3, "original": True}, "original"),
        ({**WELL, "answers": ALL_BUT_3, "seconds": 4.2}, "only 3, 4.2 s"),
        ({**WELL, "answers": ALL_BUT_3, "usable": False}, "only 3, pool dead"),
        ({**WELL, "answers": ALL_BUT_3, "late": True}, "only 3, exit hangs"),
        ({**WELL, "answers": [0, 2, 4, None, 8, 10, 12, 14]}, "no fault"),
        ({**WELL, "answers": [0, 2, 4, "Error"]}, "rest lost"),
        ({**WELL, "answers": ["Error"]}, "rest lost"),
        ({**WELL, "answers": [0, 2, 4, "E", 8, "E", "E", 14]}, "2 others lost"),
        ({**WELL, "answers": [0, 2, "E", "E"], "usable": False}, "pool dead"),
        ({"late": True, "original": False, "answers": ALL_BUT_3}, "only 3, then hangs"),
        ({"late": True}, "hang"),
        ({"late": False}, "caller exits"),
        ({"late": False, "failed": "TypeError"}, "failed"),
        ({"late": False, "word": "yes", "left": True}, "yes"),
        ({"late": False, "word": "yes", "failed": "TypeError"}, "yes, exit raises"),
    ],
)
def test_the_words_follow_from_what_was_told(
    told: dict[str, object], words: str, faults: Any
) -> None:
    """Each outcome has its own words, and no outcome passes for a better one."""
    assert faults("verdict").verdict(told) == words


def test_the_page_takes_the_table_between_its_marks(tmp_path: Path, faults: Any) -> None:
    """What was between them goes, all else stays, and a page without them is refused."""
    table = faults("table")
    page = tmp_path / "page.md"
    page.write_text(f"above\n\n{table.BEGIN}\n{table.END}\n\nbelow\n", encoding="utf-8")
    for text in ("first", "second"):
        table.write(text, page)
    assert page.read_text(encoding="utf-8").split() == [
        *("above", *table.BEGIN.split(), "second", *table.END.split(), "below")
    ]
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="faults-table: begin"):
        table.write("third", page)


def test_the_page_of_the_docs_has_the_marks(faults: Any) -> None:
    """The table has its place, once."""
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(faults("table").BEGIN) == text.count(faults("table").END) == 1


def test_every_row_has_a_call_or_a_question_behind_it(faults: Any) -> None:
    """No fault is listed that nothing brings about."""
    table, cell, tasks = faults("table"), faults("cell"), faults("tasks")
    assert set(table.OTHERS) == set(cell.QUESTIONS)
    assert set(table.OF_EIGHT) == set(tasks.MISDEEDS) | {"argument"}
