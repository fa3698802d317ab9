"""Is taskpar as quick to import as what it replaces?

`import taskpar` is to take half as long as `import multiprocessing.pool`, as nothing is needed yet;
importing names of it no longer than `import concurrent.futures.process`.

The imports alternate, each in a fresh interpreter which measures itself: the start of the
interpreter does not count, and what slows the machine slows both alike. Exits with 1 when not.
"""

import os
import statistics
import subprocess
import sys
import tempfile

OURS = "import taskpar"
NAMES = "from taskpar import parallel, QueueExecutor"
POOL = "import multiprocessing.pool"
FUTURES = "import concurrent.futures.process"
LIMITS = ((OURS, POOL, 0.5), (NAMES, FUTURES, 1.0))
ROUNDS = 25  # enough for the medians to agree within a few percent from run to run

PROBE = """
from time import perf_counter
start = perf_counter()
{statement}
print(perf_counter() - start)
"""


def seconds(statement: str, environment: dict[str, str]) -> float:
    """Run a statement in a fresh interpreter and return the seconds that it took."""
    command = [sys.executable, "-c", PROBE.format(statement=statement)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure(statements: list[str]) -> dict[str, float]:
    """Return the median seconds of each import."""
    with tempfile.TemporaryDirectory() as folder:
        # Compiled modules on all sides, wherever the environment keeps them otherwise.
        environment = os.environ | {"PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for statement in statements:
            seconds(statement, environment)  # compiles: it does not count
        rounds = [
            [seconds(statement, environment) for statement in statements] for _ in range(ROUNDS)
        ]
    return dict(zip(statements, map(statistics.median, zip(*rounds, strict=True)), strict=True))


def main() -> int:
    """Measure, print the medians and their ratios, and return the exit code."""
    medians = measure([OURS, NAMES, POOL, FUTURES])
    for statement, median in medians.items():
        print(f"{statement:44} {median * 1e3:6.1f} ms")
    ratios = [(medians[ours] / medians[theirs], limit) for ours, theirs, limit in LIMITS]
    for ratio, limit in ratios:
        print(f"ratio {ratio:.2f}, to be at most {limit:.2f}")
    return 1 if any(ratio > limit for ratio, limit in ratios) else 0


if __name__ == "__main__":
    sys.exit(main())
