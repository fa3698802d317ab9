"""What every backend must do when results or executors end, or are let go; see `suite`."""

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import CancelledError

from suite import Reading, odd_ones_are_slow, picky
from watched import WITHIN, Subject, raised

from laws.oracle import outcome_of, outcomes
from rig.waiting import eventually
from taskpar import ExecutorClosedError
from taskpar._engine.backend import WorkerInfo


def closed_results_leave_the_executor_usable(subject: Subject) -> None:
    """Whenever they are closed: at once, in the middle, after an error, or just let go."""
    with subject.executor() as executor:
        for read in (0, 1, 3, 5):
            results = executor.map(picky, range(20), chunksize=2)
            outcomes(results, read)
            results.close()
            results.close()
            assert list(results) == []
        for read in (1, 4):
            outcomes(executor.map(picky, Reading()), read)
        assert list(executor.map(abs, [-1, -2])) == [1, 2]


def results_may_be_collected_at_any_moment(subject: Subject) -> None:
    """The garbage collector closes forgotten results wherever it runs: in the engine, too."""
    before = gc.get_threshold()
    try:
        with subject.executor() as executor:
            for number in range(subject.calls // 3):
                gc.set_threshold(1 + number % 50, 1, 1)  # so that it runs now here, now there
                results = executor.map(abs, Reading(), buffersize=2)
                assert next(results) == 0
                cycle: list[object] = [results]
                cycle.append(cycle)
                del results, cycle
    finally:
        gc.set_threshold(*before)


def results_that_nobody_will_read_are_let_go(subject: Subject) -> None:
    """The calls run all the same; but then nothing holds their arguments and results any more."""
    with subject.executor() as executor:
        arguments = [Reading() for _ in range(4)]
        alive = [weakref.ref(argument) for argument in arguments]
        executor.map(type, arguments)
        del arguments
        assert executor.submit(abs, -1).result(WITHIN) == 1
        if not executor.backend.inline:  # there they wait until the shutdown runs them
            assert eventually(lambda: gc.collect() >= 0 and not any(ref() for ref in alive))


def shutdown_waits_for_all_calls(subject: Subject) -> None:
    """What was submitted or scheduled whole has run, though nobody read it; more is refused."""
    ran: list[int] = []
    executor = subject.executor()
    futures = [executor.submit(odd_ones_are_slow, number) for number in range(8)]
    results = executor.map(odd_ones_are_slow, range(8))
    for future in futures:
        future.add_done_callback(lambda future: ran.append(future.result()))
    with executor:
        pass
    assert sorted(ran) == list(range(8))
    assert list(results) == list(range(8))
    for refused in (executor.submit, executor.map):
        assert type(raised(lambda refused=refused: refused(abs, [1]))) is ExecutorClosedError
    executor.shutdown()


def shutdown_may_cancel_what_has_not_started(subject: Subject) -> None:
    """Each call has run or is cancelled, and all futures are done."""
    with subject.executor() as executor:
        futures = [executor.submit(odd_ones_are_slow, number) for number in range(40)]
        results = executor.map(odd_ones_are_slow, range(40), chunksize=5)
        executor.shutdown(cancel_futures=True)
        for number, future in enumerate(futures):
            assert future.done()
            seen = outcome_of(future.result)
            assert seen[2] == number if seen[0] == "value" else seen[1][0] is CancelledError
        for number, seen in enumerate(outcomes(results, 40)):
            assert seen[2] == number if seen[0] == "value" else seen[1][0] is CancelledError


def a_reader_hears_of_the_end_of_the_executor(subject: Subject) -> None:
    """Who reads on after the shutdown gets what had been read, and is told why no more comes."""
    executor = subject.executor()
    source = Reading()
    results = executor.map(abs, source, buffersize=4)
    first = next(results)
    with executor:
        pass
    read = source.read
    rest = outcomes(results, read + 1)
    assert [first, *(outcome[2] for outcome in rest[: read - 1])] == list(range(read))
    assert rest[-1][0] == "error"
    assert rest[-1][1][0] is ExecutorClosedError
    results.close()


def an_executor_that_was_never_used_has_nothing_to_end(subject: Subject) -> None:
    """It can be shut down, twice, and waits for nothing."""
    executor = subject.executor()
    assert executor.workers() == ()
    executor.shutdown()
    executor.shutdown(wait=False)
    assert executor.backend.broken_rules == []


def workers_are_told_of(subject: Subject) -> None:
    """While they are there, they have names; afterwards nobody is."""
    with subject.executor() as executor:
        executor.submit(abs, 1).result(WITHIN)
        assert all(isinstance(info, WorkerInfo) for info in executor.workers())
        assert all(info.name for info in executor.workers())
    assert executor.workers() == ()


LIFE_CHECKS: tuple[Callable[[Subject], None], ...] = (
    closed_results_leave_the_executor_usable,
    results_may_be_collected_at_any_moment,
    results_that_nobody_will_read_are_let_go,
    shutdown_waits_for_all_calls,
    shutdown_may_cancel_what_has_not_started,
    a_reader_hears_of_the_end_of_the_executor,
    an_executor_that_was_never_used_has_nothing_to_end,
    workers_are_told_of,
)
