"""One workload by one library, once, in a process of its own: ``python -m bench.cell KEY NAME``.

It prints what it measures as it goes, a line of JSON for each step, so that of a run that takes too
long it is known what it did.
"""

import json
import sys
from pathlib import Path

from .every import EVERY

EXAMPLES = Path(__file__).parents[2] / "examples"


def main() -> None:
    """Run the cell that the command line names."""
    key, name = sys.argv[1:]
    sys.path.append(str(EXAMPLES))
    for figures in EVERY[key].runs[name]():
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
