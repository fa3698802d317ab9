"""Engines that are not ours, as tests have them: they end with the executor before them."""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent import futures
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from rig.leaks import descendants
from rig.waiting import eventually
from taskpar import DaskExecutor, Executor, FuturesExecutor, InterpreterExecutor, RayExecutor

TESTS = Path(__file__).parents[1]


class Lent(FuturesExecutor):
    """In front of an executor that lives as long as this does, so that tests leave nothing."""

    make: ClassVar[Callable[..., futures.Executor]]

    def __init__(self, workers: int, **options: Any) -> None:
        self.lent = type(self).make(workers, **options)
        super().__init__(self.lent)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down both."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self.lent.shutdown(wait)

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)  # type: ignore[arg-type]
        self.lent.shutdown()


class OnThreads(Lent):
    """The standard library's threads."""

    make = futures.ThreadPoolExecutor


class OnProcesses(Lent):
    """The standard library's processes."""

    @staticmethod
    def make(workers: int) -> futures.Executor:
        """Start them as we start ours."""
        method = "forkserver" if hasattr(os, "fork") else "spawn"
        return futures.ProcessPoolExecutor(workers, multiprocessing.get_context(method))


class OnLoky(Lent):
    """Loky's processes."""

    @staticmethod
    def make(workers: int) -> futures.Executor:
        """Import it only when it is wanted: it may not be there."""
        from loky import ProcessPoolExecutor

        return ProcessPoolExecutor(workers)


class OnMPI(Lent):
    """The other ranks of this MPI program: ``mpiexec -n 3 python -m mpi4py.futures -m pytest``."""

    @staticmethod
    def make(workers: int) -> futures.Executor:
        """Import it only when it is wanted: that starts MPI."""
        from mpi4py.futures import MPIPoolExecutor

        return MPIPoolExecutor(workers)


class DaskCluster:
    """A scheduler and two workers with a nanny each, as in three shells; they talk by TCP."""

    living: ClassVar[list["DaskCluster"]] = []

    def __init__(self, workers: int = 2, **env: str) -> None:
        self.living.append(self)
        self._env = env
        self._stack = ExitStack()
        folder = self._stack.enter_context(
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True, prefix="dask-")
        )
        told = Path(folder, "scheduler.json")
        self._log = Path(folder, "log")
        self._options = ("--no-dashboard", "--scheduler-file", str(told))
        self._folder = folder
        self.scheduler = self._run("scheduler", "--host", "127.0.0.1", "--port", "0")
        assert eventually(lambda: told.exists() and told.read_text().endswith("}"), 30.0)
        self.address: str = json.loads(told.read_text())["address"]
        self.workers = [self.worker() for _ in range(workers)]

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        """Start one more; it ends with the others, if not before."""
        place = ("--local-directory", self._folder, "--host", "127.0.0.1")
        return self._run("worker", "--nthreads", "1", *place, *options)

    def _run(self, what: str, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *self._options, *more]
        env = {**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": self._folder, **self._env}
        with self._log.open("a") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process

    def pids(self) -> set[int]:
        """The processes of it, those that nannies have started included."""
        roots = [self.scheduler, *self.workers]
        return {row.pid for root in roots for row in descendants(root.pid)}

    def close(self) -> None:
        """End all of them, the scheduler last."""
        self.living.remove(self)
        self._stack.close()


class OnDask(DaskExecutor):
    """On a cluster of the tests' own, which ends with this."""

    def __init__(self, workers: int) -> None:
        self.cluster = DaskCluster(workers)
        super().__init__(self.cluster.address)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down both."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self.cluster.close()


class OnRay(RayExecutor):
    """On a Ray of this program, which ends with this."""

    def __init__(self, workers: int) -> None:
        self.ray: Any = start_ray(workers)
        super().__init__()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut down both."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        self.ray.shutdown()


def start_ray(workers: int) -> Any:
    """Let this program be in a cluster of one node, with so many workers."""
    import ray

    env = {"env_vars": {"PYTHONPATH": str(TESTS)}}
    ray.init(num_cpus=workers, include_dashboard=False, logging_level="ERROR", runtime_env=env)
    return ray


HAS_INTERPRETERS = hasattr(futures, "InterpreterPoolExecutor")
STANDARD: dict[str, type[Executor]] = {
    "futures-threads": OnThreads,
    "futures-processes": OnProcesses,
    **({"interpreter": InterpreterExecutor} if HAS_INTERPRETERS else {}),
}
"""Those that are always there."""

WANTED = os.environ.get("TASKPAR_TEST_ENGINES", "").split()
"""Those that the laws are to be tested on in this run, by name; see `make test-engines`."""

OTHERS: dict[str, type[Executor]] = {"dask": OnDask, "loky": OnLoky, "mpi": OnMPI, "ray": OnRay}
"""Those that are there if an extra is installed."""

_COUNTER = "a SharedCounter belongs to one interpreter of a process"
_MODULES = "the functions of this test are in a module that imports hypothesis, or use numpy"
IMPOSSIBLE: dict[str, dict[str, str]] = {
    "interpreter": {
        "test_l10_counting.py": _COUNTER,
        "test_l1_arrays.py": _MODULES,
        "test_l1_loops.py": _MODULES,
        "test_a_keyboard_interrupt_raised_by_a_task_is_an_error_of_that_task": _MODULES,
        "test_ctrl_c_while_a_result_is_unpacked_loses_no_result": _MODULES,
        "test_one_argument_twice_in_a_call_is_one_object_in_the_task": _MODULES,
        "test_closing_is_closing_once": _COUNTER,
    }
}
"""Which tests, or files of them, cannot be run on which engine, and why."""


def why_impossible(kind: str, test: str) -> str | None:
    """Say why a test cannot be run on an engine; None: it can."""
    reasons = IMPOSSIBLE.get(kind, {})
    return next((why for name, why in reasons.items() if name in test), None)
