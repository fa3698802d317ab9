"""Calls that run in their reader's thread: Ctrl-C comes there, and loses nothing."""

from functools import partial
from typing import Any

import pytest

from taskpar import AutoExecutor, Executor, SerialExecutor, SharedCounter, record_of
from taskpar._engine import choosing, here

each = pytest.mark.parametrize("executor_class", [SerialExecutor, AutoExecutor])


@pytest.fixture(autouse=True)
def no_call_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call is not taken for a long one because the machine is busy."""
    monkeypatch.setattr(choosing, "LONG_SECONDS", 60.0)


def counted(counter: SharedCounter, number: int) -> int:
    """Count the calls."""
    counter.add()
    return number


def fail_at(failing: int, counter: SharedCounter, number: int) -> int:
    """Raise for one number, whenever it is asked for."""
    if number == failing:
        counter.add()
        raise ValueError(number)
    return number


@each
def test_ctrl_c_between_two_calls_loses_nothing(
    executor_class: type[Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been run before it is there when somebody reads on, and is not run again."""
    run, counter = here.Here._run, SharedCounter()

    def interrupted(job: here.Here, items: Any, start: int, outcomes: list[Any]) -> None:
        run(job, items[:1], start, outcomes)
        raise KeyboardInterrupt

    with executor_class(2) as executor:
        results = executor.map(partial(counted, counter), range(20))
        with monkeypatch.context() as patch:
            patch.setattr(here.Here, "_run", interrupted)
            with pytest.raises(KeyboardInterrupt):
                next(results)
        assert list(results) == list(range(20))
    assert counter.value == 20


@each
def test_ctrl_c_between_two_attempts_makes_them_no_more(
    executor_class: type[Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads on has the call tried again, but only as often as was asked for."""
    counter, pauses = SharedCounter(), iter([None, KeyboardInterrupt, None, None])

    def interrupted(seconds: float) -> None:
        error = next(pauses)
        if error is not None:
            raise error

    with executor_class(2) as executor:
        trying = executor.options(retries=3, retry_delay=0.5)
        results = trying.map(partial(fail_at, 2, counter), range(4))
        monkeypatch.setattr(here, "sleep", interrupted)
        seen: list[int] = []
        with pytest.raises(KeyboardInterrupt):
            seen.extend(results)
        with pytest.raises(ValueError, match="2") as raised:
            seen.extend(results)
        assert seen == [0, 1]
        record = record_of(raised.value)
        assert record is not None
        assert record.attempt == 4
        assert next(results) == 3
    assert counter.value == 4
