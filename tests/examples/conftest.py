"""What the tests of the examples share."""

from pathlib import Path

import pytest
from programs import Run, run_program

import taskpar


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run_program`, with a folder of its own to run in, and with the taskpar of this process."""
    monkeypatch.setenv("PYTHONPATH", str(Path(taskpar.__file__).parents[1]))
    return lambda name, *arguments, on=None: run_program(tmp_path, name, *arguments, on=on)
