"""Bad input raises at the call, and the message names the argument and what is allowed."""

from collections.abc import Callable
from typing import Any

import pytest

from rig.executors import CLASSES, KINDS, PROCESS_KINDS
from taskpar import CapabilityError, Executor, ExecutorClosedError, Task, Worker, partial

MAPS = ["map", "starmap", "map_unordered", "starmap_unordered"]
NOT_POSITIVE = [0, -1]
NOT_WHOLE = [1.5, "2", [], b"1"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("workers", [*NOT_POSITIVE, *NOT_WHOLE])
def test_workers_are_a_positive_whole_number(kind: str, workers: Any) -> None:
    """Not zero, not negative, not a float or a text."""
    error = ValueError if workers in NOT_POSITIVE else TypeError
    with pytest.raises(error, match="max_workers"):
        CLASSES[kind](workers)


@pytest.mark.parametrize("kind", PROCESS_KINDS)
@pytest.mark.parametrize("method", ["thread", "", "FORK"])
def test_an_unknown_start_method_is_refused(kind: str, method: str) -> None:
    """The message tells which there are."""
    with pytest.raises(ValueError, match=r"mp_context.*spawn"):
        CLASSES[kind](1, mp_context=method)


WORDS: list[tuple[str, Any, set[str]]] = [
    ("mp_context", "spawn", {"process", "pool", "queue"}),
    ("max_tasks_per_child", 1, {"process", "pool", "queue"}),
    ("max_memory_per_child", 10**12, {"process", "queue"}),
    ("worker_class", Worker, {"process", "queue"}),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("word", "value", "kinds"), WORDS)
def test_what_only_others_can_do_is_refused(
    kind: str, word: str, value: Any, kinds: set[str]
) -> None:
    """Each executor takes the words of all, so that they can be exchanged; it says who can."""
    CLASSES[kind](1, **{word: None}).shutdown()
    if kind in kinds:
        CLASSES[kind](1, **{word: value}).shutdown()
        return
    with pytest.raises(CapabilityError, match=word) as raised:
        CLASSES[kind](1, **{word: value})
    told = {name for name in KINDS if CLASSES[name].__name__ in str(raised.value).split("use ")[1]}
    assert told == kinds


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_word_is_refused(kind: str) -> None:
    """As by any function."""
    with pytest.raises(TypeError, match="workers_max"):
        CLASSES[kind](1, workers_max=None)


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_a_context_is_a_name_or_a_context(kind: str) -> None:
    """Anything else is of the wrong type."""
    with pytest.raises(TypeError, match="mp_context"):
        CLASSES[kind](1, mp_context=3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_initializer_is_callable(kind: str) -> None:
    """As in ``concurrent.futures``."""
    with pytest.raises(TypeError, match="initializer"):
        CLASSES[kind](1, initializer=1)


@pytest.mark.parametrize("kind", ["pool", "queue"])
@pytest.mark.parametrize("tasks", [*NOT_POSITIVE, *NOT_WHOLE])
def test_tasks_per_child_are_a_positive_whole_number(kind: str, tasks: Any) -> None:
    """Or None, which is no limit."""
    with pytest.raises((TypeError, ValueError), match="max_tasks_per_child"):
        CLASSES[kind](1, max_tasks_per_child=tasks)


def test_a_fresh_process_runs_one_task() -> None:
    """So no other number makes sense there."""
    with pytest.raises((TypeError, ValueError), match="max_tasks_per_child"):
        CLASSES["process"](1, max_tasks_per_child=3)


@pytest.mark.parametrize("not_callable", [None, 42, "abs"])
def test_only_what_can_be_called_is_submitted(executor: Executor, not_callable: Any) -> None:
    """At the call of ``submit``, not in its future."""
    with pytest.raises(TypeError, match="fn"):
        executor.submit(not_callable)


@pytest.mark.parametrize("method", MAPS)
@pytest.mark.parametrize("not_callable", [None, 42, "abs"])
def test_only_what_can_be_called_is_mapped(
    executor: Executor, method: str, not_callable: Any
) -> None:
    """At the call, not at the first ``next``."""
    with pytest.raises(TypeError, match="fn"):
        getattr(executor, method)(not_callable, [])


@pytest.mark.parametrize("method", MAPS)
@pytest.mark.parametrize("not_iterable", [None, 42, abs])
def test_only_what_can_be_iterated_is_mapped(
    executor: Executor, method: str, not_iterable: Any
) -> None:
    """At the call; where there are several inputs, each is looked at."""
    with pytest.raises(TypeError, match="iterable"):
        getattr(executor, method)(abs, not_iterable)
    if not method.startswith("star"):
        with pytest.raises(TypeError, match="iterable"):
            getattr(executor, method)(pow, [1], not_iterable)


@pytest.mark.parametrize("tasks", [None, 42, abs])
def test_run_takes_an_iterable_of_tasks(executor: Executor, tasks: Any) -> None:
    """Neither a number nor a function."""
    with pytest.raises(TypeError, match="tasks"):
        executor.run(tasks)


@pytest.mark.parametrize("method", MAPS)
@pytest.mark.parametrize("name", ["chunksize", "buffersize"])
@pytest.mark.parametrize("size", [*NOT_POSITIVE, *NOT_WHOLE])
def test_sizes_are_positive_whole_numbers(
    executor: Executor, method: str, name: str, size: Any
) -> None:
    """A buffer for nothing would wait for ever; nothing is read before that is said."""
    items = iter([1])
    error = ValueError if size in NOT_POSITIVE else TypeError
    with pytest.raises(error, match=name):
        getattr(executor, method)(abs, items, **{name: size})
    assert next(items) == 1


@pytest.mark.parametrize("name", ["chunksize", "buffersize"])
@pytest.mark.parametrize("size", [*NOT_POSITIVE, *NOT_WHOLE])
def test_sizes_in_options_are_positive_whole_numbers(
    executor: Executor, name: str, size: Any
) -> None:
    """At the call of ``options``, as that is where the mistake is."""
    with pytest.raises((TypeError, ValueError), match=name):
        executor.options(**{name: size})


def test_an_unknown_option_is_refused(executor: Executor) -> None:
    """By its name."""
    with pytest.raises(TypeError, match="chunk_size"):
        executor.options(chunk_size=3)  # type: ignore[call-arg]


CALLS: dict[str, Callable[[Executor], object]] = {
    "submit": lambda executor: executor.submit(abs, 1),
    "map": lambda executor: executor.map(abs, [1]),
    "map of nothing": lambda executor: executor.map(abs, []),
    "starmap": lambda executor: executor.starmap(abs, [(1,)]),
    "map_unordered": lambda executor: executor.map_unordered(abs, [1]),
    "starmap_unordered": lambda executor: executor.starmap_unordered(abs, [(1,)]),
    "run": lambda executor: executor.run([Task(abs, 1)]),
    "with": lambda executor: executor.__enter__(),
    "a view": lambda executor: executor.options(chunksize=1).map(abs, [1]),
}


@pytest.mark.parametrize("call", sorted(set(CALLS) - {"with"}))
@pytest.mark.parametrize("used", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_executor_takes_no_more_calls(kind: str, call: str, used: bool) -> None:
    """By any method, whether it was used before or not."""
    with CLASSES[kind](1) as executor:
        if used:
            executor.submit(abs, 1).result()
    with pytest.raises(ExecutorClosedError, match=r"shut ?down"):
        CALLS[call](executor)


@pytest.mark.parametrize("make", [Task, partial])
def test_a_task_and_a_partial_are_of_something_that_can_be_called(make: Any) -> None:
    """As ``functools.partial`` says it."""
    with pytest.raises(TypeError, match="call"):
        make(42)
