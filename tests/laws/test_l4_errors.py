"""Law L4: the caller sees the serial run's exception, at its position, with its origin."""

import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws.functions import ERRORS, Raise, echo, follow, own_pid, raise_falsy
from laws.oracle import error_as_data, outcome_of
from laws.strategies import breaking
from taskpar import CrossingError, Executor, Record, Task, call, record_of


def error_of(call: Any) -> BaseException:
    """The error that a call raises."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011  any error, compared by the caller
        call()
    return caught.value


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_kind_of_error_comes_back_as_the_serial_run_raises_it(
    executor: Executor, name: str
) -> None:
    """Class, args, attributes, notes, causes, contexts, members: by submit, map and run."""
    serial = error_as_data(error_of(ERRORS[name]))
    assert error_as_data(error_of(executor.submit(ERRORS[name]).result)) == serial
    assert error_as_data(error_of(lambda: list(executor.map(follow, [Raise(name)])))) == serial
    assert error_as_data(error_of(lambda: executor.run([Task(ERRORS[name])]))) == serial


def test_an_error_that_is_false_is_an_error_all_the_same(executor: Executor) -> None:
    """By map and run; futures of Python 3.13 and before overlook it (gh-132063)."""
    serial = error_as_data(error_of(raise_falsy))
    assert error_as_data(error_of(lambda: list(executor.map(raise_falsy, [1])))) == serial
    assert error_as_data(error_of(lambda: executor.run([Task(raise_falsy)]))) == serial


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_an_error_of_the_last_attempt_does_not_lead_to_those_before(
    executor: Executor, name: str
) -> None:
    """It is what one call raises; that it is not the first one, its notes tell."""
    serial = error_as_data(error_of(ERRORS[name]))
    trying = executor.options(retries=2, retry_delay=0.001)
    inputs = [Task(ERRORS[name])]
    assert error_as_data(error_of(lambda: list(trying.map(call, inputs)))) == serial
    assert error_as_data(error_of(lambda: trying.run(inputs))) == serial


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_the_traceback_shows_the_line_that_raised_in_the_worker(
    executor: Executor, name: str
) -> None:
    """A printed error names the function's file and its frames, as after a serial run."""
    error = error_of(executor.submit(ERRORS[name]).result)
    frames = traceback.extract_tb(error.__traceback__)
    assert any(
        frame.name == name and Path(frame.filename).name == "functions.py" for frame in frames
    ), traceback.format_list(frames)


@given(data=st.data())
def test_the_caller_learns_index_name_and_process_of_the_call(
    executor: Executor, data: st.DataObject
) -> None:
    """``record_of(error)`` tells the position that failed, the function, and where it ran."""
    before, after = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    orders = [1] * before + [Raise("_key_error")] + [1] * after
    with closing(executor.map(follow, orders)) as results:
        for _ in range(before):
            next(results)
        record = record_of(error_of(lambda: next(results)))
        assert record is not None
        assert (record.index, record.name) == (before, "follow")
        assert len(list(results)) == after


def test_an_error_has_one_note_of_ours_behind_those_of_its_task(executor: Executor) -> None:
    """An ordinary traceback shows which call it was; nothing else is added."""
    order = Raise("_with_notes")
    for error in (
        error_of(lambda: list(executor.map(follow, [1, order]))),
        error_of(executor.submit(follow, order).result),
    ):
        *notes, ours = error.__notes__
        assert notes == ["first note", "second note"]
        record = record_of(error)
        assert record is not None
        assert record.input == "follow(Raise('_with_notes'))"
        call = f"call {record.index} in process {record.pid}"
        assert ours == f"taskpar: {call}: follow(Raise('_with_notes'))"


class Stuck:
    """A result that goes home, and cannot be put together there."""

    def __init__(self) -> None:
        self.held = True

    def __setstate__(self, state: object) -> None:
        raise ValueError("stuck")


def stuck_at(place: int, number: int) -> object:
    """Return such a result at one place."""
    return Stuck() if number == place else [number]


def test_a_result_that_does_not_come_home_tells_of_its_call_as_any_error_does(
    process_executor: Executor,
) -> None:
    """Though the call itself has not failed."""
    results = process_executor.map(stuck_at, [1] * 3, range(3))
    assert next(results) == [0]
    error = error_of(lambda: next(results))
    assert type(error) is CrossingError
    assert (error.index, error.name, error.attempt) == (1, "stuck_at", 1)
    assert record_of(error) == Record(1, "stuck_at", 1, error.pid, "stuck_at(1, 1)")
    assert next(results) == [2]


def test_the_record_names_the_task_by_its_own_name(executor: Executor) -> None:
    """A task that was given a name is known by it."""
    error = error_of(
        lambda: executor.run([Task(echo, 1), Task(follow, Raise("_exit")).named("Service 1")])
    )
    record = record_of(error)
    assert record is not None
    assert (record.index, record.name) == (1, "Service 1")


def test_the_record_of_a_future_tells_the_process_that_ran_it(executor: Executor) -> None:
    """The pid of the record is the pid that the task saw."""
    future = executor.submit(own_pid)
    pid = future.result()
    record = record_of(future)
    assert record is not None
    assert record.pid == pid


@given(at=st.integers(0, 4))
def test_an_error_of_the_input_comes_after_the_results_before_it(
    executor: Executor, at: int
) -> None:
    """The results before it are not lost, and there is nothing after it."""
    with closing(executor.map(echo, breaking(list(range(9)), at))) as results:
        assert [next(results) for _ in range(at)] == list(range(at))
        error = error_of(lambda: next(results))
        assert error_as_data(error) == error_as_data(
            error_of(lambda: list(breaking(list(range(9)), at)))
        )
        assert outcome_of(lambda: next(results)) == ("end", ())


def test_the_executor_is_usable_after_every_kind_of_error(executor: Executor) -> None:
    """No error of a task, not even SystemExit, ends a worker that others need."""
    for name in sorted(ERRORS):
        error_of(executor.submit(ERRORS[name]).result)
    assert list(executor.map(echo, range(5))) == list(range(5))


def test_a_keyboard_interrupt_raised_by_a_task_is_an_error_of_that_task(
    executor: Executor,
) -> None:
    """It is no Ctrl-C of the caller: the calls beside it are not touched."""
    with closing(executor.map(interrupt, [False, True, False])) as results:
        assert next(results) == "not interrupted"
        assert isinstance(error_of(lambda: next(results)), KeyboardInterrupt)
        assert next(results) == "not interrupted"


def interrupt(really: bool) -> str:
    """Raise what Ctrl-C raises, or do not."""
    if really:
        raise KeyboardInterrupt
    return "not interrupted"


def test_ctrl_c_while_a_result_is_unpacked_loses_no_result(executor: Executor) -> None:
    """It interrupts the reader, who asks again and finds everything still there."""
    interruptions.clear()
    with closing(executor.map(Startling, range(3))) as results:
        values = []
        while len(values) < 3:
            try:
                values.append(next(results))
            except KeyboardInterrupt:
                assert len(interruptions) == 1
        assert [value.number for value in values] == [0, 1, 2]
        assert outcome_of(lambda: next(results)) == ("end", ())


interruptions: list[int] = []


class Startling:
    """A value at whose first unpickling the user presses Ctrl-C."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if not interruptions:
            interruptions.append(self.number)
            raise KeyboardInterrupt


class Odd:
    """A value that cannot be packed."""

    def __reduce__(self) -> Any:
        raise OSError("will not be packed")


class Trap:
    """A value that can be packed, and raises when it is unpacked."""

    def __reduce__(self) -> Any:
        return spring, ()


def spring() -> None:
    """Raise within unpickling."""
    raise SystemExit("sprung")


def make(kind: type) -> Any:
    """Make a value of this kind."""
    return kind()


@pytest.mark.parametrize("kind", [Odd, Trap])
def test_a_value_that_cannot_cross_is_an_error_of_its_call_alone(
    process_executor: Executor, kind: type
) -> None:
    """As an argument or as a result; the calls beside it give their values."""
    with closing(process_executor.map(str_of_type, [1, kind(), 2])) as results:
        assert next(results) == "int"
        assert outcome_of(lambda: next(results))[0] == "error"
        assert next(results) == "int"
    with closing(process_executor.map(make, [int, kind, str])) as results:
        assert next(results) == 0
        assert outcome_of(lambda: next(results))[0] == "error"
        assert next(results) == ""


def str_of_type(value: object) -> str:
    """Tell the type that arrived."""
    return type(value).__name__
