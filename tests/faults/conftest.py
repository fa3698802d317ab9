"""Faults on every executor and under every start method take their time.

The quick profile has the default start method, and the default executor: others only where the
death of a worker is the matter, or pools are.
"""

import pytest

from rig.executors import START_METHODS, Bench

DEFAULT = "forkserver"


def _starts_otherwise(value: object) -> bool:
    start = value.start if isinstance(value, Bench) else value
    return DEFAULT in START_METHODS and start in START_METHODS and start != DEFAULT


ON_ALL = {
    "test_worker_death_calls.py",
    "test_worker_death_outside.py",
    "test_worker_death_start.py",
    "test_worker_death_wire.py",
    "test_interrupted.py",
    "test_leaving.py",
}
OTHERS = ("process", "pool")


def _is_other(value: object) -> bool:
    return (value.kind if isinstance(value, Bench) else value) in OTHERS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the rest to the long profile."""
    for item in items:
        if "faults" not in item.path.parts:
            continue
        parameters = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
        slow = any(map(_starts_otherwise, parameters))
        if item.path.name not in ON_ALL:
            slow |= any(map(_is_other, parameters))
        if slow:
            item.add_marker(pytest.mark.slow)
