"""Law L3: ``ex.run(tasks)`` is ``[task() for task in tasks]``."""

from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from laws.functions import echo, follow, inverse, kind_and_value
from laws.oracle import outcome_of
from laws.strategies import longest, raises, raising_sources, sources, values
from taskpar import Executor, Task

functions: st.SearchStrategy[Callable[..., Any]] = st.sampled_from([echo, follow, kind_and_value])
tasks = (
    st.builds(Task, functions, values)
    | st.builds(Task, st.just(pow), st.integers(0, 9), st.integers(0, 9))
    | st.builds(lambda value, word: Task(kind_and_value, value, word=word), values, values)
)
failing_tasks = st.builds(Task, st.just(follow), raises) | st.just(Task(inverse, 0))


def serial(tasks: Iterable[Task[Any]]) -> list[Any]:
    """Run the tasks one after the other, as the law says it."""
    return [task() for task in tasks]


@given(data=st.data())
def test_run_gives_the_results_of_unlike_tasks_in_order(
    executor: Executor, data: st.DataObject
) -> None:
    """Each task has its own function, arguments and keyword arguments."""
    source = data.draw(sources(tasks, longest(executor)))
    assert outcome_of(lambda: executor.run(source.fresh())) == outcome_of(
        lambda: serial(source.fresh())
    )


@given(data=st.data())
def test_run_raises_the_first_error_by_position(executor: Executor, data: st.DataObject) -> None:
    """Whichever task fails first by the clock, the caller sees the one that stands first."""
    source = data.draw(sources(tasks | failing_tasks, longest(executor)))
    assert outcome_of(lambda: executor.run(source.fresh())) == outcome_of(
        lambda: serial(source.fresh())
    )


@given(data=st.data())
def test_run_raises_what_its_input_raises_unless_a_task_before_it_failed(
    executor: Executor, data: st.DataObject
) -> None:
    """The input's error has a position too."""
    source = data.draw(raising_sources(tasks | failing_tasks, longest(executor)))
    assert outcome_of(lambda: executor.run(source.fresh())) == outcome_of(
        lambda: serial(source.fresh())
    )


def test_the_executor_is_usable_after_a_run_that_failed(executor: Executor) -> None:
    """An error ends the run, not the executor."""
    assert outcome_of(lambda: executor.run([Task(inverse, 0)] * 3))[0] == "error"
    assert executor.run([Task(inverse, 2), Task(pow, 2, 3)]) == [0.5, 8]
