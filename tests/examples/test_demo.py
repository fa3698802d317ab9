"""The demo: one table, every row equal to serial, and a bad end if one is not."""

from typing import Any

import pytest
from programs import EXAMPLES, Run

from rig.executors import KINDS


def test_every_row_is_equal_to_serial(run: Run) -> None:
    """Three programs, each by the builtin map and by five executors."""
    lines = run("demo.py", "--quick", "--workers", 2)
    header = next(line for line in lines if line.startswith("program "))
    assert header.split() == ["program", "executor", "seconds", "speed-up", "equal", "to", "serial"]
    rows = [line.split() for line in lines[lines.index(header) + 1 :]]
    assert [row[0] for row in rows] == [
        name for name in ("count_tokens", "pi_monte_carlo", "pi_bbp") for _ in range(1 + len(KINDS))
    ]
    assert [(row[1], row[-1]) for row in rows] == [
        ("builtin", "1.00x"),
        *((kind, "yes") for kind in KINDS),
    ] * 3


def test_a_program_that_is_not_equal_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row says NO, and the program as a whole did not agree."""
    monkeypatch.syspath_prepend(EXAMPLES)
    demo: Any = __import__("demo")
    runs = iter(range(1 + len(KINDS)))
    never_twice_the_same = demo.Program("odd", "", lambda map_: next(runs))
    assert demo.compare(never_twice_the_same, 1) is False
    assert capsys.readouterr().out.count("NO\n") == len(KINDS)
