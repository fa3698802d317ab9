"""CPython's own tests of ``concurrent.futures``, run on our executors.

They are imported from the running interpreter, never copied, so each interpreter brings the tests
of its own version. Each suite (a mixin of CPython's) is joined with each of our executors, once
for every start method. `NOT_OURS` names the tests that do not apply, and why; all others must pass.

Two names in them are read as ours: a script that imports an executor from ``concurrent.futures``
imports it from ``taskpar``, and where they expect the stdlib's error for a worker that died, they
find `WorkerDiedError`.
"""

import importlib
import unittest
from concurrent.futures import BrokenExecutor
from types import ModuleType
from typing import Any

import pytest

from rig.executors import CLASSES, PROCESS_KINDS, START_METHODS, Bench
from taskpar import WorkerDiedError

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

# The quick profile runs every kind once, and each start method at least once.
QUICK = [
    Bench("serial", 1),
    Bench("thread"),
    Bench("process", 2, "fork"),
    Bench("pool", 2, "forkserver"),
    Bench("queue", 2, "spawn"),
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

PRIVATE = "looks into private parts of the stdlib's executors"
BLOCKING = "submit has run the call before it returns: nothing is pending, nothing can be timed out"
EVERYWHERE = tuple(CLASSES)
SERIAL = ("serial",)

NOT_OURS: dict[str, tuple[tuple[str, ...], str]] = {
    # test: (kinds, why it does not apply to them)
    "WaitTests.test_first_completed": (SERIAL, BLOCKING),
    "WaitTests.test_first_completed_some_already_completed": (SERIAL, BLOCKING),
    "WaitTests.test_first_exception": (SERIAL, BLOCKING),
    "WaitTests.test_first_exception_some_already_complete": (SERIAL, BLOCKING),
    "WaitTests.test_first_exception_one_already_failed": (SERIAL, BLOCKING),
    "WaitTests.test_timeout": (SERIAL, BLOCKING),
    "AsCompletedTests.test_future_times_out": (SERIAL, BLOCKING),
    "AsCompletedTests.test_zero_timeout": (SERIAL, BLOCKING),
    "ExecutorTest.test_map_timeout": (SERIAL, BLOCKING),
    "ExecutorTest.test_map_buffersize_when_buffer_is_full": (
        SERIAL,
        "an iterator is read when its item is wanted, as the builtin map does",
    ),
    "ExecutorShutdownTest.test_cancel_futures": (SERIAL, BLOCKING),
    "ExecutorShutdownTest.test_hang_gh83386": (
        PROCESS_KINDS,
        "its script uses multiprocessing without importing it; it was written for threads",
    ),
    "FailingInitializerMixin.test_initializer": (
        EVERYWHERE,
        "wants a log entry and a private flag: see test_a_failing_initializer_breaks_the_executor",
    ),
    "ThreadPoolExecutorTest.test_default_workers": (EVERYWHERE, PRIVATE),
    "ThreadPoolExecutorTest.test_saturation": (EVERYWHERE, PRIVATE),
    "ThreadPoolExecutorTest.test_idle_thread_reuse": (EVERYWHERE, PRIVATE),
    "ThreadPoolExecutorTest.test_hang_global_shutdown_lock": (
        EVERYWHERE,
        "tests the stdlib's executors alone",
    ),
    "ProcessPoolExecutorTest.test_saturation": (EVERYWHERE, PRIVATE),
    "ProcessPoolExecutorTest.test_idle_process_reuse_one": (EVERYWHERE, PRIVATE),
    "ProcessPoolExecutorTest.test_idle_process_reuse_multiple": (EVERYWHERE, PRIVATE),
    "ProcessPoolExecutorTest.test_max_tasks_per_child": (EVERYWHERE, PRIVATE),
    "ProcessPoolExecutorTest.test_max_tasks_per_child_defaults_to_spawn_context": (
        EVERYWHERE,
        PRIVATE,
    ),
    "ProcessPoolExecutorTest.test_python_finalization_error": (EVERYWHERE, PRIVATE),
    "ProcessPoolExecutorTest.test_killed_child": (
        EVERYWHERE,
        "a dead worker breaks the stdlib's executor; here its call alone fails (law L12)",
    ),
    "ProcessPoolExecutorTest.test_traceback": (
        EVERYWHERE,
        "wants the worker's traceback as a text; here the traceback itself comes back (law L4)",
    ),
}


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
                patch.setattr(module, "BrokenProcessPool", WorkerDiedError)
            if hasattr(module, "assert_python_ok"):
                patch.setattr(module, "assert_python_ok", _with_our_import(module.assert_python_ok))
        super().setUp()  # type: ignore[misc]


def _with_our_import(assert_python_ok: Any) -> Any:
    theirs, ours = "from concurrent.futures import", "from taskpar import"

    def run(*args: str, **options: Any) -> Any:
        assert any(theirs in arg for arg in args)
        return assert_python_ok(*(arg.replace(theirs, ours) for arg in args), **options)

    return run


def joined(bench: Bench, name: str, module: str) -> type[unittest.TestCase]:
    """Join a suite with an executor."""
    theirs = suite(name, module)
    case = suite("BaseTestCase", "util")
    mixin = suite("ExecutorMixin", "util")
    attributes: dict[str, Any] = {
        "executor_type": CLASSES[bench.kind],
        "modules": (_module(module),),
        "__module__": __name__,
    }
    if bench.start is not None:
        attributes["ctx"] = bench.start
    for test in (test for test in dir(theirs) if test.startswith("test_")):
        kinds, reason = NOT_OURS.get(_defined(theirs, test), ((), ""))
        if bench.kind in kinds:
            attributes[test] = unittest.skip(reason)(lambda self: None)
    bases = [Ours, theirs, *(base for base in (mixin, case) if not issubclass(theirs, base))]
    return type(f"Test_{bench}_{name}".replace("-", "_"), tuple(bases), attributes)


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


def test_every_test_that_does_not_apply_is_one_that_some_version_has() -> None:
    """The list holds no name that was mistyped, as far as this version's tests can tell."""
    suites = {**SUITES, **THREAD_SUITES, **PROCESS_SUITES}
    only_in_some_versions = {
        "test_zero_timeout",
        "test_future_times_out",
        "test_map_buffersize_when_buffer_is_full",
        "test_python_finalization_error",
    }
    for name in NOT_OURS:
        suite_name, _, test = name.partition(".")
        if test not in only_in_some_versions:
            assert hasattr(suite(suite_name, suites[suite_name]), test), name


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
