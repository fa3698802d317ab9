"""Is `import taskpar` as quick as `import concurrent.futures.process`?

The two imports alternate, each in a fresh interpreter which measures itself: the start of the
interpreter does not count, and what slows the machine slows both alike. Exits with 1 when not.
"""

import os
import statistics
import subprocess
import sys
import tempfile

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


def seconds(module: str, environment: dict[str, str]) -> float:
    """Import a module in a fresh interpreter and return the seconds that it took."""
    command = [sys.executable, "-c", PROBE.format(module=module)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure(modules: list[str]) -> list[float]:
    """Return the median seconds of each import."""
    with tempfile.TemporaryDirectory() as folder:
        # Compiled modules on both sides, wherever the environment keeps them otherwise.
        environment = os.environ | {"PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for module in modules:
            seconds(module, environment)  # compiles: it does not count
        rounds = [[seconds(module, environment) for module in modules] for _ in range(ROUNDS)]
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def main() -> int:
    """Measure, print the medians and their ratio, and return the exit code."""
    modules = [OURS, THEIRS]
    medians = measure(modules)
    for module, median in zip(modules, medians, strict=True):
        print(f"import {module:27} {median * 1e3:6.1f} ms")
    ratio = medians[0] / medians[1]
    print(f"ratio {ratio:.2f}, to be at most {LIMIT:.2f}")
    return 1 if ratio > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
