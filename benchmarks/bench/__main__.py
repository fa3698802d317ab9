"""How fast is taskpar, beside its peers and a hand-written limit, on this machine?

    make bench                     # 15 minutes
    make bench-quick               # 3 minutes
    cd benchmarks && python -m bench --only million submit --contenders queue mp limit

Everything is run in fresh processes, in turns, and only ratios of one round are compared. Peers
that are not installed are left out. Prints Markdown; with ``--write`` it goes into the docs, with
pictures.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import turns
from .every import EVERY
from .figures import Row, row
from .pools import LIBRARIES, OURS, PEERS
from .report import PICTURES, as_json, duration, lines, others, put, surroundings

DOCS = Path(__file__).parents[2] / "docs/explanation"
QUICK = ["mp", "cf", "joblib"]  # the stdlib's, and the one most people have


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = ["serial", "limit", *OURS, *PEERS]
    add = parser.add_argument
    add("--minutes", type=float, default=15.0, help="for all workloads together, about")
    add("--only", nargs="+", choices=EVERY, metavar="WORKLOAD", help=", ".join(EVERY))
    add("--contenders", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    add("--quick", action="store_true", help=f"of the peers only {', '.join(QUICK)}; 3 minutes")
    add("--json", type=Path, help="a file for all that was measured")
    add("--write", action="store_true", help="put table and pictures into the docs")
    given = parser.parse_args(words)
    if given.quick:
        given.minutes = min(given.minutes, 3.0)
        given.contenders = given.contenders or ["serial", "limit", "queue", *QUICK]
    given.contenders = given.contenders or names
    given.only = given.only or list(EVERY)
    return given


def main() -> int:
    """Measure, and show; the exit code tells whether a cell of taskpar failed."""
    given = arguments()
    turns.adopt()
    rounds: dict[str, turns.Rounds] = {}
    rows: list[Row] = []
    until = time.monotonic() + given.minutes * 60
    for done, key in enumerate(given.only):
        seconds = (until - time.monotonic()) / (len(given.only) - done)
        rounds[key] = turns.measure(key, EVERY[key], given.contenders, seconds)
        rows.append(row(key, EVERY[key], rounds[key]))
        _tell(rows[-1])
    took_part = [name for name in LIBRARIES if any(name in of for of in rounds.values())]
    where = surroundings(name for name in took_part if name in PEERS)
    text = "\n".join([where, "", *lines(rows), "", *others(rows)])
    print(text)
    if given.json:
        given.json.write_text(as_json(rounds, where), encoding="utf-8")
    if given.write:
        from .plots import draw  # here, as only this needs a library for plots

        put(f"{text}\n\n{PICTURES}", DOCS / "benchmarks.md")
        draw(rows, rounds, DOCS)
    return 1 if any(name in row.failed for row in rows for name in OURS) else 0


def _tell(row: Row) -> None:
    """Say on the way what comes out."""
    found = ", ".join(
        f"{name} {value:,.0f}" if row.figure == "pulled" else f"{name} {duration(value)}"
        for name, value in sorted(row.medians.items(), key=lambda item: item[1])
    )
    gone = "".join(f"; {name} too long" for name in row.late)
    gone += "".join(f"; {name} fails: {why}" for name, why in row.failed.items())
    print(
        f"{row.key:15} {row.rounds} rounds, {row.met}: {found}{gone}", file=sys.stderr, flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
