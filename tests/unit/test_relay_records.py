"""What tasks log is handled in the caller, once and in order, and says where it comes from."""

import logging
import threading

import pytest
from relaying import log_much, relayed, run_here

from taskpar._engine import relay

pytestmark = pytest.mark.usefixtures("as_before")


def test_records_are_handled_here_once_and_in_order_as_those_of_a_plain_call(worker, collector):
    """At the levels that are set here."""
    logging.getLogger("tested").setLevel(logging.INFO)
    for number in range(3):
        log_much(number)
    expected = collector.told()
    assert len(expected) == 9
    assert worker.run(log_much, 0, 1, 2) == [0, 1, 2]
    assert collector.told() == expected


def test_a_record_is_tagged_and_says_which_process_it_comes_from(worker, collector):
    """``process`` and ``processName`` are the worker's."""
    worker.run(log_much, 5, 6)
    tags = collector.told("taskpar_index", "taskpar_pid", "process", "processName")
    name = worker.process.name
    assert tags == [(index, worker.pid, worker.pid, name) for index in (0, 0, 1, 1)]


def test_names_of_levels_and_factories_of_records_count_here(collector):
    """The worker need not know of them."""
    _, items = run_here("log", relay.settings(), log_at_45, 0)
    before = logging.getLogRecordFactory()

    def make(*args, **kwargs):
        record = before(*args, **kwargs)
        record.made = "here"
        return record

    logging.setLogRecordFactory(make)
    logging.addLevelName(45, "LOUD")
    try:
        relay.replay(items, 7)
    finally:
        logging.setLogRecordFactory(before)
        logging.addLevelName(45, "Level 45")
    assert collector.told("levelname", "made") == [("LOUD", "here")]


def log_at_45(number):
    """Log at a level without a name."""
    logging.getLogger("tested").log(45, "loud")


def test_a_record_that_is_relayed_twice_keeps_its_first_tags(collector):
    """A worker may have workers of its own: the tags say where the record comes from."""
    _, items = run_here("log", relay.settings(), log_at_45, 0)

    def outer(number):
        relay.replay(items, 11)

    relayed(outer, 0, 1)
    assert collector.told("taskpar_index", "taskpar_pid") == [(0, 11), (0, 11)]


def test_threads_that_a_task_starts_are_relayed(worker, collector, printed):
    """As long as its call's batch lasts."""
    worker.run(log_in_thread, 1, kind="all")
    assert collector.told("message", "threadName") == [("in thread 1", "own")]
    assert printed() == (f"[index 0, pid {worker.pid}] thread 1\n", "")


def log_in_thread(number):
    """Log and print in a thread."""

    def run():
        logging.getLogger("tested").warning("in thread %d", number)
        print("thread", number)

    thread = threading.Thread(target=run, name="own")
    thread.start()
    thread.join()
