"""Fixtures of parts whose tests lie in several files."""

import logging
import warnings

import pytest
from relaying import Collector, Worker

from rig.executors import START_METHODS


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
