"""Fixtures of parts whose tests lie in several files."""

import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from relaying import Collector, Worker
from surrounded import NUMERIC

from rig.executors import START_METHODS
from taskpar import SerialExecutor, use


# ----------------------------------------------------------------------------------------- relay
@pytest.fixture(scope="module", params=START_METHODS)
def worker(request, shared):
    """A worker of each start method, for all tests."""
    worker = Worker(request.param)
    yield worker
    worker.stop()


@pytest.fixture
def as_before():
    """Logging and warnings of this process are as before, and so is what relay knows of them."""
    root = logging.getLogger()
    level, showing = root.level, warnings.showwarning
    handlers, logger_class = list(root.handlers), logging.getLoggerClass()
    with warnings.catch_warnings():
        yield
    assert warnings.showwarning is showing
    logging.disable(logging.NOTSET)
    logging.setLoggerClass(logger_class)
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("tested")]:
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.disabled, logger.propagate = False, True
        logger.handlers.clear()
        logger.filters.clear()


@pytest.fixture
def collector():
    """A handler at the root."""
    handler = Collector()
    logging.getLogger().addHandler(handler)
    return handler


@pytest.fixture
def printed(capsys):
    """What is printed, as a function that returns and forgets it."""
    return lambda: tuple(capsys.readouterr())


# -------------------------------------------------------------------------------------- segments
@pytest.fixture(params=["memory", "nameless", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Files in memory; files without a name, for Pythons without memfd; files with a name."""
    if request.param == "named":
        monkeypatch.setenv("TASKPAR_NO_MEMFD", "1")
    elif sys.platform != "linux":
        pytest.skip("files with a name are all that this platform has")
    elif request.param == "nameless":
        monkeypatch.delattr(os, "memfd_create")
    return request.param


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with a name lie in a folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


# ---------------------------------------------------------------------------------- surroundings
@pytest.fixture(params=START_METHODS)
def start(request):
    """Each way to start a worker."""
    return request.param


@pytest.fixture
def no_shares(monkeypatch):
    """Nothing is chosen by the user; there are eight processors."""
    for name in NUMERIC:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TASKPAR_WORKERS", "8")


# ----------------------------------------------------------------------------------- `@parallel`
@pytest.fixture(scope="module")
def serial():
    """Decorated functions run on a serial executor."""
    with SerialExecutor() as executor, use(executor):
        yield executor
