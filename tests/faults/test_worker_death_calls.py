"""Law L12: a call that kills its worker fails alone, and the executor stays usable."""

import os
import signal
import sys
import time
from functools import partial

import pytest
from deeds import exited, killed
from dying import DEATHS, STAYING, checked, die_at, needs_signals, wherever_workers_die
from hypothesis import given, settings
from hypothesis import strategies as st
from places import WITHIN, each_kind_in_processes

from laws.oracle import outcomes
from rig.executors import Bench
from taskpar import Task, WorkerDiedError

pytestmark = needs_signals

CODES = {"killed": -signal.SIGKILL, "exited": 7, "crashed": -signal.SIGSEGV}
SIGNALS = {"killed": "SIGKILL", "exited": None, "crashed": "SIGSEGV"}


@pytest.mark.parametrize("how", DEATHS)
@wherever_workers_die
def test_a_call_that_kills_its_worker_fails_alone(bench, how):
    """All other results arrive in order, and the executor can be used as before."""
    with bench.make() as executor:
        checked(executor, {3}, how, count=8)
        checked(executor, {3}, how, count=5, chunksize=4)
        assert list(executor.map(abs, range(-2, 2))) == [2, 1, 0, 1]


@pytest.mark.parametrize("how", DEATHS)
@each_kind_in_processes
def test_the_error_tells_which_call_it_was_and_how_the_worker_died(bench, how):
    """Which call with what, the signal or the exit code, and whose worker it was."""
    with bench.make() as executor:
        executor.submit(abs, 1).result()
        error = executor.submit(die_at, {3}, how, 3).exception(WITHIN)
        assert type(error) is WorkerDiedError
        assert (error.index, error.name, error.attempt) == (1, "die_at", 1)
        assert error.input == f"die_at({{3}}, {how!r}, 3)"
        assert (error.exitcode, error.signal) == (CODES[how], SIGNALS[how])
        assert error.pid not in (None, os.getpid())
        assert str(error).startswith("call 1: its worker ")
        assert (SIGNALS[how] or f"exit code {CODES[how]}") in str(error)


def start_and_die(folder, number):
    """Note the start; for 2, run for longer than a slice of time, and die."""
    with (folder / "started").open("a") as file:
        file.write(str(number))
    if number == 2:
        time.sleep(0.3)
        killed()
    return number


@each_kind_in_processes
def test_a_long_call_that_kills_its_worker_is_blamed_and_nothing_runs_twice(bench, tmp_path):
    """Those before it were handed over while it ran; none of them is started again (L13)."""
    with bench.make() as executor:
        seen = outcomes(executor.map(partial(start_and_die, tmp_path), range(4), chunksize=4), 4)
        assert [outcome[0] for outcome in seen] == ["value", "value", "error", "value"]
        assert sorted((tmp_path / "started").read_text()) == list("0123")


@pytest.mark.parametrize("kind", STAYING)
@given(positions=st.sets(st.integers(0, 9)), chunksize=st.sampled_from([None, 1, 3, 10]))
@settings(max_examples=6)
def test_any_number_of_calls_may_kill_their_workers(kind, positions, chunksize):
    """The first, the last, neighbours, all of them: each is its own outcome."""
    with Bench(kind).make() as executor:
        checked(executor, positions, count=10, chunksize=chunksize)


@each_kind_in_processes
def test_deaths_in_a_lazily_read_input_do_not_stop_it(bench):
    """It is read on, in the same steps."""
    with bench.make() as executor:
        results = executor.map(partial(die_at, {2, 3, 9}, "exited"), iter(range(12)), buffersize=3)
        kinds = [outcome[0] for outcome in outcomes(results, 12)]
    assert [number for number, kind in enumerate(kinds) if kind == "error"] == [2, 3, 9]


@each_kind_in_processes
def test_a_run_of_tasks_raises_the_first_death(bench):
    """As it raises any other error."""
    with bench.make() as executor:
        with pytest.raises(WorkerDiedError) as raised:
            executor.run([Task(abs, -1), Task(killed), Task(abs, -2)])
        assert raised.value.index == 1
        assert executor.run([Task(abs, -1)]) == [1]


class KillsWhenPickled:
    """A result that kills the worker on its way home."""

    def __reduce__(self):
        os._exit(7)


class KillsWhenUnpickled:
    """An argument, or a function, that kills the worker when it arrives."""

    __taskpar_stable__ = True

    def __reduce__(self):
        return exited, ()

    def __call__(self, argument):
        """Never get here."""
        return argument


def result_that_kills(number):
    """Return something deadly for 3."""
    return KillsWhenPickled() if number == 3 else [number]


def is_harmless(argument):
    """Return whether it is a number."""
    return isinstance(argument, int)


@each_kind_in_processes
def test_a_result_that_kills_its_worker_is_its_own_calls_fault(bench):
    """Not that of the call that ran last."""
    with bench.make() as executor:
        seen = outcomes(executor.map(result_that_kills, range(6), chunksize=6), 6)
        assert [outcome[0] for outcome in seen] == ["value"] * 3 + ["error"] + ["value"] * 2
        assert seen[3][1][0] is WorkerDiedError
        assert list(executor.map(abs, [-1])) == [1]


@each_kind_in_processes
def test_an_argument_that_kills_its_worker_is_its_own_calls_fault(bench):
    """The calls beside it get theirs."""
    with bench.make() as executor:
        arguments = [1, KillsWhenUnpickled(), 2]
        seen = outcomes(executor.map(is_harmless, arguments, chunksize=3), 3)
        assert [outcome[0] for outcome in seen] == ["value", "error", "value"]
        assert seen[1][1][2]["index"] == 1


@each_kind_in_processes
def test_a_function_that_kills_its_worker_when_it_arrives_fails_each_call(bench):
    """And not the executor, however many calls there are."""
    with bench.make() as executor:
        seen = outcomes(executor.map(KillsWhenUnpickled(), range(9), chunksize=4), 9)
        assert [outcome[1][0] for outcome in seen] == [WorkerDiedError] * 9
        assert [outcome[1][2]["index"] for outcome in seen] == list(range(9))
        assert list(executor.map(abs, [-1])) == [1]


def leave(number):
    """Raise what ends programs, for some numbers."""
    if number == 1:
        sys.exit("leaving")
    if number == 2:
        raise KeyboardInterrupt(number)
    if number == 3:
        raise GeneratorExit(number)
    return os.getpid()


@pytest.mark.parametrize("kind", ["serial", "thread", "process", "pool", "queue"])
def test_what_ends_programs_elsewhere_is_only_the_calls_error_here(kind):
    """``sys.exit`` and Ctrl-C raised by a task are its outcome, and the worker lives on."""
    with Bench(kind, 1).make() as executor:
        seen = outcomes(executor.map(leave, range(5)), 5)
        errors = [(SystemExit, ("leaving",)), (KeyboardInterrupt, (2,)), (GeneratorExit, (3,))]
        assert [outcome[1][:2] for outcome in seen[1:4]] == errors
        assert kind == "process" or seen[0] == seen[4]
        futures = [executor.submit(leave, number) for number in range(1, 4)]
        raised = [future.exception(WITHIN) for future in futures]
        assert [(type(error), error.args) for error in raised] == errors
