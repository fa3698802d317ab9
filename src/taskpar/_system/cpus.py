"""How many CPUs this process may really use: affinity, container limits, and the user's word.

A machine's CPU count says little in a container: the scheduler grants a share of time (a cgroup
quota), and every worker above it only waits and eats memory. Whatever cannot be read is no limit.
"""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_VARIABLE = "TASKPAR_WORKERS"

MOST_PROCESSES = 15 if sys.platform == "win32" and sys.version_info < (3, 13) else None
"""How many workers one thread can wait for: there it waits for 63 things at once, and each worker,
and each that is leaving meanwhile, is two of them. Elsewhere there is no bound."""

# Where the two versions of cgroups are mounted when `mountinfo` does not tell.
_USUAL_MOUNTS = {
    "cgroup2": ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"),
    "cgroup": ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"),
}


def available_cpus() -> int:
    """The number of CPUs that this process may use: the default number of workers.

    **Law:** `1 <= available_cpus()`, and, unless `TASKPAR_WORKERS` says otherwise, never more
    than the CPUs of the affinity mask nor the smallest CPU quota, rounded up, of the process's
    own cgroup and the groups around it (versions 1 and 2).

    Returns:
        `TASKPAR_WORKERS` where it is set and not empty, else what the system grants now.

    Raises:
        ValueError: `TASKPAR_WORKERS` is not a positive integer.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), cpython#149452.
    """
    wish = os.environ.get(_VARIABLE, "").strip()
    if wish:
        return _positive(wish)
    quota = _cgroup_limit("")
    return _affinity() if quota is None else min(_affinity(), quota)


def waitable(count: int) -> int:
    """Return so many workers, or as many as one thread can wait for."""
    return count if MOST_PROCESSES is None else min(count, MOST_PROCESSES)


def _positive(wish: str) -> int:
    if not (wish.isascii() and wish.isdigit() and int(wish) > 0):
        raise ValueError(f"{_VARIABLE} must be a positive integer, not {wish!r}")
    return int(wish)


def _affinity() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1  # also heeds PYTHON_CPU_COUNT
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _cgroup_limit(root: str) -> int | None:
    """The smallest CPU quota, rounded up, below the folder ``root``; None without any."""
    quotas = [quota for folder in _folders(root) for quota in _quotas(folder)]
    return max(1, math.ceil(min(quotas))) if quotas else None


def _folders(root: str) -> Iterator[str]:
    """The folders of this process's CPU groups, and of all the groups around them."""
    mounts = list(_mounts(root)) or [
        (kind, "/", point) for kind, points in _USUAL_MOUNTS.items() for point in points
    ]
    groups = _groups(root)
    for kind, top, point in mounts:
        inside = _inside(groups.get(kind, "/"), top)
        folder = f"{root}/{point.strip('/')}"
        yield folder
        for step in inside:
            folder = f"{folder}/{step}"
            yield folder


def _inside(group: str, top: str) -> list[str]:
    """The steps from the mounted group `top` to `group`: none where it lies outside.

    In a container the path in /proc/self/cgroup is often the host's, of which only the last part
    is mounted; then the mount itself is our own group.
    """
    steps, above = _steps(group), _steps(top)
    lies_inside = steps[: len(above)] == above and ".." not in steps
    return steps[len(above) :] if lies_inside else []


def _steps(path: str) -> list[str]:
    return [step for step in path.split("/") if step not in ("", ".")]


def _groups(root: str) -> dict[str, str]:
    """The paths of the groups that limit this process's CPU time, by file system type."""
    groups: dict[str, str] = {}
    for line in _text(f"{root}/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not path.startswith("/"):
            continue
        if not controllers:
            groups["cgroup2"] = path
        elif "cpu" in controllers.split(","):
            groups["cgroup"] = path
    return groups


def _mounts(root: str) -> Iterator[tuple[str, str, str]]:
    """The mounted CPU hierarchies: type, the group that is mounted, and where."""
    for line in _text(f"{root}/proc/self/mountinfo").splitlines():
        place, _, kind_and_options = line.partition(" - ")
        fields, kind = place.split(), kind_and_options.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        if kind[0] == "cgroup2" or (kind[0] == "cgroup" and "cpu" in kind[2].split(",")):
            yield kind[0], fields[3], fields[4]


def _quotas(folder: str) -> Iterator[float]:
    """The CPU quotas, in CPUs, that the files of one group set (version 2, version 1)."""
    cfs = [_text(f"{folder}/cpu.cfs_{name}_us") for name in ("quota", "period")]
    for text in (_text(f"{folder}/cpu.max"), " ".join(cfs)):
        try:
            quota, period = (int(word) for word in text.split())
        except ValueError:  # "max 100000", empty, or nothing that we know
            continue
        if quota > 0 and period > 0:  # version 1 writes -1 for "no limit"
            yield quota / period


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  # pathlib is slow to import
            return file.read()
    except (OSError, ValueError):  # not there, not ours to read, or not text
        return ""
