"""The levels and classes of loggers that are set in the caller count in a worker."""

import logging

import pytest
from relaying import Worker, log_much, run_here

from rig.executors import START_METHODS
from taskpar._engine import relay

pytestmark = pytest.mark.usefixtures("as_before")


class Printing(logging.Handler):
    """Prints what it gets, at the moment."""

    def emit(self, record):
        """Print a record."""
        print(record.getMessage())


@pytest.mark.skipif("fork" not in START_METHODS, reason="needs fork")
def test_handlers_and_levels_that_a_worker_has_inherited_do_not_count(collector):
    """It is told what counts now; and what it inherited writes nothing, as the rig checks."""
    log = logging.getLogger("tested.much")
    log.setLevel(logging.DEBUG)
    log.addHandler(Printing())
    log.propagate = False
    worker = Worker("fork")
    log.setLevel(logging.NOTSET)
    log.handlers.clear()
    log.propagate = True
    worker.run(log_much, 0)
    worker.stop()
    assert collector.told("message") == [("warn 0",), ("root 0",)]


def test_a_level_that_changes_counts_from_the_next_batch_on(worker, collector):
    """Set, reset, disabled, and disabled for all."""

    def messages():
        worker.run(log_much, 0)
        return [message.split()[0] for (message,) in collector.told("message")]

    log = logging.getLogger("tested.much")
    log.setLevel(logging.DEBUG)
    assert messages() == ["debug", "info", "warn", "root"]
    log.setLevel(logging.NOTSET)
    assert messages() == ["warn", "root"]
    logging.getLogger().setLevel(logging.DEBUG)
    assert messages() == ["debug", "info", "warn", "root"]
    log.disabled = True
    assert messages() == ["warn", "root"]
    log.disabled = False
    logging.disable(logging.WARNING)
    assert messages() == ["root"]
    logging.disable(logging.NOTSET)
    assert messages() == ["debug", "info", "warn", "root"]


def test_settings_are_the_same_bytes_until_something_changes():
    """So a worker takes them over once."""
    before = relay.settings()
    assert relay.settings() is before
    logging.getLogger("tested.new").setLevel(logging.DEBUG)
    assert relay.settings() != before


def test_what_a_worker_alone_has_set_stays_set(worker, collector):
    """A library that is imported there only sets the level of its own logger."""
    worker.run(set_debug, "tested.there")
    logging.getLogger("tested.other").setLevel(logging.INFO)  # new settings for the worker
    worker.run(log_debug, "tested.there")
    assert collector.told("name", "message") == [("tested.there", "small")]


def set_debug(name):
    """Set a level."""
    logging.getLogger(name).setLevel(logging.DEBUG)


def log_debug(name):
    """Log something small."""
    logging.getLogger(name).debug("small")


def test_a_logger_of_its_own_class_is_not_made_in_its_place(collector):
    """Whoever makes it with the right class still can; then it has its level."""

    class Special(logging.Logger):
        """Can do more than others."""

        def special(self):
            self.debug("special")

    logging.setLoggerClass(Special)
    logging.getLogger("tested.special").setLevel(logging.DEBUG)
    logging.setLoggerClass(logging.Logger)
    told = relay.settings()
    del logging.root.manager.loggerDict["tested.special"]  # as in a worker that knows nothing of it

    def log(number):
        logging.setLoggerClass(Special)
        try:
            logging.getLogger("tested.special").special()
        finally:
            logging.setLoggerClass(logging.Logger)

    assert run_here("log", told, log, 0)[0] == [None]
    results, items = run_here("log", told, log, 0)
    assert (results, len(items)) == ([None], 1)
