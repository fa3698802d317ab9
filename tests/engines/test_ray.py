"""On Ray: a cluster of one node of this machine, with room for two workers."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import pytest

ray = pytest.importorskip("ray", reason="needs taskpar[ray]")

from alike import *  # noqa: E402, F403  # its tests are ours, too

from rig.engines import start_ray  # noqa: E402
from rig.errands import size_and  # noqa: E402
from rig.scripts import run_script  # noqa: E402
from taskpar import (  # noqa: E402
    InitializerError,
    RayExecutor,
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


# ------------------------------------------------------------------------------- there and back


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


# ------------------------------------------------------------------------------ joining, leaving


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
    import os, pathlib, sys
    from taskpar import RayExecutor

    class Point:
        def __init__(self, x):
            self.x = x

    tools = pathlib.Path("tools")
    tools.mkdir()
    tools.joinpath("of_this_program.py").write_text("def double(x): return 2 * x")
    sys.path.append(str(tools.absolute()))
    from of_this_program import double

    with RayExecutor() as first, RayExecutor() as executor:
        print(executor.submit(double, 21).result())
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
    lines = ["42", "[2, 4]", "WorkerDiedError", "1", "False"]
    assert [line for line in done.stdout.splitlines() if "raylet" not in line] == lines, done.stderr


THROUGH_A_CLIENT = """
    import os
    from itertools import count, islice
    from taskpar import open_executor

    with open_executor("ray://127.0.0.1:%d") as executor:
        print(list(executor.map(lambda x: x * x, range(4))))
        print(type(executor.submit(os._exit, 3).exception()).__name__)
        print(list(islice(executor.map(str, count()), 3)))
"""


@contextmanager
def client_server(port):
    """What lets programs in that are not on a machine of the cluster."""
    where = [
        "--address",
        ray.get_runtime_context().gcs_address,
        "--host=127.0.0.1",
        f"--port={port}",
    ]
    command = [sys.executable, "-m", "ray.util.client.server", "--mode=specific-server", *where]
    with subprocess.Popen(command) as server:
        try:
            yield
        finally:
            server.terminate()


def test_a_program_that_is_not_on_the_cluster_joins_it_by_one_word(cluster, tmp_path):
    """Through a server of Ray's: all is as it is on the cluster itself."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with client_server(port):
        done = run_script(THROUGH_A_CLIENT % port, tmp_path)
    lines = ["[0, 1, 4, 9]", "WorkerDiedError", "['0', '1', '2']"]
    assert [line for line in done.stdout.splitlines() if "raylet" not in line] == lines, done.stderr


def test_nodes_with_another_version_are_refused(cluster, monkeypatch):
    """The message says which, and what they have."""
    from taskpar.backends import ray as backend

    monkeypatch.setattr(backend, "version", lambda: f"0.{os.getpid()}")  # no two have the same
    with RayExecutor() as executor, pytest.raises(InitializerError) as caught:
        executor.submit(abs, 1)
    assert f"not 0.{os.getpid()} as here" in str(caught.value.__cause__)
