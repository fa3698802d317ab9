"""Shows what was measured: a table in Markdown, and everything in JSON."""

import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from taskpar import available_cpus

from .figures import Ratio, Row
from .pools import LIBRARIES, OURS, PEERS, WORKERS
from .turns import Rounds

PICTURES = """\
![For each workload, how long QueueExecutor takes in units of a peer](bench-ratios.svg)

The mark is what is to be reached, the line from the least to the most.

![What a call costs over how many there are, for each library](bench-growth.svg)

![Who works when on calls of very unlike length, the longest last](bench-timeline.svg)"""
BEGIN = "<!-- begin: make bench -->"
END = "<!-- end: make bench -->"


def lines(rows: Iterable[Row]) -> list[str]:
    """Make the table."""
    table = [
        "| workload | serial | queue | best peer | limit | to a peer | to the limit | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    table.extend(_line(row) for row in rows)
    return table


def _line(row: Row) -> str:
    of = {ratio.to: ratio for ratio in row.ratios}
    peers = {name: value for name, value in row.medians.items() if name in PEERS}
    best = min(peers, key=peers.__getitem__, default="")
    to = next((ratio for ratio in row.ratios if ratio.to in PEERS), None)
    whom = f" of {LIBRARIES[to.to].title}" if to is not None and to.to != best else ""
    cells = [
        row.title,
        _value(row, "serial"),
        _value(row, "queue"),
        f"{_value(row, best)} ({LIBRARIES[best].title})" if best else "",
        _value(row, "limit"),
        _ratio(to) + whom,
        _ratio(of.get("limit")),
        f"**{row.met}**" if row.met in ("no", "unclear") else row.met,
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    spread = f"{ratio.middle:.2f} ({ratio.low:.2f}-{ratio.high:.2f})"
    return f"{spread}, at most {ratio.bound:.3g}"


def _value(row: Row, name: str) -> str:
    if name not in row.medians:
        return ""
    value = row.medians[name]
    return f"{value:,.0f}" if row.figure == "pulled" else duration(value)


def duration(seconds: float) -> str:
    """Write seconds with three digits, in the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def others(rows: Sequence[Row]) -> list[str]:
    """Make the table of everybody's figures."""
    names = [name for name in ("serial", "limit", *OURS, *PEERS) if _took_part(rows, name)]
    titles = [LIBRARIES[name].title if name in LIBRARIES else name for name in names]
    table = [f"| workload | {' | '.join(titles)} |", "|---" * (len(names) + 1) + "|"]
    table += [f"| {row.title} | {' | '.join(_cell(row, name) for name in names)} |" for row in rows]
    return table


def _took_part(rows: Sequence[Row], name: str) -> bool:
    return any(name in (*row.medians, *row.late, *row.failed) for row in rows)


def _cell(row: Row, name: str) -> str:
    if name in row.medians:
        return _value(row, name)
    return "too long" if name in row.late else "fails" if name in row.failed else ""


def surroundings(names: Iterable[str]) -> str:
    """Say on what machine this was, and with which versions."""
    versions = [f"{name} {_version(LIBRARIES[name].package)}" for name in names]
    known = ", ".join(name for name in versions if not name.endswith(" "))
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} "
        f"{platform.machine()}, {available_cpus()} processors, {WORKERS} workers; {known}."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a part of Python
        return ""


def as_json(rounds: dict[str, Rounds], where: str) -> str:
    """Write down everything."""
    every = {
        key: {name: [taken._asdict() for taken in some] for name, some in of.items()}
        for key, of in rounds.items()
    }
    return json.dumps({"where": where, "rounds": every}, indent=1)


def put(text: str, page: Path) -> None:
    """Put the text into a page, between its marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
