"""Faults on every executor and under every start method take their time.

The quick profile has the default start method, and a fresh process for every call only where the
death of a worker is the matter.
"""

import pytest

from rig.executors import START_METHODS, Bench

DEFAULT = "forkserver"


def _starts_otherwise(value: object) -> bool:
    start = value.start if isinstance(value, Bench) else value
    return DEFAULT in START_METHODS and start in START_METHODS and start != DEFAULT


def _is_process(value: object) -> bool:
    return (value.kind if isinstance(value, Bench) else value) == "process"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the rest to the long profile."""
    for item in items:
        if "faults" not in item.path.parts:
            continue
        parameters = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
        slow = any(map(_starts_otherwise, parameters))
        if item.path.name != "test_worker_death.py":
            slow |= any(map(_is_process, parameters))
        if slow:
            item.add_marker(pytest.mark.slow)
