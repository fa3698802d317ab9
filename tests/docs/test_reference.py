"""The reference is whole: every public name, law, executor, variable and example has its place."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import taskpar

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
# Two entries are written by hand, as mkdocstrings cannot follow a name with two definitions. The
# function `parallel` is named as part of its module, which would be meant otherwise.
_NAMED = re.compile(r"^(?:::: |### \w+ { #)taskpar\.(?:parallel\.)?(\w+)(?: })?$", re.MULTILINE)


def sections(page: Path) -> Iterator[tuple[str, str]]:
    """Split the API page: the name that each entry is about, and its text."""
    _, *parts = re.split(_NAMED, page.read_text(encoding="utf-8"))
    yield from zip(parts[::2], parts[1::2], strict=True)


def test_every_public_name_is_in_the_api_reference_once_and_nothing_else_is() -> None:
    """What can be imported from ``taskpar`` is documented; what is documented can be imported."""
    assert sorted(name for name, _ in sections(REFERENCE / "api.md")) == sorted(taskpar.__all__)


@pytest.mark.parametrize(("name", "text"), list(sections(REFERENCE / "api.md")))
def test_every_entry_has_an_example_that_uses_the_name(name: str, text: str) -> None:
    """The example is run by test_code_blocks."""
    _, *examples = text.split("```python\n")
    assert any(re.search(rf"\b{name}\b", example.split("```")[0]) for example in examples)


def test_every_law_has_a_row() -> None:
    """L1 to L14, each once, in order."""
    page = (REFERENCE / "laws.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (L\d+) ", page, re.MULTILINE)
    assert rows == [f"L{number}" for number in range(1, 15)]


def test_every_executor_has_a_row() -> None:
    """The table tells each of them apart from the others."""
    page = (REFERENCE / "executors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+Executor)`", page, re.MULTILINE)
    executors = {name for name in taskpar.__all__ if name.endswith("Executor")} - {"Executor"}
    assert sorted(rows) == sorted(executors)


def test_every_environment_variable_that_is_read_is_documented() -> None:
    """The names in the source are those on the page."""
    source = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("src/**/*.py"))
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    variables = re.compile(r"\bTASKPAR_[A-Z_]+\b")
    assert set(variables.findall(page)) == set(variables.findall(source))


def test_every_example_is_in_the_gallery() -> None:
    """Each program has its row and its source there."""
    gallery = (ROOT / "docs" / "how-to" / "gallery.md").read_text(encoding="utf-8")
    programs = [*ROOT.glob("examples/*/*.py"), ROOT / "examples/count_tokens.py"]
    assert programs
    assert [p.name for p in programs if f'"{p.relative_to(ROOT).as_posix()}"' not in gallery] == []


def test_every_module_is_on_the_architecture_page() -> None:
    """The table of modules is the tree of the source."""
    package = ROOT / "src" / "taskpar"
    modules = {path.relative_to(package).as_posix() for path in package.rglob("[!_]*.py")}
    page = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`([\w/]+\.py)`", page)) == modules
