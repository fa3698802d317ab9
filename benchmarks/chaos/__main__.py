"""Minutes of random maps under random faults, on all process executors and start methods.

    make chaos
    cd benchmarks && python -m chaos --minutes 10 --seed 7

Workers are killed at random from outside (so at every point of the protocol), kill themselves
within calls, while an argument is unpickled and while a result is pickled; calls raise, run past
their time limit, hold the GIL, and return up to 30 MB; readers go away. Other processes load the
machine. Each call's start is written down by the worker itself, so every call can be followed.

Prints counts, and ends with status 1 unless there are zeros where zeros belong. A seed repeats the
choices, not the moments.
"""

import argparse
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from chaos.rounds import Round
from taskpar import PoolExecutor, ProcessExecutor, QueueExecutor

EXECUTORS: dict[str, type[ProcessExecutor | PoolExecutor | QueueExecutor]] = {
    "process": ProcessExecutor,
    "pool": PoolExecutor,
    "queue": QueueExecutor,
}
ZEROS = ("lost", "duplicated", "leaks")
LOAD = "while True: pass"


def leaks(before: frozenset[str]) -> list[str]:
    """Tell which threads, children and descriptors are there that were not, after a while."""
    until = time.monotonic() + 5
    while (new := _things() - before) and time.monotonic() < until:
        time.sleep(0.05)
    return sorted(new)


def _things() -> frozenset[str]:
    threads = {f"thread {thread.name}" for thread in threading.enumerate()}
    children = {f"process {child.pid}" for child in multiprocessing.active_children()}
    folder = Path("/proc/self/fd")
    numbers = {f"descriptor {path.name}" for path in folder.iterdir()} if folder.exists() else set()
    memory = {f"shared memory {path.name}" for path in Path("/dev/shm").glob("taskpar*")}
    return frozenset(threads | children | numbers | memory) - {"thread taskpar-exit"}


def session(
    kind: str, start: str, rng: random.Random, folder: Path
) -> tuple[Counter[str], list[str]]:
    """Use one executor for some rounds; return the counts, and what is wrong."""
    before = _things()
    executor = EXECUTORS[kind](rng.choice([1, 2, 4]), mp_context=start)
    counts: Counter[str] = Counter()
    complaints: list[str] = []
    with executor:
        began = time.monotonic()
        executor.submit(int).result()
        patience = max(0.1, time.monotonic() - began)
        for number in range(rng.randrange(1, 5)):
            log = folder / f"{kind}-{start}-{number}-{rng.random()}"
            each = Round(executor, log, rng, patience)
            each.run()
            counts += each.counts
            complaints += each.complaints
            del each  # it holds the executor
    del executor
    for leak in leaks(before):
        counts["leaks"] += 1
        complaints.append(f"left behind by {kind}, {start}: {leak}")
    return counts, complaints


def main() -> int:
    """Run until the time is up; return the exit status."""
    parser = argparse.ArgumentParser(description="Random maps under random faults.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--executors", nargs="*", default=list(EXECUTORS), choices=list(EXECUTORS))
    parser.add_argument("--load", type=int, default=os.cpu_count(), help="processes beside")
    given = parser.parse_args()
    print(f"chaos for {given.minutes:g} minutes, seed {given.seed}", flush=True)

    rng, until = random.Random(given.seed), time.monotonic() + 60 * given.minutes
    counts: dict[str, Counter[str]] = {}
    # What multiprocessing starts once for all, and keeps.
    for start in multiprocessing.get_all_start_methods():
        with QueueExecutor(1, mp_context=start) as executor:
            executor.submit(int).result()
    load = [subprocess.Popen([sys.executable, "-c", LOAD]) for _ in range(given.load)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            while time.monotonic() < until:
                for kind in given.executors:
                    start = rng.choice(multiprocessing.get_all_start_methods())
                    found, complaints = session(kind, start, rng, Path(folder))
                    counts.setdefault(kind, Counter()).update(found)
                    for complaint in complaints:
                        print(f"{kind}, {start}: {complaint}", flush=True)
    finally:
        for process in load:
            process.kill()
            process.wait()
    return report(counts)


def report(counts: dict[str, Counter[str]]) -> int:
    """Print the table; return the exit status."""
    names = sorted({name for each in counts.values() for name in each} | set(ZEROS))
    names = [name for name in names if name not in ZEROS] + list(ZEROS)
    print(f"{'':16}" + "".join(f"{kind:>12}" for kind in counts))
    for name in names:
        print(f"{name:16}" + "".join(f"{each[name]:>12,}" for each in counts.values()))
    print(f"{'hangs':16}" + "".join(f"{0:>12}" for _ in counts))
    bad = sum(each[name] for each in counts.values() for name in ZEROS)
    print("zeros where zeros belong" if not bad else "NOT GOOD")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
