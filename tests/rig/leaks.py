"""What this process holds at a moment: processes, threads, descriptors, shared memory, files.

Two snapshots around a test tell what the test left behind. Without a ``/proc`` only threads are
seen.
"""

import gc
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rig.waiting import SETTLED_WITHIN, eventually

_PROC = Path("/proc")
_SHM = Path("/dev/shm")
_WATCHER = "taskpar-exit"  # the one thread of a process that the library keeps
SEMAPHORES = f"mp{os.getpid()}"
_BEFORE = frozenset(os.listdir(_SHM) if _SHM.exists() else ())
"""Left by others, whose numbers may be used again."""
_STANDARD = {"0", "1", "2"}  # pytest captures them, or not
_SERVICES = (
    b"multiprocessing.forkserver",
    b"multiprocessing.resource_tracker",
    b"loky.backend.resource_tracker",
)


@dataclass(frozen=True)
class Resource:
    """One thing that must be given back; two are the same thing when kind and key agree."""

    kind: str
    key: tuple[object, ...]
    label: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.kind} {self.label}"


def resources() -> frozenset[Resource]:
    """Everything of ours that is alive or open now."""
    return frozenset([*_threads(), *_processes(), *_descriptors(), *_shared_memory(), *_files()])


def left_since(
    before: frozenset[Resource],
    allowed: Callable[[], frozenset[Resource]] = frozenset,
    within: float = SETTLED_WITHIN,
) -> list[str]:
    """Name what is here now and was not ``before``, once it had ``within`` seconds to go.

    Garbage is collected first: what only a cycle holds is not a leak.
    """

    def new() -> frozenset[Resource]:
        return resources() - before - allowed()

    left = new()

    def none_left() -> bool:
        nonlocal left
        gc.collect()
        left = new()
        return not left

    if left:
        eventually(none_left, within)  # once there was nothing, what comes after it is no leak
    return sorted(map(str, left))


def _threads() -> Iterator[Resource]:
    for thread in threading.enumerate():
        if thread.name != _WATCHER:
            yield Resource("thread", (id(thread),), repr(thread))


@dataclass(frozen=True)
class Process:
    """A row of the process table."""

    pid: int
    parent: int
    session: int
    state: str
    started: str
    command: bytes

    @property
    def is_service(self) -> bool:
        """Whether this is multiprocessing's own fork server or resource tracker of this process.

        A worker that the fork server forked has the same command line, but another parent.
        """
        return self.parent == os.getpid() and any(name in self.command for name in _SERVICES)


def process_table() -> list[Process]:
    """All processes that this one may see; those that end meanwhile are left out."""
    return [row for entry in _PROC.glob("[0-9]*") if (row := _row(entry)) is not None]


def _row(entry: Path) -> Process | None:
    try:
        stat = (entry / "stat").read_text(errors="replace")
        command = (entry / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    rest = stat.rpartition(")")[2].split()  # the name in the brackets may hold anything
    state, parent, session, started = rest[0], int(rest[1]), int(rest[3]), rest[19]
    return Process(int(entry.name), parent, session, state, started, command)


def descendants(root: int) -> list[Process]:
    """The children of ``root``, their children, and so on."""
    children: dict[int, list[Process]] = {}
    for row in process_table():
        children.setdefault(row.parent, []).append(row)
    found: list[Process] = []
    todo = [root]
    while todo:
        rows = children.get(todo.pop(), [])
        found += rows
        todo += [row.pid for row in rows]
    return found


def _processes() -> Iterator[Resource]:
    for row in descendants(os.getpid()):
        if not row.is_service:
            words = row.command.replace(b"\0", b" ").decode(errors="replace")
            yield Resource(
                "process", (row.pid, row.started), f"{row.pid} ({row.state}) {words[:120]}"
            )


def _descriptors() -> Iterator[Resource]:
    table = _PROC / "self/fd"
    if not table.exists():
        return
    for number in set(os.listdir(table)) - _STANDARD:
        try:
            target = str((table / number).readlink())
        except FileNotFoundError:  # the descriptor that listed the table
            continue
        if ".so." not in target:  # some libraries hold themselves, once they are loaded
            yield Resource("descriptor", (number, target), f"{number} -> {target}")


def name_semaphores() -> None:
    """Let multiprocessing give the semaphores of this process names that no other process gives."""
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    config["semprefix"] = f"/{SEMAPHORES}"


def shared_memory_names(semaphores: str = SEMAPHORES) -> frozenset[str]:
    """Name shared memory of ours on this machine; semaphores are ours that begin like this."""
    names = set(os.listdir(_SHM)) - _BEFORE if _SHM.exists() else set()
    ours = {name for name in names if name.startswith(f"sem.{semaphores}-")}
    notes = {name for name in names if name.startswith("taskpar-")}
    return frozenset(ours | {note for note in notes if not _is_of_others(note)})


def _is_of_others(note: str) -> bool:
    """Tell whether a program beside the tests is at work on it: its name has the number of that."""
    maker = note.split("-")[1]
    if not Path("/proc", maker).exists():
        return False
    return maker not in {str(os.getpid()), *(str(each.pid) for each in descendants(os.getpid()))}


def _shared_memory() -> Iterator[Resource]:
    for name in shared_memory_names():
        yield Resource("shared memory", (name,), name)


def _files() -> Iterator[Resource]:
    """Entries of the directory for temporary files, which a session of tests has for itself."""
    for name in os.listdir(tempfile.gettempdir()):
        if not name.startswith("pytest-of-"):
            yield Resource("file", (name,), name)


def resident_bytes() -> int:
    """How much memory of this process is in RAM."""
    pages = int((_PROC / "self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def can_see_processes() -> bool:
    """Whether this platform shows its process table as files."""
    return sys.platform == "linux" and (_PROC / "self/stat").exists()
