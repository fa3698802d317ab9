"""Hypothesis profiles, executors for tests, and the watch that fails whoever leaves something."""

import os
import signal
import tempfile
from collections.abc import Generator, Iterator
from multiprocessing.util import get_temp_dir

import pytest
from hypothesis import HealthCheck, Phase, settings

from rig.engines import why_impossible
from rig.executors import (
    INTERPRETER,
    KINDS,
    LAW_KINDS,
    OWN_MEMORY_KINDS,
    Bench,
    SharedExecutors,
    of_engines,
    quick,
    start_the_services,
)
from rig.leaks import left_since, name_semaphores, resources
from taskpar import Executor

PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")

settings.register_profile(
    "quick",
    max_examples=15,
    deadline=None,  # a worker may have to start, and the machine may be busy
    suppress_health_check=[HealthCheck.too_slow],
    phases=[phase for phase in Phase if phase is not Phase.explain],  # it takes a minute
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=150)
settings.load_profile(PROFILE)

# Who asks for that has each line of a process written in two pieces, with those of others between.
os.environ.pop("PYTHONUNBUFFERED", None)

# What a shell starts in the background ignores Ctrl-C, and so would the programs of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_temporary_directory() -> Iterator[None]:
    """Temporary files of this session lie in a directory of its own, so that none is overlooked."""
    get_temp_dir()  # multiprocessing has its own for the whole process, which outlives this one
    before = tempfile.tempdir
    with (
        tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        tempfile.tempdir = folder
        yield
        tempfile.tempdir = before


@pytest.fixture(scope="session")
def shared(own_temporary_directory: None) -> Iterator[SharedExecutors]:
    """The executors that tests share; after the last test nothing of them is left (law L14)."""
    name_semaphores()
    start_the_services()
    before = resources()
    executors = SharedExecutors()
    yield executors
    executors.shutdown()
    assert left_since(before, of_engines) == [], "left behind by the shared executors"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what an engine that is not ours cannot do, with the reason."""
    for item in items:
        for why in filter(None, (why_impossible(word, item.nodeid) for word in words_of(item))):
            item.add_marker(pytest.mark.skip(reason=why))


def words_of(item: pytest.Item) -> list[str]:
    """Return the parameters of a test that are words, as the kind of its executor is."""
    words = getattr(getattr(item, "callspec", None), "params", {}).values()
    return [word for word in words if type(word) is str]


_failed = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests failed."""
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest, shared: SharedExecutors) -> Iterator[None]:
    """Fail a test that leaves a process, thread, descriptor, shared memory or file (law L14)."""
    if not any(INTERPRETER in word for word in words_of(request.node)):
        shared.end_interpreters()
    before = resources()
    yield
    shared.forget_constants()
    if not request.node.stash.get(_failed, False):  # its traceback holds all that it used
        assert left_since(before, shared.held) == [], "left behind by this test"


@pytest.fixture(scope="module", params=LAW_KINDS)
def executor(request: pytest.FixtureRequest, shared: SharedExecutors) -> Executor:
    """Each of the executors, alive and warm, with two workers."""
    return shared.of(quick(request.param))


@pytest.fixture(scope="module", params=OWN_MEMORY_KINDS)
def process_executor(request: pytest.FixtureRequest, shared: SharedExecutors) -> Executor:
    """Each of the executors whose tasks have their own memory."""
    return shared.of(quick(request.param))


@pytest.fixture(params=KINDS)
def bench(request: pytest.FixtureRequest) -> Bench:
    """Each of the five executors, to be made by the test itself."""
    return Bench(request.param)
