"""A reset of a `SharedCounter` is done or it is not, whoever looks on, adds or is killed."""

import time
from functools import partial
from multiprocessing.connection import Connection

from counting import add_and_reset_for_ever, add_for_ever, in_threads, posix

from rig.processes import PATIENCE, receive, talking
from taskpar._model.counter import SharedCounter


def reset_in_threads(pipe: Connection | None, counters: list[SharedCounter]) -> None:
    """Reset each counter many times, in two threads each."""

    def work(counter: SharedCounter) -> None:
        for _ in range(3000):
            counter.reset()

    in_threads(*[partial(work, counter) for counter in counters * 2])


@posix
def test_a_process_killed_while_it_resets_blocks_nobody() -> None:
    """A reset is done or it is not: the value is what one add can make of it."""
    counter = SharedCounter()
    for _ in range(20):
        with talking(add_and_reset_for_ever, counter, method="fork") as (process, pipe):
            receive(pipe)
            process.kill()
            process.join()
        assert counter.value in (0, 1)
        assert counter.reset() in (0, 1)
        assert counter.value == 0


def test_a_value_is_never_mixed_from_before_and_after_a_reset() -> None:
    """While another process adds one and resets, and again, there is nothing but 0 and 1 to see."""
    counter = SharedCounter()
    with talking(add_and_reset_for_ever, counter) as (_, pipe):
        receive(pipe)
        seen: set[int] = set()
        deadline = time.monotonic() + PATIENCE
        while not {0, 1} <= seen and time.monotonic() < deadline:
            seen.update(counter.value for _ in range(50_000))
    assert seen == {0, 1}


def test_the_value_only_grows_while_others_add() -> None:
    """Read live: no add that was seen is unseen again."""
    counter = SharedCounter()
    with talking(add_for_ever, counter) as (process, pipe):
        receive(pipe)
        seen = [counter.value]
        deadline = time.monotonic() + PATIENCE
        while seen[-1] < seen[0] + 1000 and time.monotonic() < deadline:
            receive(pipe)
            seen += [counter.value for _ in range(1000)]
        process.kill()
    assert seen == sorted(seen)
    assert seen[-1] > seen[0] >= 100


def test_resets_of_many_counters_in_many_threads_do_not_get_in_each_others_way() -> None:
    """The kernel would see a deadlock where a process waits for one lock and has another."""
    counters = [SharedCounter(), SharedCounter()]
    with talking(reset_in_threads, counters):
        reset_in_threads(None, counters)
