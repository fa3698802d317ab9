"""Tests that need an engine which is not ours: each file skips if it is not installed."""

from collections.abc import Iterator

import pytest

from rig.engines import DaskCluster
from rig.executors import is_of_engines
from rig.leaks import Resource, left_since, resources


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Fail a test that leaves a process, shared memory or a file.

    Threads and descriptors are not looked at: engines keep some for as long as they are imported.
    """
    before = resources()
    yield
    assert left_since(before, of_the_engine, within=10.0) == [], "left behind by this test"


def of_the_engine() -> frozenset[Resource]:
    """What is not looked at, and the processes of clusters that several tests share."""
    living = {pid for cluster in DaskCluster.living for pid in cluster.pids()}
    return frozenset(
        thing
        for thing in resources()
        if is_of_engines(thing) or thing.key[0] in living or "ray::" in thing.label
    )
