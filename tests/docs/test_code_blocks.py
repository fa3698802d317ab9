"""Every Python block of README and docs is run, page by page, as a reader would run it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_RUN = "python"
_NO_RUN = "{ .python .no-run }"  # the form that the site's Markdown understands
_SHOWN = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)
_TIMEOUT = 50.0  # seconds, less than pytest's own, which would tell nothing of the script


class Block(NamedTuple):
    """A code block: what is behind its fence, where its code begins, and the code."""

    head: str
    line: int
    code: str


def blocks(page: Path) -> Iterator[Block]:
    """Find the blocks of a page, in any language."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        yield Block(found[2].strip(), text.count("\n", 0, found.start(3)), found[3])


def script(page: Path) -> str:
    """Put the page's blocks into one program, each at its own line, so that tracebacks are true."""
    lines: list[str] = []
    for block in blocks(page):
        if block.head == _RUN:
            lines += [""] * (block.line - len(lines))
            lines += block.code.splitlines()
    return "\n".join(lines) + "\n" if lines else ""


def names(pages: list[Path]) -> list[str]:
    """Name pages for the report."""
    return [page.relative_to(ROOT).as_posix() for page in pages]


WITH_CODE = [page for page in PAGES if script(page)]


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_a_python_block_is_run_unless_it_says_that_it_is_not(page: Path) -> None:
    """No block escapes by being written otherwise: there are two ways to write a fence."""
    heads = {block.head for block in blocks(page) if re.search(r"\bpy", block.head)}
    assert heads <= {_RUN, _NO_RUN}


@pytest.mark.parametrize("page", WITH_CODE, ids=names(WITH_CODE))
def test_the_blocks_of_a_page_run_and_print_what_they_say(page: Path, tmp_path: Path) -> None:
    """They run in order, as one script without a guard, with every warning an error.

    What stands behind a ``print(...)`` as a comment is what it prints, in that order.
    """
    (tmp_path / page.name).with_suffix(".py").write_text(script(page), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", page.with_suffix(".py").name],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        cwd=tmp_path,
        env=_environment(),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = iter(done.stdout.splitlines())
    missing = [line for line in _SHOWN.findall(script(page)) if line not in printed]
    assert missing == [], done.stdout


def _environment() -> dict[str, str]:
    """Ours, without what a reader might have set for the library."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TASKPAR_")}
