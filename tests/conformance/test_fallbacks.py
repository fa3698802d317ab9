"""What only Linux or only POSIX has is not needed, and no local executor uses a network."""

from pathlib import Path

import pytest

from rig.scripts import run_script

FALLBACKS = ["TASKPAR_NO_MEMFD", "TASKPAR_NO_NONBLOCK"]

ON_FALLBACKS = """
from functools import partial
from taskpar import PoolExecutor, ProcessExecutor, QueueExecutor, SharedCounter

class Item:
    def __init__(self, size):
        self.data = b"x" * size

def measure(counter, table, item):
    counter.add()
    return len(item.data) + len(table)

sizes = [0, 1, 65_535, 65_536, 3_000_000]
table = bytes(100_000)
for executor in (QueueExecutor, ProcessExecutor, PoolExecutor):
    counter = SharedCounter()
    with executor(2, "spawn") as ex:
        found = list(ex.map(partial(measure, counter, table), map(Item, sizes)))
        quotients = ex.map(lambda x: 1 // x, [1, 0, 1])
        assert next(quotients) == 1
        try:
            next(quotients)
        except ZeroDivisionError:
            assert next(quotients) == 1
        else:
            raise SystemExit("no error at its position")
    assert found == [size + len(table) for size in sizes], executor
    assert counter.value == len(sizes), executor
print("done")
"""

WITHOUT_NETWORK = """
import socket, sys
from taskpar import PoolExecutor, ProcessExecutor, QueueExecutor, ThreadExecutor

def refuse_networks():
    def refuse(event, args):
        family = getattr(args[0], "family", None) if args and event.startswith("socket.") else None
        if family in (socket.AF_INET, socket.AF_INET6):
            raise SystemExit(f"{event} {args}")
    sys.addaudithook(refuse)

refuse_networks()
try:
    socket.create_server(("localhost", 0))
except SystemExit:
    pass
else:
    raise SystemExit("the refusal does not work")
for executor in (ThreadExecutor, QueueExecutor, ProcessExecutor, PoolExecutor):
    with executor(2, initializer=refuse_networks) as ex:
        assert list(ex.map(abs, range(20))) == list(range(20))
print("done")
"""


@pytest.mark.parametrize("chosen", [*[[name] for name in FALLBACKS], FALLBACKS], ids=" ".join)
def test_process_executors_work_on_the_fallbacks(
    chosen: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named files in place of memory files, messages of multiprocessing in place of our frames."""
    for name in chosen:
        monkeypatch.setenv(name, "1")
    done = run_script(ON_FALLBACKS, tmp_path)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_no_executor_touches_a_network(tmp_path: Path) -> None:
    """Messages travel on inherited descriptors; whoever binds or connects is stopped."""
    done = run_script(WITHOUT_NETWORK, tmp_path)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
