"""What holds on every engine that is told where batches go: each test file takes these for its own.

They need a fixture `executor`, with two workers.
"""

import os
import signal
from array import array
from functools import partial
from itertools import count

import pytest

from rig.errands import die_at, draw, nap, noted, spoil, wait_for
from rig.waiting import eventually
from taskpar import CapabilityError, WorkerDiedError, record_of

WITHIN = 30.0
MEBI = 2**20


@pytest.mark.parametrize("chunksize", [None, 1, 10])
def test_a_call_that_kills_its_worker_fails_alone_and_is_started_once(
    executor, tmp_path, chunksize
):
    """Engines would start it up to four times; every other call arrives (L12, L13)."""
    log = tmp_path / "log"
    trying = executor.options(on_error="return")
    results = list(trying.map(partial(die_at, log, 57), range(100), chunksize=chunksize))
    (place,) = [at for at, result in enumerate(results) if type(result) is WorkerDiedError]
    assert place == 57
    assert [number for number in results if type(number) is int] == [*range(57), *range(58, 100)]
    error = results[57]
    assert error.index == 57
    assert record_of(error).index == 57
    assert f"(pid {error.pid}) died" in str(error)
    runs = noted(log)
    assert runs.count(57) == 1
    assert set(runs) == set(range(100))
    assert executor.submit(abs, -1).result(WITHIN) == 1


def test_a_worker_that_is_killed_from_outside_costs_at_most_the_call_that_it_was_in(
    executor, tmp_path
):
    """In the middle of a map; whoever was not started is run by somebody else."""
    log = tmp_path / "log"
    trying = executor.options(on_error="return")
    results = trying.map(partial(nap, log, 0.02), range(100))
    assert eventually(lambda: len(noted(log)) > 30, WITHIN)
    pid = int(log.read_text().splitlines()[-1].split()[1])
    os.kill(pid, signal.SIGKILL)
    seen = list(results)
    lost = [at for at, result in enumerate(seen) if type(result) is WorkerDiedError]
    assert len(lost) <= 1
    assert [n for n in seen if type(n) is int] == [n for n in range(100) if n not in lost]
    assert all(noted(log).count(at) == 1 for at in lost)


def test_a_call_that_killed_its_worker_is_tried_again_if_that_is_asked_for(executor, tmp_path):
    """As often as that, by us alone."""
    log = tmp_path / "log"
    trying = executor.options(retries=2, retry_on=WorkerDiedError)
    error = trying.submit(die_at, log, 3, 3).exception(60)
    assert type(error) is WorkerDiedError
    assert error.attempt == 3
    assert noted(log) == [3, 3, 3]


def test_equal_calls_of_an_impure_function_are_all_run(executor):
    """Dask would take the result of the first for all of them."""
    assert len(set(executor.map(draw, [0] * 50))) == 50
    assert len({executor.submit(draw, 0).result(WITHIN) for _ in range(5)}) == 5


def test_what_is_bound_is_each_calls_own(executor):
    """And can be written to, whatever its size (laws L6 and L8)."""
    data = array("q", bytes(MEBI))
    assert list(executor.map(partial(spoil, data), range(1, 40))) == [0] * 39
    assert data[0] == 0


def test_an_endless_input_is_read_as_far_as_is_needed(executor):
    """Within the bound, and no further once the results are closed."""
    read = []
    source = (read.append(number) or number for number in count())
    results = executor.map(abs, source, buffersize=50)
    for number in range(200):
        assert next(results) == number
        assert len(read) <= number + 52
    results.close()
    assert len(read) <= 252


def test_no_call_waits_behind_a_long_one_while_a_worker_is_idle(executor, tmp_path):
    """Not even if the long one waits for those behind it."""
    gate = tmp_path / "gate"
    assert list(executor.map(partial(wait_for, gate), range(4))) == [0, 1, 2, 3]


def test_what_it_cannot_do_it_refuses(executor):
    """A call that runs on an engine cannot be stopped."""
    with pytest.raises(CapabilityError, match=f"which {type(executor).__name__} has not"):
        executor.options(time_limit=1.0)
