"""How much memory a process uses, and how much there is."""

import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

_KIB = 1024
_GROUP_LIMITS = (
    "/sys/fs/cgroup/memory.max",  # version 2, as a container sees its own group
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",  # version 1
)


def resident(pid: int | None = None) -> int | None:
    """Return the resident memory of a process, in bytes; None where that cannot be known.

    Args:
        pid: The process; None: this one.
    """
    return _status(pid, "VmRSS:")


def peak(pid: int | None = None) -> int | None:
    """Return the most resident memory that a process has had, in bytes; None if not known."""
    found = _status(pid, "VmHWM:")
    if found is None and pid is None:
        return _own_peak()
    return found


def _status(pid: int | None, name: str) -> int | None:
    try:
        text = Path(f"/proc/{'self' if pid is None else pid}/status").read_text("ascii", "replace")
    except OSError:  # no Linux, or no such process any more
        return None
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * _KIB
    return None


def _own_peak() -> int | None:
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:  # POSIX only
        return None
    return getrusage(RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else _KIB)


@cache
def total() -> int:
    """Return how much memory there is for this machine or container, in bytes; 0 if not known."""
    sizes: list[int] = []
    with suppress(AttributeError, ValueError, OSError):  # POSIX only, and not all of it
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in _GROUP_LIMITS:
        with suppress(ValueError, OSError):  # "max", or no such group
            sizes.append(int(Path(path).read_text("ascii")))
    return min(sizes, default=0)


def own_peak_quickly() -> int:
    """Return what `peak` does of this process, 0 if not known, in less than a microsecond."""
    return _own_peak() or 0
