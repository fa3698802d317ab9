"""Process ids: those that the task sees, and the one that stays on the record of its call.

Spawned workers are children of this program. With the default start method, where there is a fork
server, they are children of that.
"""

import os

from taskpar import ProcessExecutor, record_of


def ids() -> tuple[int, int]:
    return os.getpid(), os.getppid()


with ProcessExecutor(mp_context="spawn") as executor:
    future = executor.submit(ids)
    child, its_parent = future.result()

program, shell = ids()
print("this program:", program, "and its parent:", shell)
print("the child:", child, "and its parent:", its_parent)
record = record_of(future)
assert record is not None  # as it ran
print(f"call {record.index} of {record.name} ran in process {record.pid}")
