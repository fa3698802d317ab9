"""Counting tokens: all that can be counted is, what cannot is named, on every executor alike."""

import re
from pathlib import Path

import pytest
from programs import Run

from rig.executors import KINDS

BROKEN = {
    "bracket.py": b"x = (1,\n",
    "coding.py": b"# -*- coding: no-such-coding -*-\n",
    "dedent.py": b"if x:\n        y\n    z\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good files and broken ones, one in a subfolder, and two that are not to be counted."""
    root = tmp_path / "library"
    for name in ("part", "site-packages"):
        (root / name).mkdir(parents=True)
        (root / name / "module.py").write_text("x = 1 + 1\n")
    for name, text in BROKEN.items():
        (root / name).write_bytes(text)
    (root / "zero.py").write_text("")
    (root / "notes.txt").write_text("x = 1 + 1\n")
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_do_not_tokenize_are_named_and_the_others_counted(
    run: Run, folder: Path, kind: str
) -> None:
    """In order, with the kind of error, which differs a little between versions of Python."""
    first, *lines = run("count_tokens.py", folder, "--executor", kind, "--workers", 2)
    # x = 1 + 1 NEWLINE, and an ENCODING and an ENDMARKER for each file
    assert first == "2 files, 10 tokens"
    kinds = dict(reversed(line.split()) for line in lines[: lines.index("3 more do not tokenize")])
    assert kinds == {
        "ENCODING": "2",
        "NAME": "1",
        "OP": "2",
        "NUMBER": "2",
        "NEWLINE": "1",
        "ENDMARKER": "2",
    }
    failures = [line.strip().split(": ") for line in lines[-3:]]
    assert [name for name, _ in failures] == [str(folder / name) for name in BROKEN]
    for _, error in failures:
        assert error in ("TokenError", "SyntaxError", "IndentationError")


def test_the_standard_library_is_counted_alike_on_every_executor(run: Run) -> None:
    """What is printed does not tell where the work was done."""
    serial = run("count_tokens.py", "--limit", 20, "--executor", "serial")
    assert re.fullmatch(r"20 files, [\d,]+ tokens", serial[0])
    for kind in KINDS:
        assert run("count_tokens.py", "--limit", 20, "--executor", kind) == serial
