"""The ambient executor: which one decorated functions run on, here and now."""

import asyncio
import contextvars
import multiprocessing
import os
import sys
import threading
from contextlib import contextmanager

import pytest

from rig.executors import CLASSES, KINDS, benches
from rig.scripts import run_script
from taskpar import (
    ExecutorClosedError,
    QueueExecutor,
    SerialExecutor,
    ThreadExecutor,
    parallel,
    use,
)
from taskpar import ambient as module
from taskpar.ambient import ambient

CAN_FORK = hasattr(os, "fork")


@pytest.fixture
def default(monkeypatch):
    """Nothing has asked for the default executor yet; what the test makes is shut down."""
    monkeypatch.delenv("TASKPAR_EXECUTOR", raising=False)
    kept = module._default
    assert kept._executor is None or kept._executor.closed
    monkeypatch.setattr(kept, "_executor", None)
    yield kept
    if kept._executor is not None:
        kept._executor.shutdown()


@parallel
def whereabouts(x):
    """Tell in which process and thread a call runs, and on which executor it could go on."""
    return os.getpid(), threading.get_ident(), type(ambient())


@parallel
def nested(x):
    """Tell where a call runs, and where the calls run that it makes in parallel."""
    return whereabouts(x), list(whereabouts.map([x, x]))


@parallel
def nested_in_use(x):
    """Use an executor of one's own inside a worker."""
    with ThreadExecutor(1) as mine:
        with use(mine):
            used = ambient() is mine
            inner = list(whereabouts.map([x]))
        return used, inner, type(ambient())


# ----------------------------------------------------------------------------------- use
def test_the_innermost_use_counts():
    """Blocks nest, and the one around counts again afterwards, also after an exception."""

    def fail_on(executor):
        with use(executor):
            assert ambient() is executor
            raise ZeroDivisionError

    with SerialExecutor() as first, SerialExecutor() as second, use(first) as given:
        assert given is first
        assert ambient() is first
        with pytest.raises(ZeroDivisionError):
            fail_on(second)
        assert ambient() is first


def test_use_does_not_shut_the_executor_down():
    """It is the caller's, and can be used again; one block may be entered within itself."""
    with SerialExecutor() as executor:
        for _ in range(2):
            with use(executor), use(executor):
                assert ambient() is executor
        assert executor.submit(abs, -1).result() == 1


def test_an_executor_in_use_that_was_shut_down_is_not_exchanged_for_another():
    """Who says where things run is told when they cannot run there."""
    executor = SerialExecutor()
    executor.shutdown()
    with use(executor), pytest.raises(ExecutorClosedError):
        whereabouts.map([1])


def test_a_view_of_an_executor_can_be_used():
    """Its options hold, and those of the function win."""
    with SerialExecutor() as executor, use(executor.options(name="mine")) as view:
        assert ambient() is view


@pytest.mark.parametrize("wrong", [None, "thread", ThreadExecutor])
def test_only_executors_can_be_used(wrong):
    """The mistake is found where the block is written, with the argument's name."""
    with pytest.raises(TypeError, match=r"^executor must be an executor of taskpar, not "):
        use(wrong)


@pytest.mark.skipif(
    getattr(sys.flags, "thread_inherit_context", 0), reason="threads inherit the context here"
)
def test_use_counts_in_its_own_thread_only(default):
    """Other threads go on with what they use."""
    with SerialExecutor() as executor, use(executor):
        found = []
        thread = threading.Thread(target=lambda: found.append(ambient()))
        thread.start()
        thread.join()
        assert found[0] is not executor
        inherited = contextvars.copy_context()
        thread = threading.Thread(target=lambda: found.append(inherited.run(ambient)))
        thread.start()
        thread.join()
        assert found[1] is executor


def test_use_counts_in_its_own_asyncio_task_only():
    """Tasks of one thread do not see each other's blocks, whatever their order."""

    async def user(executor, barrier):
        with use(executor):
            await barrier.wait()
            found = ambient()
            await barrier.wait()
        return found

    async def main(executors):
        barrier = asyncio.Barrier(len(executors))
        return await asyncio.gather(*[user(executor, barrier) for executor in executors])

    executors = [SerialExecutor(), SerialExecutor()]
    assert asyncio.run(main(executors)) == executors


# ------------------------------------------------------------------------------- default
def test_the_default_is_made_once_when_it_is_first_asked_for(default):
    """Also when many threads ask at the same time; it is a queue executor."""
    assert default._executor is None
    barrier = threading.Barrier(8)
    found = []

    def ask():
        barrier.wait()
        found.append(ambient())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(executor) for executor in found}) == 1
    assert type(found[0]) is QueueExecutor


def test_the_default_is_made_again_when_it_was_shut_down(default, monkeypatch):
    """Whoever shuts it down does not take it from the rest of the program."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", "thread:1")
    first = ambient()
    assert ambient() is first
    first.shutdown()
    second = ambient()
    assert second is not first
    assert len(list(whereabouts.map([1, 2]))) == 2


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
@pytest.mark.parametrize("workers", [None, 1, 12])
def test_the_environment_names_the_default(default, monkeypatch, kind, workers):
    """``TASKPAR_EXECUTOR=kind`` or ``kind:N``."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", f"{kind}:{workers}" if workers else kind)
    executor = ambient()
    assert issubclass(CLASSES[kind], type(executor))
    if workers and kind != "serial":
        assert executor._core.engine.backend.slots == workers


def test_an_empty_variable_is_none(default, monkeypatch):
    """As shells and containers set it."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", "")
    assert type(ambient()) is QueueExecutor


@pytest.mark.parametrize(
    "wrong",
    ["threads", "Queue", "thread:", "thread:0", "thread:-1", "thread:two", ":2", "queue:1:2"],
)
def test_a_typo_in_the_environment_is_an_error(default, monkeypatch, wrong):
    """It names the variable, what is allowed and what was found; later it can be put right."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", wrong)
    with pytest.raises(ValueError, match=r"^TASKPAR_EXECUTOR must be one of serial, .*") as caught:
        whereabouts.map([1])
    assert f"://host:port, not {wrong!r}" in str(caught.value)
    monkeypatch.setenv("TASKPAR_EXECUTOR", "serial")
    assert len(list(whereabouts.map([1]))) == 1


def test_the_environment_is_read_by_the_program(tmp_path, monkeypatch):
    """A whole program is put on other workers without a change of it."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", "thread:1")
    script = """
        import os
        from taskpar import parallel
        pid = parallel(lambda x: os.getpid())
        print(set(pid.map([1, 2])) == {os.getpid()})
    """
    done = run_script(script, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("True\n", "", 0)


# ------------------------------------------------------------------------- inside workers
@pytest.mark.parametrize("bench", benches(), ids=str)
def test_inside_a_worker_the_ambient_executor_is_serial(shared, default, monkeypatch, bench):
    """A call that maps runs its calls itself, in its own process and thread."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", "thread:1")  # nobody should ask for it
    executor = shared.of(bench)
    with use(executor):
        for outer, inner in nested.map([1, 2]):
            assert inner == [outer, outer]
            assert issubclass(outer[2], SerialExecutor)
    assert default._executor is None


@pytest.mark.parametrize("bench", benches(("thread", "pool", "queue")), ids=str)
def test_a_use_inside_a_worker_counts_there(shared, bench):
    """It is meant for this very call: the next one on the same worker does not find it."""
    with use(shared.of(bench)):
        for used, [(_, _, innermost)], afterwards in nested_in_use.map([1, 2]):
            assert used
            assert innermost is afterwards is SerialExecutor


@pytest.mark.skipif(not CAN_FORK, reason="needs fork")
def test_a_daemonic_process_of_somebody_else_runs_serially(default):
    """It may have no children, so it would be an error to start workers there."""
    here, there = multiprocessing.get_context("fork").Pipe(duplex=False)

    def child():
        there.send([type(ambient()).__name__, len(list(whereabouts.map([1, 2])))])

    process = multiprocessing.get_context("fork").Process(target=child, daemon=True)
    process.start()
    assert here.recv() == ["SerialExecutor", 2]
    process.join()
    process.close()
    here.close()
    there.close()


# ---------------------------------------------------------------------------- after a fork
@contextmanager
def forked():
    """Fork; the child gets what it should do, and the parent what the child said."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)

        def answer(*words):
            os.write(writer, repr(words).encode())
            os._exit(0)

        try:
            yield answer
        finally:
            os._exit(1)
    os.close(writer)
    try:
        yield None
        with open(reader, "rb") as pipe:  # noqa: PTH123  # a descriptor, not a path
            forked.said = eval(pipe.read() or b"'nothing'")
    finally:
        os.waitpid(pid, 0)


@pytest.mark.skipif(not CAN_FORK, reason="needs fork")
def test_a_forked_process_makes_its_own_default(default, monkeypatch):
    """The parent's workers are not shared, and do not end with the child."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", "queue:1")
    parent = ambient()
    before = list(whereabouts.map([1]))
    with default._lock, forked() as answer:
        if answer:
            child = ambient()
            pids = {pid for pid, _, _ in whereabouts.map([1, 2])}
            child.shutdown()
            answer(child is parent, bool(pids & {before[0][0], os.getpid()}))
    assert forked.said == (False, False)
    assert ambient() is parent
    assert [pid for pid, _, _ in whereabouts.map([1])] == [before[0][0]]


@pytest.mark.skipif(not CAN_FORK, reason="needs fork")
def test_a_use_does_not_count_in_a_forked_process(default, monkeypatch):
    """Its workers are the parent's."""
    monkeypatch.setenv("TASKPAR_EXECUTOR", "serial")
    with ThreadExecutor(1) as executor, use(executor), forked() as answer:
        if answer:
            answer(type(ambient()).__name__)
    assert forked.said == ("SerialExecutor",)
