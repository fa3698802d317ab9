"""Problems of other libraries around a task: 4, 9, 18, 31 of those in tests/README.md."""

import contextvars
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from places import LOADED, WITHIN, each_kind_in_processes, everywhere, in_processes, outcomes

from rig.executors import PROCESS_KINDS, Bench
from rig.scripts import run_script
from rig.waiting import eventually
from taskpar import TaskTimeoutError

# ------------------------------------------------------------------------------ 4: locks
LOCK = threading.Lock()


def take_the_lock(number):
    """Take a lock of this module."""
    with LOCK:
        return number


@contextmanager
def another_thread_has_the_lock():
    """Let a thread of this process hold it, as long as this lasts."""
    held, release = threading.Event(), threading.Event()

    def hold():
        with LOCK:
            held.set()
            release.wait(WITHIN)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(WITHIN)
    try:
        yield thread.name
    finally:
        release.set()
        thread.join()


@in_processes
def test_pain_04_a_lock_that_a_thread_holds_while_workers_start_keeps_no_task_waiting(bench):
    """A fresh process has a fresh lock; only under fork it has one that nobody will release."""
    with another_thread_has_the_lock(), bench.make() as executor:
        if bench.start == "fork":
            # The user has asked for fork; what hangs is stopped by a time limit, as anything else.
            limited = executor.options(time_limit=1.0)
            seen = outcomes(limited.map(take_the_lock, range(2)))
            assert [type(each) for each in seen] == [TaskTimeoutError, TaskTimeoutError]
        else:
            assert list(executor.map(take_the_lock, range(4))) == list(range(4))


@each_kind_in_processes
def test_pain_04_fork_is_used_only_where_it_is_asked_for(bench):
    """On every version of Python: what is not told how to start has fresh locks."""
    with another_thread_has_the_lock(), bench.make() as executor:
        assert list(executor.map(take_the_lock, range(4))) == list(range(4))


@in_processes
def test_pain_04_who_asks_for_fork_is_told_once_which_threads_run(bench):
    """Where the executor is used first; nobody else is told anything."""
    warning = warnings.catch_warnings(record=True)
    with another_thread_has_the_lock() as name, warning as seen, bench.make() as executor:
        warnings.simplefilter("always")
        assert list(executor.map(abs, [-1])) == [1]
        assert executor.submit(abs, -2).result(WITHIN) == 2
    told = [each for each in seen if name in str(each.message)]
    assert len(told) == (1 if bench.start == "fork" else 0)
    for each in told:
        assert each.category is RuntimeWarning
        assert each.filename == __file__
        assert "taskpar-" not in str(each.message)


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_pain_04_a_program_without_threads_is_told_nothing(kind, tmp_path):
    """Threads of ours are no news: they hold nothing that a worker needs."""
    done = run_script(
        f"""
        from taskpar import {kind.title()}Executor
        made = [{kind.title()}Executor(2, mp_context="fork") for _ in range(2)]
        for executor in made:
            print(list(executor.map(abs, [-1, 2])))
        for executor in made:
            executor.shutdown()
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("[1, 2]\n[1, 2]\n", "")


def log_something(number):
    """Log, as libraries do."""
    logging.getLogger("a.busy.logger").warning("from a task: %s", number)
    return number


@in_processes
def test_pain_04_a_busy_logging_thread_keeps_no_task_waiting(bench):
    """Whatever handler lock it holds when the worker starts."""
    logger, stop = logging.getLogger("a.busy.logger"), threading.Event()
    handler = logging.FileHandler(os.devnull)
    logger.addHandler(handler)
    logger.propagate = False

    def log():
        while not stop.is_set():
            logger.warning("from a thread")

    thread = threading.Thread(target=log)
    thread.start()
    try:
        with bench.make() as executor:
            # Under fork the task may have got the file's own lock, held for ever: no library can
            # help that, but a time limit can.
            limited = executor.options(time_limit=3.0)
            seen = outcomes(limited.map(log_something, range(2 if bench.start == "fork" else 6)))
            if bench.start != "fork":
                assert seen == list(range(6))
            else:
                assert {type(each) for each in seen} <= {int, TaskTimeoutError}
    finally:
        stop.set()
        thread.join()
        logger.removeHandler(handler)
        logger.propagate = True
        handler.close()


# ------------------------------------------------------------------------------ 9: random numbers
def draw(_):
    """Draw from both global streams, a little later: others are to have their turn."""
    time.sleep(0.02)
    return os.getpid(), random.random(), float(np.random.random())


@in_processes
def test_pain_09_no_two_workers_share_a_stream_of_random_numbers(bench):
    """Though this process has used both; under fork, they begin with a copy of what it has."""
    random.random()
    np.random.random()
    with Bench(bench.kind, 4, bench.start).make() as executor:
        seen = list(executor.map(draw, range(12), chunksize=1))
    assert len({pid for pid, _, _ in seen}) > 1
    assert len({plain for _, plain, _ in seen}) == 12
    assert len({numeric for _, _, numeric in seen}) == 12


# ------------------------------------------------------------------------------ 18: what is said
def say(number):
    """Log, warn and print."""
    logging.getLogger("x.y").info("logged %s", number)
    logging.getLogger("x.y").debug("too quiet")
    print("printed", number)
    return number, os.getpid()


class Keeping(logging.Handler):
    """Keeps the records."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        """Keep it."""
        self.records.append(record)


@pytest.fixture
def keeping():
    """A handler of the parent's, on a logger with level INFO."""
    logger, handler = logging.getLogger("x"), Keeping()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@in_processes
def test_pain_18_what_a_task_logs_and_prints_comes_to_the_caller_once(bench, keeping, capsys):
    """In the order of the calls, and it says from which of them it is."""
    with bench.make() as executor:
        pids = [pid for _, pid in executor.options(relay="all").map(say, range(5))]
    said = [(record.getMessage(), record.taskpar_index) for record in keeping.records]
    assert said == [(f"logged {number}", number) for number in range(5)]
    assert [record.taskpar_pid for record in keeping.records] == pids
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("]")[2].strip() for line in lines] == [f"printed {n}" for n in range(5)]
    assert [f"pid {pid}]" in line for line, pid in zip(lines, pids, strict=True)] == [True] * 5


@in_processes
def test_pain_18_the_log_alone_comes_where_only_that_is_asked_for(bench, keeping, capfd):
    """What is printed goes where the worker's output goes."""
    with bench.make() as executor:
        assert executor.options(relay="log").submit(say, 7).result(WITHIN)[0] == 7
    (record,) = keeping.records
    assert record.getMessage() == "logged 7"
    assert "pid" not in capfd.readouterr().out


# ------------------------------------------------------------------------------ 31: what is around
REQUEST = contextvars.ContextVar("REQUEST", default="none")


def request(_=None):
    """Return what the caller has set."""
    return REQUEST.get()


@everywhere
def test_pain_31_a_task_sees_the_context_variables_of_who_asked_for_it(bench):
    """Each call those of its own caller; who does not want that says so."""
    with bench.make() as executor:
        token = REQUEST.set("one")
        first, mapped = executor.submit(request), executor.map(request, range(3))
        REQUEST.reset(token)
        token = REQUEST.set("two")
        second = executor.submit(request)
        without = executor.options(context=False).submit(request)
        assert (first.result(WITHIN), second.result(WITHIN)) == ("one", "two")
        assert bench.kind == "serial" or without.result(WITHIN) == "none"
        REQUEST.reset(token)
        assert bench.kind == "serial" or list(mapped) == ["one"] * 3
        assert set(executor.map(request, range(4))) == {"none"}, "of the day when it was forked"


def find_module(name):
    """Import a module."""
    __import__(name)
    return sys.modules[name].VALUE


def count_filters(_=None):
    """Tell whether the caller's filter of warnings is here."""
    return any(rule[0] == "ignore" and rule[2] is ResourceWarning for rule in warnings.filters)


@in_processes
def test_pain_31_path_directory_and_filters_are_those_of_the_caller(bench, tmp_path, monkeypatch):
    """As they are when the workers are started."""
    (tmp_path / "module_of_a_test_31.py").write_text("VALUE = 31\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        with bench.make() as executor:
            assert executor.submit(find_module, "module_of_a_test_31").result(WITHIN) == 31
            assert executor.submit(os.getcwd).result(WITHIN) == str(tmp_path.resolve())
            assert executor.submit(count_filters).result(WITHIN)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@in_processes
def test_pain_31_workers_that_are_stopped_run_no_handler_of_the_caller(bench, tmp_path):
    """It would write a file, and go on."""
    before = signal.signal(signal.SIGTERM, lambda *_: (tmp_path / str(os.getpid())).touch())
    try:
        with bench.make() as executor:
            executor.submit(abs, -1).result(WITHIN)
            began = time.monotonic()
            future = executor.options(time_limit=0.4).submit(time.sleep, WITHIN)
            assert type(future.exception(WITHIN)) is TaskTimeoutError
            assert time.monotonic() - began < 1.4 + LOADED
            for worker in executor.workers():
                if worker.pid:
                    os.kill(worker.pid, signal.SIGTERM)
            assert executor.submit(abs, -1).result(WITHIN) == 1
        eventually(lambda: list(tmp_path.iterdir()), 0.1)
        assert list(tmp_path.iterdir()) == []
    finally:
        signal.signal(signal.SIGTERM, before)
