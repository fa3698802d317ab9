"""CPython's own tests of ``concurrent.futures``, run on our executors.

They are imported from the running interpreter, never copied, so each interpreter brings the tests
of its own version. Each suite (a mixin of CPython's) is joined with each of our executors, once
for every start method. `NOT_OURS` names the tests that do not apply, and why; all others must pass.

Some names in them are read as ours: a script that imports an executor from ``concurrent.futures``
imports it from ``taskpar``; where they expect the stdlib's error for a broken pool, the error of
the one call that broke is right; and where a script prints a RuntimeError of a closed executor,
its class has a name of its own.
"""

import gc
import importlib
import unittest
from concurrent.futures import BrokenExecutor
from types import ModuleType
from typing import Any

import pytest

from rig.executors import CLASSES, PROCESS_KINDS, START_METHODS, Bench
from taskpar import CrossingError, WorkerDiedError

PACKAGE = "test.test_concurrent_futures"

# Where the suites are: in modules of a package since Python 3.12, and in one module before.
SUITES = {
    "ExecutorTest": "executor",
    "WaitTests": "test_wait",
    "AsCompletedTests": "test_as_completed",
    "ExecutorShutdownTest": "test_shutdown",
    "InitializerMixin": "test_init",
    "FailingInitializerMixin": "test_init",
}
THREAD_SUITES = {"ThreadPoolExecutorTest": "test_thread_pool", "ThreadPoolWaitTests": "test_wait"}
PROCESS_SUITES = {
    "ProcessPoolExecutorTest": "test_process_pool",
    "ExecutorDeadlockTest": "test_deadlock",
}

# The quick profile runs every kind once, and every start method: these tests sleep a lot.
QUICK = [
    Bench("serial", 1),
    Bench("thread"),
    Bench("process", 2, "fork"),
    Bench("pool", 2, "spawn"),
    Bench("queue", 2, "forkserver"),
]
ALL = [
    *QUICK,
    *(
        bench
        for kind in PROCESS_KINDS
        for start in START_METHODS
        if (bench := Bench(kind, 2, start)) not in QUICK
    ),
]

SERIAL = ("serial",)
EVERYWHERE = tuple(CLASSES)

# Why tests do not apply: to which kinds, and which tests. Some are in newer versions only.
NOT_OURS: list[tuple[str, tuple[str, ...], list[str]]] = [
    (
        "submit has run the call before it returns: nothing is pending, nothing can time out",
        SERIAL,
        [
            "WaitTests.test_first_completed",
            "WaitTests.test_first_completed_some_already_completed",
            "WaitTests.test_first_exception",
            "WaitTests.test_first_exception_some_already_complete",
            "WaitTests.test_first_exception_one_already_failed",
            "WaitTests.test_timeout",
            "AsCompletedTests.test_future_times_out",
            "AsCompletedTests.test_zero_timeout",
            "ExecutorTest.test_map_timeout",
            "ExecutorShutdownTest.test_cancel_futures",
        ],
    ),
    (
        "has no workers that could end before the interpreter does",
        SERIAL,
        ["ExecutorShutdownTest.test_submit_after_interpreter_shutdown"],
    ),
    (
        "an iterator is read when its item is wanted, as by the builtin map",
        SERIAL,
        ["ExecutorTest.test_map_buffersize_when_buffer_is_full"],
    ),
    (
        "a map without an input is refused, as by the builtin (law L1)",
        EVERYWHERE,
        ["ExecutorTest.test_map_buffersize_without_iterable"],
    ),
    (
        "our message has other words, see tests/laws/test_bad_input.py",
        EVERYWHERE,
        [
            "ExecutorTest.test_map_buffersize_type_validation",
            "ExecutorTest.test_map_buffersize_value_validation",
        ],
    ),
    (
        "wants a log entry and a private flag: see test_a_failing_initializer_breaks_the_executor",
        EVERYWHERE,
        ["FailingInitializerMixin.test_initializer"],
    ),
    (
        "looks into private parts of the stdlib's executors, or replaces them",
        EVERYWHERE,
        [
            "ThreadPoolExecutorTest.test_default_workers",
            "ThreadPoolExecutorTest.test_saturation",
            "ThreadPoolExecutorTest.test_idle_thread_reuse",
            "ProcessPoolExecutorTest.test_saturation",
            "ProcessPoolExecutorTest.test_idle_process_reuse_one",
            "ProcessPoolExecutorTest.test_idle_process_reuse_multiple",
            "ProcessPoolExecutorTest.test_max_tasks_per_child",
            "ProcessPoolExecutorTest.test_max_tasks_per_child_defaults_to_spawn_context",
            "ProcessPoolExecutorTest.test_python_finalization_error",
            "ProcessPoolExecutorTest.test_shutdown_no_wait_max_tasks_gh119592",
            "ProcessPoolExecutorTest.test_gc_during_max_tasks_worker_exit_gh152967",
            "ProcessPoolExecutorTest.test_failed_worker_replacement_breaks_pool",
            "ExecutorDeadlockTest.test_shutdown_deadlock_pickle",
            "ExecutorDeadlockTest.test_gh105829_should_not_deadlock_if_wakeup_pipe_full",
        ],
    ),
    (
        "tests a class or a method of the stdlib that ours do not have",
        EVERYWHERE,
        [
            "ThreadPoolExecutorTest.test_hang_global_shutdown_lock",
            "ThreadPoolExecutorTest.test_process_fork_from_a_threadpool",
            "ProcessPoolExecutorTest.test_force_shutdown_during_max_tasks_worker_exit",
            "ProcessPoolExecutorTest.test_force_shutdown_workers",
            "ProcessPoolExecutorTest.test_force_shutdown_workers_dead_workers",
            "ProcessPoolExecutorTest.test_force_shutdown_workers_invalid_op",
            "ProcessPoolExecutorTest.test_force_shutdown_workers_not_started_yet",
            "ProcessPoolExecutorTest.test_force_shutdown_workers_stops_pool",
            "ProcessPoolExecutorTest.test_kill_workers",
            "ProcessPoolExecutorTest.test_terminate_workers",
        ],
    ),
    (
        "a dead worker breaks the stdlib's executor; here its call alone fails (law L12)",
        EVERYWHERE,
        [
            "ProcessPoolExecutorTest.test_killed_child",
            "ProcessPoolExecutorTest.test_broken_process_pool_traceback",
        ],
    ),
    (
        "wants the worker's traceback as a text; here the traceback itself comes back (law L4)",
        EVERYWHERE,
        [
            "ProcessPoolExecutorTest.test_traceback",
            "ProcessPoolExecutorTest.test_traceback_when_child_process_terminates_abruptly",
        ],
    ),
    (
        "a result that ends the interpreter while it is pickled is an error of crossing",
        EVERYWHERE,
        ["ExecutorDeadlockTest.test_exit_during_result_pickle_on_worker"],
    ),
    (
        "its script uses multiprocessing without importing it, as it was written for threads",
        PROCESS_KINDS,
        ["ExecutorShutdownTest.test_hang_gh83386"],
    ),
    (
        "a process for each task has no number of tasks to choose",
        ("process",),
        ["ProcessPoolExecutorTest.test_max_tasks_per_child_pending_tasks_gh115634"],
    ),
]


def reason_against(test: str, kind: str) -> str | None:
    """Return why a test does not apply to an executor, or None."""
    return next((why for why, kinds, tests in NOT_OURS if kind in kinds and test in tests), None)


def suite(name: str, module: str) -> type:
    """Return one of CPython's suites."""
    found: type = getattr(_module(module), name)
    return found


def _module(name: str) -> ModuleType:
    package = importlib.import_module(PACKAGE)
    return importlib.import_module(f"{PACKAGE}.{name}") if hasattr(package, "__path__") else package


def _skip_without_the_tests() -> None:
    try:
        importlib.import_module(PACKAGE)
    except ModuleNotFoundError:
        pytest.skip(
            f"this interpreter has no {PACKAGE} (Debian: package libpython3.x-testsuite)",
            allow_module_level=True,
        )


_skip_without_the_tests()


class Ours:
    """Mixed in before a suite: reads the stdlib's names as ours."""

    modules: tuple[ModuleType, ...]

    def setUp(self) -> None:
        """Replace the names for the time of one test."""
        patch = pytest.MonkeyPatch()
        self.addCleanup(patch.undo)  # type: ignore[attr-defined]
        for module in self.modules:
            if hasattr(module, "BrokenProcessPool"):
                patch.setattr(module, "BrokenProcessPool", (WorkerDiedError, CrossingError))
            if hasattr(module, "assert_python_ok"):
                patch.setattr(module, "assert_python_ok", _with_our_names(module.assert_python_ok))
        super().setUp()  # type: ignore[misc]


class Collected(suite("BaseTestCase", "util")):  # type: ignore[misc]  # a class known at run time
    """Collects garbage before the threads are counted: an executor is part of a cycle."""

    def tearDown(self) -> None:
        """Collect, and then look."""
        gc.collect()
        super().tearDown()


def _with_our_names(assert_python_ok: Any) -> Any:
    theirs, ours = "from concurrent.futures import", "from taskpar import"

    def run(*args: str, **options: Any) -> Any:
        assert any(theirs in arg for arg in args)
        code, out, err = assert_python_ok(*(arg.replace(theirs, ours) for arg in args), **options)
        return code, out, err.replace(b"taskpar.errors.ExecutorClosedError", b"RuntimeError")

    return run


def joined(bench: Bench, name: str, module: str) -> type[unittest.TestCase]:
    """Join a suite with an executor."""
    theirs = suite(name, module)
    mixin = f"ProcessPool{bench.start.capitalize()}Mixin" if bench.start else "ThreadPoolMixin"
    attributes: dict[str, Any] = {
        "executor_type": CLASSES[bench.kind],
        "modules": (_module(module),),
        "__module__": __name__,
    }
    for test in (test for test in dir(theirs) if test.startswith("test_")):
        if reason := reason_against(_defined(theirs, test), bench.kind):
            attributes[test] = unittest.skip(reason)(lambda self: None)
    bases = (Ours, theirs, suite(mixin, "util"), Collected)
    return type(f"Test_{bench}_{name}".replace("-", "_"), bases, attributes)


def _defined(theirs: type, test: str) -> str:
    """Name a test by the suite that defines it."""
    owner = next(cls for cls in theirs.__mro__ if test in vars(cls))
    return f"{owner.__name__}.{test}"


def _suites(bench: Bench) -> dict[str, str]:
    """Choose the suites for an executor; those that another one contains are not run twice."""
    more = {"serial": {}, "thread": THREAD_SUITES}.get(bench.kind, PROCESS_SUITES)
    chosen = {**SUITES, **more}
    return {
        name: module
        for name, module in chosen.items()
        if not any(suite(name, module) in suite(*other).__mro__[1:] for other in chosen.items())
    }


for _bench in ALL:
    for _name, _where in _suites(_bench).items():
        _case = joined(_bench, _name, _where)
        globals()[_case.__name__] = _case if _bench in QUICK else pytest.mark.slow(_case)
del _case


def fail() -> None:
    """Fail as an initializer."""
    raise ValueError("error in initializer")


@pytest.mark.parametrize("bench", QUICK, ids=str)
def test_a_failing_initializer_breaks_the_executor(bench: Bench) -> None:
    """What CPython's FailingInitializerMixin wants, without its log: BrokenExecutor, with the
    initializer's error as the cause, for what was submitted and for what will be.
    """
    with bench.make(initializer=fail) as executor:
        try:
            error = executor.submit(abs, 1).exception()
        except BrokenExecutor as at_once:
            error = at_once
        assert isinstance(error, BrokenExecutor)
        assert isinstance(error.__cause__, ValueError)
        assert error.__cause__.args == ("error in initializer",)
        with pytest.raises(BrokenExecutor):
            executor.submit(abs, 1)
