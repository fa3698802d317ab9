"""Which of eight calls survive when one misbehaves: taskpar and its peers, on this machine.

    make faults-table
    python benchmarks/faults_table.py --only sigkill result --executors queue cf

Each cell of the table is run in a process of its own, with a time limit. Peers that are not
installed are left out. Prints Markdown; with ``--write`` it goes into the docs as well.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from faults.peers import PEERS
from faults.run import Cell, Found, run
from faults.table import FAULTS, lines, possible, surroundings, write
from faults.verdict import verdict

PAGE = Path(__file__).parents[1] / "docs/explanation/faults.md"
QUICK = ["sigkill", "result", "system-exit", "frames"]  # one of each kind, and none that waits


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    add("--executors", nargs="+", choices=PEERS, metavar="NAME", help=", ".join(PEERS))
    add("--quick", action="store_true", help=f"only {', '.join(QUICK)}; a hang is told sooner")
    add("--write", action="store_true", help=f"put the table into {PAGE.name} of the docs")
    given = parser.parse_args(words)
    if given.write and (given.only or given.executors or given.quick):
        parser.error("--write is for the whole table: leave out --only, --executors and --quick")
    return given


def measure(cells: Sequence[Cell], hang: float) -> dict[Cell, Found]:
    """Run the cells, and tell on the way what comes out."""
    results: dict[Cell, Found] = {}
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        mock.patch.dict("os.environ", TMPDIR=folder),  # what is killed leaves its files there
    ):
        for cell, found in run(cells, hang):
            results[cell] = found
            reason = f" ({found['failed']})" if "failed" in found else ""
            count = f"{len(results)} of {len(cells)}"
            said = f"{cell.peer}: {verdict(found)}{reason}"
            print(f"{count:10} {cell.fault:18} {said}", file=sys.stderr, flush=True)
    return results


def main() -> int:
    """Make the table."""
    given = arguments()
    asked = given.executors or list(PEERS)
    peers = [peer for peer in asked if PEERS[peer].installed]
    faults = given.only or (QUICK if given.quick else list(FAULTS))
    every = [Cell(fault, peer) for fault in faults for peer in peers]
    results = measure([cell for cell in every if possible(cell)], 6 if given.quick else 12)
    text = "\n".join([surroundings(peers), "", *lines(results, faults, peers)])
    print(text)
    if missing := [PEERS[peer].title for peer in asked if peer not in peers]:
        print(f"Left out, as not installed: {', '.join(missing)}.", file=sys.stderr)
    if given.write:
        write(text, PAGE)
    return 1 if any("failed" in found for found in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
