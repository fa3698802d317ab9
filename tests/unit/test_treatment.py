"""What an engine makes of options: rules, manners, refusals, and a call as text."""

from contextvars import Context, ContextVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar import CapabilityError, Options, SerialExecutor, Task, ThreadExecutor
from taskpar._engine.events import Rules
from taskpar._engine.treatment import (
    check_capable,
    context_for,
    finish,
    manner_of,
    rules_of,
    shown,
)
from taskpar._engine.wire import PLAINLY
from taskpar._model.outcome import NOTE, Record, record_of
from taskpar.backends.hiring import Hiring
from taskpar.backends.queue import QueueBackend
from taskpar.backends.serial import SerialBackend

SERIAL = SerialBackend(None, ())


def queue_backend():
    """A backend that can stop its workers, none of which is ever started."""
    from multiprocessing import get_context

    from taskpar import Worker

    return QueueBackend(Hiring(get_context(), Worker, None, 0, (0, 0), 1))


# ------------------------------------------------------------------------------ rules and manners
def test_options_that_ask_for_nothing_make_the_rules_that_there_are_anyway():
    """And calls are run plainly."""
    assert rules_of(Options(), fail_fast=False) == Rules()
    assert manner_of(Options(), SERIAL, None) == PLAINLY


def test_rules_are_what_options_ask_for():
    """Each option is a rule of its own."""
    options = Options(chunksize=3, time_limit=2, retries=4, cancel_running=True)
    assert rules_of(options, fail_fast=False) == Rules(3, 2.0, 4, fail_fast=False, kill=True)
    manner = manner_of(options, SERIAL, "the context")
    assert (manner.whole, manner.timed, manner.context) == (True, True, "the context")


@pytest.mark.parametrize("policy", [None, "raise", "return", "skip", "group"])
def test_only_who_reads_errors_one_by_one_can_pass_them(policy):
    """Where they are returned, left out or collected, nothing waits behind an error."""
    fast = rules_of(Options(on_error=policy), fail_fast=True).fail_fast
    assert fast is (policy in (None, "raise"))
    assert rules_of(Options(on_error=policy), fail_fast=False).fail_fast is False


@pytest.mark.parametrize("name", ["time_limit", "cancel_running"])
def test_what_needs_workers_that_can_be_stopped_is_refused_elsewhere(name):
    """At once, with the names of those that have them."""
    options = Options(**{name: 1 if name == "time_limit" else True})
    with pytest.raises(CapabilityError) as caught:
        check_capable(options, SERIAL, "SerialExecutor")
    assert str(caught.value) == (
        f"{name} needs workers that can be stopped, which SerialExecutor has not: "
        "use ProcessExecutor, PoolExecutor or QueueExecutor"
    )
    assert isinstance(caught.value, NotImplementedError)
    check_capable(options, queue_backend(), "QueueExecutor")
    refused = pytest.raises(CapabilityError, match="which ThreadExecutor has not")
    with ThreadExecutor(1) as executor, refused:
        executor.options(**options.given())


@pytest.mark.parametrize("options", [Options(), Options(cancel_running=False, retries=3)])
def test_all_else_is_no_question_of_who_runs_it(options):
    """Also an option that says no."""
    check_capable(options, SERIAL, "SerialExecutor")


VARIABLE = ContextVar("VARIABLE", default="as it is")


def test_a_context_is_taken_along_where_there_is_one_and_calls_run_elsewhere():
    """Here they see it anyway; where that is not wanted they see none, here too."""
    assert Context().run(context_for, Options(), queue_backend()) is None
    before = VARIABLE.set("as it was set")
    assert context_for(Options(), SERIAL) is None
    assert context_for(Options(), queue_backend()) is not None
    assert context_for(Options(context=False), queue_backend()) is None
    with SerialExecutor() as executor:
        assert executor.submit(VARIABLE.get).result() == "as it was set"
        assert executor.options(context=False).submit(VARIABLE.get).result() == "as it is"
    VARIABLE.reset(before)


# ------------------------------------------------------------------------------ a call as text
class Unspeakable:
    """Its repr raises."""

    def __repr__(self):
        raise SystemExit


class Pretender:
    """It says of itself that it is a task."""

    @property
    def __class__(self):
        return Task

    def __repr__(self):
        return "Pretender()"


SHOWN = [
    ("one", 3, "f(3)"),
    ("one", (1, 2), "f((1, 2))"),
    ("one", Task(abs, -3), "abs(-3)"),
    ("one", Task(dict, [], a=1).named("made"), "made([], a=1)"),
    ("star", (1, "b"), "f(1, 'b')"),
    ("star", [], "f()"),
    ("star", "ab", "f(*'ab')"),
    ("call", ((1,), {"b": 2}), "f(1, b=2)"),
    ("call", ((), {}), "f()"),
    ("one", Pretender(), "f(Pretender())"),
]


@pytest.mark.parametrize(("shape", "item", "text"), SHOWN, ids=str)
def test_a_call_is_shown_as_one_would_write_it(shape, item, text):
    """A task by its own name, all else by that of the function."""
    assert shown("f", shape, item) == text


@given(st.recursive(st.text() | st.binary(), st.lists), st.sampled_from(["one", "star"]))
def test_a_call_is_shown_in_few_words(item, shape):
    """Whatever the arguments are, and however many there are."""
    many = [item] * 100
    for call in (shown("f", "one", many), shown("f", "star", many)):
        assert len(call) <= 400
    assert len(shown("f", "call", (many, {f"word{i}": item for i in range(100)}))) <= 400


def test_a_call_is_shown_though_its_arguments_cannot_be():
    """What their repr raises is not let out."""
    assert shown("f", "star", (1, Unspeakable())) == "f(1, <Unspeakable that cannot be shown>)"


# ------------------------------------------------------------------------------ what is noted
def test_what_an_error_is_told_of_its_call_comes_behind_its_own_notes():
    """Who asks gets it as a record, a traceback shows it as notes."""
    error = ValueError("wrong")
    error.add_note("of the task")
    record = Record(3, "f", 2, 77)
    finish(error, record, "f(3)", ["attempt 1: KeyError: 1"])
    told = [f"{NOTE}call 3, attempt 2 in process 77: f(3)", f"{NOTE}attempt 1: KeyError: 1"]
    assert error.__notes__ == ["of the task", *told]
    assert record_of(error) == Record(3, "f", 2, 77, "f(3)")
