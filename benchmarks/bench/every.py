"""All workloads, in the order of the table."""

from importlib import import_module

from .workload import WORKLOADS

for module in ("small", "long", "arrays", "streams", "others"):
    import_module(f".{module}", __package__)  # each registers what it has

ORDER = (
    "import",
    "import-names",
    "start-fresh",
    "start-fork",
    "round-trip",
    "submit",
    "million",
    "growth",
    "milliseconds",
    "tail-sorted",
    "tail-random",
    "arrays-in",
    "arrays-out",
    "arrays-both",
    "constant",
    "constant-again",
    "array-scalars",
    "stream",
    "slow-reader",
    "pi-bbp",
    "pi-monte-carlo",
    "counter",
    "killed",
    "threads",
    "two-executors",
)
EVERY = {key: WORKLOADS[key] for key in ORDER}
