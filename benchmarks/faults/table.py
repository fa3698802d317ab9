"""The table itself, as Markdown, and what stands above it."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .peers import PEERS
from .run import Cell, Found
from .verdict import usable, verdict

OF_EIGHT = {
    "sigkill": "its worker gets `SIGKILL`",
    "sigsegv": "its worker gets `SIGSEGV`",
    "exit": "it calls `os._exit`",
    "sleep": "it sleeps past its limit of 1 s",
    "c-code": "it is in C code past its limit of 1 s",
    "argument": "its argument cannot be pickled",
    "result": "its result cannot be pickled",
    "exception-out": "its exception cannot be pickled",
    "exception-back": "its exception cannot be *un*pickled",
    "system-exit": "it raises `SystemExit`",
    "keyboard-interrupt": "it raises `KeyboardInterrupt`",
}
"""The faults of one call among eight, and what their rows are called."""

LIMITED = ("sleep", "c-code")

OTHERS = {
    "initializer": "the initializer raises: its error is seen",
    "left-idle": "workers left 2 s after the caller got `SIGKILL`, of idle ones",
    "left-sleep": "workers left then, of those in a call that sleeps",
    "left-c-code": "workers left then, of those in C code",
    "frames": "the worker's frames and the `__cause__` of an error are kept",
    "names": "an error tells which call it belongs to",
    "bounded": "of 20,000 items, read while the first call is slow",
}

FAULTS = {**OF_EIGHT, **OTHERS}
"""All rows that are asked for by name, in order."""

BEGIN = "<!-- faults-table: begin -->"
END = "<!-- faults-table: end -->"

Results = Mapping[Cell, Found]


def possible(cell: Cell) -> bool:
    """Tell whether a fault can happen to a library: without limits there is none to exceed."""
    return cell.fault not in LIMITED or PEERS[cell.peer].limits


def surroundings(peers: Sequence[str]) -> str:
    """Tell on what the table was made."""
    packages = dict.fromkeys(PEERS[peer].package for peer in peers)
    versions = [f"{name} {found}" for name in packages if (found := _version(name))]
    python = f"{platform.python_implementation()} {platform.python_version()}"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{python}, {machine}; {', '.join(versions)}."


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # it belongs to Python
        return None


def lines(results: Results, faults: Sequence[str], peers: Sequence[str]) -> Iterator[str]:
    """Write the table, line by line."""
    yield _row("", [PEERS[peer].title for peer in peers])
    yield _row("---", ["---"] * len(peers))
    of_eight = [fault for fault in faults if fault in OF_EIGHT]
    for fault in of_eight:
        yield _row(OF_EIGHT[fault], [_word(results, Cell(fault, peer)) for peer in peers])
    if of_eight:
        yield _row("usable afterwards", [_usable(results, of_eight, peer) for peer in peers])
    for fault in faults:
        if fault in OTHERS:
            yield _row(OTHERS[fault], [_word(results, Cell(fault, peer)) for peer in peers])


def _row(head: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"


def _word(results: Results, cell: Cell) -> str:
    return verdict(results[cell]) if cell in results else "-"


def _usable(results: Results, faults: Sequence[str], peer: str) -> str:
    found = [results[cell] for fault in faults if (cell := Cell(fault, peer)) in results]
    return f"{sum(map(usable, found))} of {len(found)}"


def write(text: str, page: Path) -> None:
    """Put the table into a page, between its two marks.

    Raises:
        ValueError: The page has no such marks.
    """
    content = page.read_text(encoding="utf-8")
    head, begin, rest = content.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} must have the lines {BEGIN} and {END}")
    page.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}", encoding="utf-8")
