"""Joining a Ray cluster: a program can be in one at a time."""

import threading
from typing import Any

from taskpar._system.cpus import available_cpus
from taskpar.backends.missing import needed

_joining = threading.Lock()
_users = 0
"""Executors that are in a Ray which we have joined; 0: there is none."""
_own = False
"""Whether that is a cluster of our own."""


def check_there() -> Any:
    """Return Ray's module.

    Raises:
        ImportError: It is not installed.
    """
    return needed("ray", "RayExecutor", "ray")


def enter(address: str | None) -> tuple[Any, bool]:
    """Join a cluster; a program can be in one at a time.

    Returns:
        Ray's module, and whether the cluster is of our own.

    Raises:
        Exception: Whatever `ray.init` raises.
    """
    global _users, _own
    ray = check_there()
    with _joining:
        if _users or not ray.is_initialized():
            if not _users and address is None:
                ray.init(num_cpus=available_cpus(), include_dashboard=False, logging_level="ERROR")
            elif not _users:
                ray.init(address, logging_level="ERROR")
            if not _users:
                _own = address is None
            _users += 1
        return ray, _own


def leave() -> None:
    """Leave it, if we have joined it and nobody else of us is there."""
    global _users, _own
    with _joining:
        if _users:
            _users -= 1
            if not _users:
                _own = False
                check_there().shutdown()
