"""Sub-interpreters: from Python 3.14 on they are workers as others, before that it is said."""

import os
import sys
from concurrent.futures import BrokenExecutor

import pytest

from rig.engines import HAS_INTERPRETERS
from taskpar import (
    CapabilityError,
    InitializerError,
    InterpreterExecutor,
    PoolExecutor,
    ProcessExecutor,
    QueueExecutor,
    SharedCounter,
)

there = pytest.mark.skipif(not HAS_INTERPRETERS, reason="Python 3.14 or newer has them")


@pytest.mark.skipif(HAS_INTERPRETERS, reason="this Python has them")
def test_older_pythons_say_what_is_needed():
    """And what else will do."""
    version = ".".join(map(str, sys.version_info[:2]))
    with pytest.raises(CapabilityError, match=f"needs Python 3.14 or newer, and this is {version}"):
        InterpreterExecutor(2)


def test_what_only_processes_have_is_refused():
    """By name, with those that have it."""
    with pytest.raises(CapabilityError, match="InterpreterExecutor has no mp_context: use"):
        InterpreterExecutor(1, mp_context="spawn")
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        InterpreterExecutor(0)


@there
def test_a_worker_has_memory_of_its_own_in_this_process():
    """What a call does to a module stays there."""

    def spoil(number):
        sys.spoilt = number
        return os.getpid(), hasattr(sys, "spoilt")

    with InterpreterExecutor(2) as executor:
        assert set(executor.map(spoil, range(20))) == {(os.getpid(), True)}
    assert not hasattr(sys, "spoilt")


@there
def test_a_worker_is_prepared_by_the_initializer():
    """Once for each, with its arguments; if that fails there is no worker."""

    def prepare(word):
        sys.prepared = word

    with InterpreterExecutor(2, initializer=prepare, initargs=("well",)) as executor:
        assert executor.submit(lambda: sys.prepared).result() == "well"
    with InterpreterExecutor(1, initializer=prepare) as executor:
        error = executor.submit(abs, 1).exception()
        assert type(error) is InitializerError
        assert isinstance(error.__cause__, BrokenExecutor)


@there
def test_a_module_that_does_not_support_them_is_an_error_of_the_call_that_imports_it():
    """The message is that of the import."""

    def sum_of_ones():
        import numpy as np

        return np.ones(3).sum()

    with InterpreterExecutor(1) as executor:
        error = executor.submit(sum_of_ones).exception()
        assert isinstance(error, ImportError)
        assert executor.submit(abs, -1).result() == 1


@there
@pytest.mark.parametrize("executor_class", [ProcessExecutor, PoolExecutor, QueueExecutor])
def test_workers_that_would_be_forked_beside_them_are_refused(executor_class):
    """Python would crash each: the error tells what to do. Others start, and these do later."""
    with InterpreterExecutor(1) as interpreters:
        assert interpreters.submit(abs, -1).result() == 1
        with executor_class(1, mp_context="fork") as forked:
            error = forked.submit(abs, -1).exception()
            assert type(error) is InitializerError
            assert "use mp_context='forkserver'" in str(error.__cause__)
        with executor_class(1) as others:
            assert others.submit(abs, -1).result() == 1
    with executor_class(1, mp_context="fork") as forked:
        assert forked.submit(abs, -1).result() == 1


@there
def test_a_counter_does_not_go_there():
    """Its locks are those of a process: the call says so, and the count stays exact."""
    counter = SharedCounter()
    with InterpreterExecutor(1) as executor:
        error = executor.submit(counter.add).exception()
        assert "cannot be unpickled" in str(error)
    assert counter.value == 0
