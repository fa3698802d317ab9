"""Handlers and filters of the caller get each record once, those of a worker none."""

import logging
import os
import sys

import pytest
from relaying import Collector, log_at_tested, relayed

pytestmark = pytest.mark.usefixtures("as_before")


@pytest.mark.parametrize("name", ["tested.alone", "tested.alone.below"])
def test_loggers_that_do_not_propagate_are_relayed_to_their_own_handlers(name):
    """And to no others, as in a plain call."""
    alone, handler, root = logging.getLogger("tested.alone"), Collector(), Collector()
    alone.propagate = False
    alone.addHandler(handler)
    logging.getLogger().addHandler(root)
    relayed(lambda number: logging.getLogger(name).error("at %d", number), 1, 2)
    assert handler.told("message") == [("at 1",), ("at 2",)]
    assert root.records == []


def test_filters_run_here_alone(worker, collector):
    """A filter sees each record once, whatever it does to it."""
    seen = []

    def look(record):
        seen.append((record.getMessage(), os.getpid()))
        return "1" in record.getMessage()

    logging.getLogger("tested").addFilter(look)
    worker.run(log_at_tested, 0, 1)
    assert seen == [("warn 0", os.getpid()), ("warn 1", os.getpid())]
    assert collector.told("message") == [("warn 1",)]


def test_a_handler_that_a_call_attaches_is_served_in_the_worker_too(worker, collector, tmp_path):
    """Each call has a file of its own; its records come here as well."""
    worker.run(log_to_file, tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_text() == "to a\n"
    assert (tmp_path / "b").read_text() == "to b\n"
    assert collector.told("message") == [("to a",), ("to b",)]


def log_to_file(path):
    """Log to a file."""
    log, handler = logging.getLogger("tested.file"), logging.FileHandler(path)
    log.addHandler(handler)
    try:
        log.warning("to %s", path.name)
    finally:
        log.removeHandler(handler)
        handler.close()


def test_a_module_that_configures_logging_when_imported_does_not_double_records(
    worker, collector, tmp_path, printed
):
    """In the caller it is imported, too; the rig checks that the worker prints nothing."""
    (tmp_path / "configures.py").write_text(
        "import logging, sys\n"
        "handler = logging.StreamHandler(sys.stderr)\n"
        "logging.getLogger('tested.imported').addHandler(handler)\n"
        "logging.basicConfig()\n"
    )
    worker.run(import_and_log, tmp_path)
    assert collector.told("message") == [("imported",)]
    assert printed() == ("", "")


def import_and_log(folder):
    """Import a module that configures logging."""
    sys.path.insert(0, str(folder))
    try:
        import configures  # noqa: F401
    finally:
        sys.path.remove(str(folder))
    logging.getLogger("tested.imported").warning("imported")


def test_basic_config_in_a_task_does_nothing_as_where_logging_is_configured(worker, collector):
    """The rig checks that the worker prints nothing."""
    worker.run(configure_and_log, 1, 2)
    assert collector.told("message") == [("configured 1",), ("configured 2",)]


def configure_and_log(number):
    """Do what many functions do that are meant for workers."""
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("tested").error("configured %d", number)


def test_a_handler_that_raises_is_reported_and_the_rest_still_comes(printed, collector):
    """Whatever it raises: results come behind this."""

    class Broken(logging.Handler):
        def emit(self, record):
            raise SystemExit("broken")

    broken = Broken()
    logging.getLogger("tested").addHandler(broken)

    def run(number):
        logging.getLogger("tested").error("x %d", number)
        print("y", number)
        logging.getLogger().error("z %d", number)

    relayed(run, 0, 1, kind="all")
    out, err = printed()
    assert out == "[index 0, pid 7] y 0\n[index 1, pid 7] y 1\n"
    assert err.count("SystemExit: broken") == 2
    assert collector.told("message") == [("z 0",), ("z 1",)]
