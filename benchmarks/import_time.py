"""Is `import taskpar` as quick as `import concurrent.futures.process`?

The two imports alternate, each in a fresh interpreter which measures itself: the start of the
interpreter does not count, and what slows the machine slows both alike. Exits with 1 when not.
"""

import statistics
import subprocess
import sys

OURS = "taskpar"
THEIRS = "concurrent.futures.process"
ROUNDS = 25  # enough for the medians to agree within a few percent from run to run
LIMIT = 1.0

PROBE = """
from time import perf_counter
start = perf_counter()
import {module}
print(perf_counter() - start)
"""


def seconds(module: str) -> float:
    """Import a module in a fresh interpreter and return the seconds that it took."""
    command = [sys.executable, "-c", PROBE.format(module=module)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Measure, print the medians and their ratio, and return the exit code."""
    modules = (OURS, THEIRS)
    for module in modules:
        seconds(module)  # the first import may compile: it does not count
    rounds = [[seconds(module) for module in modules] for _ in range(ROUNDS)]
    medians = [statistics.median(times) for times in zip(*rounds, strict=True)]
    for module, median in zip(modules, medians, strict=True):
        print(f"import {module:27} {median * 1e3:6.1f} ms")
    ratio = medians[0] / medians[1]
    print(f"ratio {ratio:.2f}, to be at most {LIMIT:.2f}")
    return 1 if ratio > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
