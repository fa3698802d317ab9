"""Faults under every start method take their time: the quick profile has the default one."""

import pytest

from rig.executors import START_METHODS, Bench

DEFAULT = "forkserver"


def _starts_otherwise(value: object) -> bool:
    start = value.start if isinstance(value, Bench) else value
    return DEFAULT in START_METHODS and start in START_METHODS and start != DEFAULT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the other start methods to the long profile."""
    for item in items:
        parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if "faults" in item.path.parts and any(map(_starts_otherwise, parameters)):
            item.add_marker(pytest.mark.slow)
