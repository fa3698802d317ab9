"""On Ray: a cluster of one node of this machine, with room for two workers."""

import os
import signal
from array import array
from functools import partial
from itertools import count

import pytest

ray = pytest.importorskip("ray", reason="needs taskpar[ray]")

from rig.engines import start_ray  # noqa: E402
from rig.errands import die_at, draw, nap, noted, size_and, spoil, wait_for  # noqa: E402
from rig.scripts import run_script  # noqa: E402
from rig.waiting import eventually  # noqa: E402
from taskpar import (  # noqa: E402
    CapabilityError,
    InitializerError,
    RayExecutor,
    WorkerDiedError,
)

WITHIN = 30.0
MEBI = 2**20


@pytest.fixture(scope="module")
def cluster():
    """The Ray of this program."""
    start_ray(2)
    yield
    ray.shutdown()


@pytest.fixture
def executor(cluster):
    """An executor on it."""
    with RayExecutor() as executor:
        yield executor


# ------------------------------------------------------------------------------------- deaths
@pytest.mark.parametrize("chunksize", [None, 1, 10])
def test_a_call_that_kills_its_worker_fails_alone_and_is_started_once(
    executor, tmp_path, chunksize
):
    """Every other call arrives (L12, L13)."""
    log = tmp_path / "log"
    trying = executor.options(on_error="return")
    results = list(trying.map(partial(die_at, log, 57), range(100), chunksize=chunksize))
    (place,) = [at for at, result in enumerate(results) if type(result) is WorkerDiedError]
    assert place == 57
    assert [number for number in results if type(number) is int] == [*range(57), *range(58, 100)]
    error = results[57]
    assert error.index == 57
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


# ------------------------------------------------------------------------------- there and back
def test_equal_calls_of_an_impure_function_are_all_run(executor):
    """None is taken for another one."""
    assert len(set(executor.map(draw, [0] * 50))) == 50


def test_a_constant_is_put_into_the_store_once(executor, monkeypatch):
    """Bytes, counted: from there each node has it once, whoever looks."""
    put = []
    real = ray.put

    def counting(data):
        put.append(len(data))
        return real(data)

    monkeypatch.setattr(ray, "put", counting)
    much = executor.map(partial(size_and, bytes(8 * MEBI)), range(500))
    assert list(much) == [8 * MEBI + number for number in range(500)]
    (size,) = put
    assert 8 * MEBI <= size < 8 * MEBI + 1000
    assert executor.stats().sent < 200_000


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


# ------------------------------------------------------------------------------ joining, leaving
def test_what_it_cannot_do_it_refuses(executor):
    """A task of Ray cannot be stopped within a call without its worker."""
    with pytest.raises(CapabilityError, match="which RayExecutor has not"):
        executor.options(time_limit=1.0)


def test_there_are_as_many_slots_as_there_is_room(cluster):
    """By what a batch takes."""
    for needs, room in (({}, 2), ({"num_cpus": 2}, 1), ({"num_cpus": 0.5}, 4)):
        with RayExecutor(**needs) as executor:
            assert list(executor.map(abs, range(-9, 0))) == [*range(9, 0, -1)]
            assert executor._core.engine.backend.slots == room


def test_the_ray_of_the_program_is_left_as_it_is(cluster):
    """Whoever has started it ends it."""
    with RayExecutor() as executor:
        assert executor.submit(abs, -1).result(WITHIN) == 1
    assert ray.is_initialized()
    assert ray.get(ray.remote(lambda: 2).remote()) == 2


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"address": 3}, TypeError, "address must be a text or None, not 3"),
        ({"num_cpus": 0}, ValueError, "one must be more than 0"),
        ({"resources": {"x": -1}}, ValueError, "and none less"),
    ],
)
def test_what_makes_no_sense_is_refused(options, error, words):
    """At once, and by name."""
    with pytest.raises(error, match=words):
        RayExecutor(**options)


PROGRAM = """
    import os
    from taskpar import RayExecutor

    class Point:
        def __init__(self, x):
            self.x = x

    with RayExecutor() as first, RayExecutor() as executor:
        points = list(executor.map(lambda point: Point(2 * point.x), [Point(1), Point(2)]))
        print([type(point) is Point and point.x for point in points])
        print(type(executor.submit(os._exit, 3).exception()).__name__)
        executor.shutdown()
        print(first.submit(abs, -1).result())
    import ray
    print(ray.is_initialized())
"""


@pytest.mark.parametrize("how", ["file", "-c"])
def test_a_ray_of_our_own_ends_with_the_last_executor_in_it(tmp_path, how):
    """Functions and classes of the program go by value; no guard is needed."""
    done = run_script(PROGRAM, tmp_path, how)
    lines = ["[2, 4]", "WorkerDiedError", "1", "False"]
    assert [line for line in done.stdout.splitlines() if "raylet" not in line] == lines, done.stderr


def test_nodes_with_another_version_are_refused(cluster, monkeypatch):
    """The message says which, and what they have."""
    from taskpar.backends import ray as backend

    monkeypatch.setattr(backend, "version", lambda: f"0.{os.getpid()}")  # no two have the same
    with RayExecutor() as executor, pytest.raises(InitializerError) as caught:
        executor.submit(abs, 1)
    assert f"not 0.{os.getpid()} as here" in str(caught.value.__cause__)
