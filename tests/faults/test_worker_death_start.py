"""Workers that cannot start break their executor soon, and every call hears of the reason."""

import time

import pytest
from dying import DEATHS, all_of, needs_signals
from places import each_kind_in_processes

from rig.executors import Bench
from taskpar import InitializerError, Worker

pytestmark = needs_signals

each_with_own_workers = pytest.mark.parametrize(
    "bench", [pytest.param(Bench(kind), id=kind) for kind in ("queue", "process")]
)
"""Both that take a class of the user's for their workers, as they start by default."""

READY_WITHIN = 15.0  # seconds in which a failing start-up must be known, on a busy machine


def refuse(error):
    """As an initializer: raise."""
    raise error


ERRORS = [ValueError("no", 1), SystemExit(3), KeyboardInterrupt("stop")]
STARTING = all_of("queue", "process", "pool")


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("bench", STARTING, ids=str)
def test_an_initializer_that_raises_breaks_the_executor_soon(bench, error):
    """Every call fails with the reason, and no more are taken."""
    began = time.monotonic()
    with bench.make(initializer=refuse, initargs=(error,)) as executor:
        results = executor.map(abs, range(5))
        broken = [outcome_of_next(results) for _ in range(5)]
        assert time.monotonic() - began < READY_WITHIN
        for refused in (executor.submit, executor.map):
            with pytest.raises(InitializerError) as raised:
                refused(abs, [1])
            broken.append(raised.value)
    for each in broken:
        assert type(each) is InitializerError
        assert (type(each.__cause__), each.__cause__.args) == (type(error), error.args)


def outcome_of_next(results):
    """The error of the next result."""
    try:
        next(results)
    except BaseException as error:
        return error
    raise AssertionError("no error")


@pytest.mark.parametrize("bench", STARTING, ids=str)
def test_a_submitted_call_hears_of_a_failing_initializer(bench):
    """Its future has the error, or it is refused at once."""
    with bench.make(initializer=refuse, initargs=(ValueError("no"),)) as executor:
        try:
            error = executor.submit(abs, 1).exception(READY_WITHIN)
        except InitializerError as at_once:
            error = at_once
        assert type(error) is InitializerError
        assert error.__cause__.args == ("no",)


class Unready(Worker):
    """A worker that cannot be set up."""

    def setup(self):
        """Fail."""
        raise OSError(28, "no space left")


@each_with_own_workers
def test_a_setup_that_raises_is_told_like_an_initializer(bench):
    """It is the same moment of a worker's life."""
    with bench.make(worker_class=Unready) as executor:
        error = outcome_of_next(executor.map(abs, [1]))
        assert type(error) is InitializerError
        assert error.__cause__.args == (28, "no space left")


@pytest.mark.parametrize("how", DEATHS)
@each_kind_in_processes
def test_an_initializer_that_kills_every_worker_breaks_the_executor(bench, how):
    """There is no error to tell of, but there is an end."""
    with bench.make(initializer=DEATHS[how]) as executor:
        error = outcome_of_next(executor.map(abs, range(4)))
        assert type(error) is InitializerError
        with pytest.raises(InitializerError):
            executor.submit(abs, 1)
