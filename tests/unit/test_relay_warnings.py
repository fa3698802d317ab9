"""What tasks warn of is filtered and shown as if the caller had made the calls."""

import io
import logging
import warnings

import pytest
from relaying import Worker, relayed, run_here

from rig.executors import START_METHODS
from taskpar import QueueExecutor
from taskpar._engine import relay

pytestmark = pytest.mark.usefixtures("as_before")


@pytest.fixture(scope="module")
def another(shared):
    """A second worker."""
    worker = Worker("spawn")
    yield worker
    worker.stop()


class Special(UserWarning):
    """A warning with an attribute."""

    def __init__(self, text, number):
        super().__init__(text)
        self.number = number


def warn(number):
    """Warn, always in the same words."""
    warnings.warn("mind this", UserWarning, stacklevel=1)
    return number


def warn_each(number):
    """Warn in words of the call's own."""
    warnings.warn(Special(f"mind {number}", number), stacklevel=1)


def shown(run, action, **how):
    """Run with that filter and say which warnings were shown."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.filterwarnings(action, **how)
        run()
    return [(str(w.message), w.category, w.filename, w.lineno) for w in caught]


@pytest.mark.parametrize("action", ["default", "always", "once", "module", "ignore"])
@pytest.mark.parametrize("function", [warn, warn_each])
def test_warnings_are_shown_as_those_of_plain_calls(worker, another, action, function):
    """What is to be shown once is shown once, though two workers tell of it in several batches."""

    def plain():
        for number in range(6):
            function(number)

    workers = worker, another

    def parallel():
        for number in (0, 2, 4):
            workers[number % 4 // 2].run(function, number, number + 1)

    for _ in range(2):  # what was shown in a block that has ended is shown again
        assert shown(parallel, action) == shown(plain, action)


@pytest.mark.parametrize(
    "how",
    [
        {"category": Special},
        {"category": DeprecationWarning},
        {"message": "mind 1"},
        {"module": __name__ + "$"},
        {"module": "elsewhere"},
    ],
)
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_filters_count_in_the_worker_as_here(worker, action, how):
    """Also those that make a warning an error, which the call raises."""

    def outcomes(run):
        results = []

        def collect():
            results.extend(each and str(each) for each in run())

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            seen = shown(collect, action, **how)
        return results, seen

    def plain():
        for number in range(3):
            try:
                yield warn_each(number)
            except Special as error:
                yield repr(error)

    assert outcomes(lambda: worker.run(warn_each, 0, 1, 2)) == outcomes(plain)


def test_filters_that_a_worker_has_set_stay_behind_those_of_the_caller(worker):
    """A library sets its own when it is imported."""

    def run():
        worker.run(ignore, "mind 1")
        warnings.filterwarnings("always", message="mind 2")  # new settings for the worker
        worker.run(warn_each, 1, 2)

    assert [text for text, *_ in shown(run, "always", message="mind 0")] == ["mind 2"]


def ignore(text):
    """Set a filter for good."""
    warnings.filterwarnings("ignore", message=text)


def test_a_warning_is_the_same_object_in_all_but_identity(worker):
    """It has its class and its attributes, and the tags; its text is what the task wrote."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        worker.run(warn_each, 7, 8)
    first, second = [w.message for w in caught]
    assert (type(first), first.number, second.number) == (Special, 7, 8)
    assert (first.taskpar_index, second.taskpar_index) == (0, 1)
    assert first.taskpar_pid == second.taskpar_pid == worker.pid


def test_a_warning_that_cannot_cross_is_still_told():
    """Its class is made up in a function; nothing raises."""

    class Local(UserWarning):
        def __reduce__(self):
            raise SystemExit

        def __init_subclass__(cls):
            raise SystemExit

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        relayed(lambda number: warnings.warn(Local("text"), stacklevel=1), 0)
    assert [str(w.message) for w in caught] == ["text"]


def test_a_warning_that_is_an_error_by_a_newer_filter_is_shown():
    """It is too late to raise it in the call, and it is not lost."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, items = run_here("log", relay.settings(), warn, 0)
        warnings.simplefilter("error")
        relay.replay(items, 7)
    assert [str(w.message) for w in caught] == ["mind this"]


def test_warnings_that_go_to_logging_go_there_once(collector):
    """``captureWarnings`` counts here."""
    logging.captureWarnings(True)
    try:
        warnings.simplefilter("always")
        relayed(warn, 0, 1)
    finally:
        logging.captureWarnings(False)
    assert collector.told("name") == [("py.warnings",), ("py.warnings",)]


def test_a_warning_that_is_written_to_a_file_is_not_relayed(monkeypatch):
    """Who names a file wants it there."""
    shown, file = [], io.StringIO()
    monkeypatch.setattr(warnings, "showwarning", lambda *args: shown.append(args))

    def show(number):
        warnings.showwarning("text", UserWarning, "some.py", 3, file)

    assert run_here("log", relay.settings(), show, 0) == ([None], [])
    assert shown == [("text", UserWarning, "some.py", 3, file, None)]
    monkeypatch.undo()


def test_a_warning_that_is_only_caught_by_the_task_is_not_relayed():
    """It is the task's own affair."""

    def run(number):
        with warnings.catch_warnings(record=True) as inner:
            warnings.simplefilter("always")
            warn(number)
        return len(inner)

    with warnings.catch_warnings(record=True) as caught:
        assert relayed(run, 0) == [1]
    assert caught == []


@pytest.mark.parametrize("start", START_METHODS)
def test_filters_that_have_gone_since_the_worker_was_started_do_not_count(start):
    """It was given them as its caller's; its caller has others now."""
    with QueueExecutor(1, start) as executor:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", category=Special)
            assert executor.submit(abs, -1).result() == 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.resetwarnings()
            assert list(executor.options(relay="log").map(warn_each, range(2))) == [None, None]
        assert [str(w.message) for w in caught] == ["mind 0", "mind 1"]
