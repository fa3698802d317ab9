"""On a Dask cluster: a scheduler and two workers with a nanny each, which talk by TCP."""

import os
import signal
import time
from functools import partial

import pytest

distributed = pytest.importorskip("distributed", reason="needs taskpar[dask]")

from alike import *  # noqa: E402, F403  # its tests are ours, too

from rig.engines import DaskCluster  # noqa: E402
from rig.errands import (  # noqa: E402
    die_at,
    fetched,
    here,
    nap,
    noted,
    size_and,
)
from rig.leaks import can_see_processes, descendants, shared_memory_names  # noqa: E402
from rig.scripts import run_script, started  # noqa: E402
from rig.waiting import eventually  # noqa: E402
from taskpar import (  # noqa: E402
    DaskExecutor,
    InitializerError,
    WorkerDiedError,
)
from taskpar._engine.noting import last_notes  # noqa: E402

WITHIN = 30.0
MEBI = 2**20


@pytest.fixture(scope="module")
def cluster():
    """The cluster of these tests: its nannies replace who dies."""
    made = DaskCluster()
    yield made
    made.close()


@pytest.fixture
def executor(cluster):
    """An executor on it, both workers there."""
    with DaskExecutor(cluster.address) as executor:
        assert executor.submit(abs, -1).result(WITHIN) == 1
        assert eventually(lambda: len(executor.workers()) == 2, WITHIN)
        yield executor


def slots(executor):
    """How many batches may be out."""
    return executor._core.engine.backend.slots


# ------------------------------------------------------------------------------------- deaths


@pytest.mark.timeout(120)
def test_when_the_machine_is_gone_too_all_that_were_out_with_the_call_have_failed(tmp_path):
    """Nobody knows which one it was, and none may be started twice."""
    made = DaskCluster(1)
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            DaskExecutor(made.address) as executor,
        ):
            from taskpar.backends import dask

            patch.setattr(dask, "NOTE_SECONDS", 1.0)
            log = tmp_path / "log"
            trying = executor.options(on_error="return")
            results = trying.map(partial(nap, log, 30.0), range(6), chunksize=3)
            assert eventually(lambda: noted(log), WITHIN)
            for row in descendants(made.workers[0].pid):
                os.kill(row.pid, signal.SIGKILL)
            made.workers[0].kill()
            errors = [next(results) for _ in range(3)]
            assert {type(error) for error in errors} == {WorkerDiedError}
            assert "of which nothing more is heard" in str(errors[0])
            assert [error.index for error in errors] == [0, 1, 2]
            results.close()
            assert noted(log) == [0]
            name = executor._core.engine.backend.name
    finally:
        made.close()
    # The memory of a machine that is really gone is gone with it; this one's note is still there.
    assert last_notes([f"{name}-0"])[0][0] == 0


@pytest.mark.timeout(120)
def test_when_the_scheduler_is_gone_nobody_waits_for_ever(tmp_path):
    """What was out has failed, the rest is told that the executor is broken."""
    made = DaskCluster(1)
    try:
        with DaskExecutor(made.address) as executor:
            log = tmp_path / "log"
            trying = executor.options(on_error="return")
            results = trying.map(partial(nap, log, 2.0), range(5), chunksize=1)
            assert eventually(lambda: noted(log), WITHIN)
            made.scheduler.kill()
            assert type(next(results)) is WorkerDiedError
            with pytest.raises(InitializerError, match="broken"):
                next(results)
            with pytest.raises(InitializerError, match="broken"):
                executor.submit(abs, 1)
    finally:
        made.close()


# ------------------------------------------------------------------------------- there and back


def test_a_constant_crosses_to_each_worker_once(cluster, executor, monkeypatch):
    """Bytes, counted, over two maps: what is scattered, and what workers fetch from each other."""
    scattered = []
    scatter = distributed.Client.scatter

    def counting(client, data, **options):
        scattered.append(len(data))
        return scatter(client, data, **options)

    monkeypatch.setattr(distributed.Client, "scatter", counting)
    client = distributed.Client(cluster.address, set_as_default=False)
    before = sum(client.run(fetched).values())
    for _ in range(2):
        much = executor.map(partial(size_and, bytes(8 * MEBI)), range(500))
        assert list(much) == [8 * MEBI + number for number in range(500)]
    (size,) = scattered
    assert 8 * MEBI <= size < 8 * MEBI + 1000
    moved = sum(client.run(fetched).values()) - before
    client.close()
    assert moved <= 8 * MEBI + 1000  # from the one to the other
    assert executor.stats().sent < 200_000


def test_big_arguments_and_results_cross_without_a_warning(executor):
    """Dask warns of tasks that are big, and here every warning is an error."""
    data = [bytes([number]) * (12 * MEBI) for number in range(4)]
    assert list(executor.map(bytes.lower, data)) == data


# ------------------------------------------------------------------------------ joining, leaving
def test_a_client_of_the_user_is_left_as_it_is(cluster):
    """With its cluster, its tasks and its handlers."""
    heard = []
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.subscribe_topic("all", heard.append)
        future = client.submit(time.sleep, 0.5, pure=False)
        with DaskExecutor(client) as executor:
            assert list(executor.map(abs, range(-3, 0))) == [3, 2, 1]
        assert future.result(WITHIN) is None
        assert heard
        assert client.submit(abs, -2, pure=False).result(WITHIN) == 2


def test_there_are_as_many_slots_as_the_cluster_has_threads(cluster, tmp_path):
    """More when a worker comes, fewer when one goes; and those that come get calls at once."""
    with DaskExecutor(cluster.address) as executor:
        assert executor.submit(time.sleep, 0.3).result(WITHIN) is None
        assert eventually(lambda: slots(executor) == 2, WITHIN)
        more = cluster.worker("--nthreads", "2")
        try:
            assert eventually(lambda: slots(executor) == 4, WITHIN)
            log = tmp_path / "log"
            assert list(executor.map(partial(nap, log, 0.4), range(4))) == [0, 1, 2, 3]
            pids = {line.split()[1] for line in log.read_text().splitlines()}
            assert len(pids) == 3
        finally:
            more.terminate()
            more.wait(WITHIN)
        assert eventually(lambda: slots(executor) == 2, WITHIN)
        assert executor.submit(abs, -1).result(WITHIN) == 1


def test_calls_wait_where_there_is_no_worker(tmp_path):
    """Until one comes."""
    made = DaskCluster(0)
    try:
        with DaskExecutor(made.address) as executor:
            future = executor.submit(abs, -1)
            assert not future.done()
            made.worker()
            assert future.result(WITHIN) == 1
    finally:
        made.close()


def test_workers_of_another_version_are_refused(tmp_path):
    """The message says which, and what they have."""
    stub = tmp_path / "taskpar-0.0.1.dist-info"
    stub.mkdir()
    (stub / "METADATA").write_text("Metadata-Version: 2.1\nName: taskpar\nVersion: 0.0.1\n")
    made = DaskCluster(1, PYTHONPATH=str(tmp_path))
    try:
        with distributed.Client(made.address, set_as_default=False) as client:
            client.wait_for_workers(1)
        with (
            pytest.raises(InitializerError) as caught,
            DaskExecutor(made.address) as executor,
        ):
            executor.submit(abs, 1)
        cause = str(caught.value.__cause__)
        assert "has taskpar 0.0.1, and this process has taskpar" in cause
    finally:
        made.close()


def test_an_address_where_nobody_answers_is_told():
    """By the first call, not by a hang."""
    with (
        distributed.worker.dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(InitializerError) as caught,
        DaskExecutor("tcp://127.0.0.1:9") as executor,
    ):
        executor.submit(abs, 1)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("wrong", [3, ["tcp://127.0.0.1:9"]])
def test_what_is_no_cluster_is_refused(wrong):
    """At once, and by name."""
    with pytest.raises(TypeError, match="where must be a Client, an address, or None, not"):
        DaskExecutor(wrong)


PROGRAM = """
    import pathlib, sys
    from taskpar import DaskExecutor

    class Point:
        def __init__(self, x):
            self.x = x

    tools = pathlib.Path("tools")
    tools.mkdir()
    tools.joinpath("of_this_program.py").write_text("def double(x): return 2 * x")
    sys.path.append(str(tools.absolute()))
    from of_this_program import double

    with DaskExecutor() as executor:
        print(executor.submit(double, 21).result())
        points = list(executor.map(lambda point: Point(2 * point.x), [Point(1), Point(2)]))
        print([type(point) is Point and point.x for point in points])
        import os
        print(type(executor.submit(os._exit, 3).exception()).__name__)
        print(executor.submit(abs, -1).result())
"""


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_a_cluster_of_our_own_needs_no_guard_and_ends_with_the_executor(tmp_path, how):
    """Not even where a worker is replaced; functions and classes of the program go by value."""
    done = run_script(PROGRAM, tmp_path, how)
    assert done.stdout.splitlines() == ["42", "[2, 4]", "WorkerDiedError", "1"], done.stderr


FOREVER = """
    import time
    from taskpar import DaskExecutor

    executor = DaskExecutor()
    executor.submit(abs, 1).result()
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not can_see_processes(), reason="needs a process table")
def test_a_cluster_of_our_own_ends_with_a_program_that_is_killed(tmp_path):
    """Its scheduler, its nannies and its workers."""
    with started(FOREVER, tmp_path) as program:
        assert program.stdout.readline() == "ready\n"
        below = {row.pid for row in descendants(program.pid)}
        assert len(below) >= 3
        program.kill()
        assert eventually(lambda: not below & alive(), 15.0)


def alive():
    """The processes that run."""
    return {row.pid for row in descendants(1)}


def test_the_notes_of_workers_are_gone_afterwards(executor, tmp_path):
    """Those of the dead, too."""
    trying = executor.options(on_error="return")
    list(trying.map(partial(die_at, tmp_path / "log", 5), range(10)))
    assert list(executor.map(partial(here, tmp_path / "log"), range(10))) == list(range(10))
    assert not [name for name in shared_memory_names() if name.startswith("taskpar")]
