"""The table of capabilities on its page is what the code says, and what executors really do."""

import os
from contextlib import suppress

import pytest
from capabilities import BEGIN, COLUMNS, END, PAGE, backends_of, executors, row, table, written

from rig.executors import Bench
from taskpar import CapabilityError, SharedCounter

ON_PAGE = PAGE.read_text(encoding="utf-8")


def test_the_table_on_the_page_is_what_the_code_says() -> None:
    """``python tests/docs/capabilities.py`` writes it anew."""
    assert ON_PAGE.split(BEGIN)[1].split(END)[0] == table(ON_PAGE)
    assert sorted(written(ON_PAGE)) == [executor.__name__ for executor in executors()]


def test_every_executor_tells_its_backend() -> None:
    """A constructor that hid it would have a row of noes."""
    for executor in executors():
        with suppress(ImportError):  # what it needs is not installed
            assert backends_of(executor)


def test_every_column_is_explained() -> None:
    """Below the table."""
    assert all(f"\n| {column} | " in ON_PAGE for column in COLUMNS)


def test_the_table_says_what_executors_do(bench: Bench) -> None:
    """Looked at in calls, not in the code."""
    with bench.make() as executor:
        told = dict(zip(COLUMNS, row(type(executor)), strict=True))
        for column, option in (
            ("time limits", {"time_limit": 1.0}),
            ("cancelling running calls", {"cancel_running": True}),
        ):
            try:
                executor.options(**option)
                done = "yes"
            except CapabilityError:
                done = "no"
            assert told[column] == done
        box: list[int] = []
        executor.submit(box.append, 1).result()
        assert told["own memory"] == ("no" if box else "yes")
        apart = executor.submit(os.getpid).result() != os.getpid()
        assert told["isolation"] == told["killing"] == ("yes" if apart else "no")
        counter = SharedCounter()
        list(executor.map(counter.add, [1, 2, 3]))
        assert (told["counter"], counter.value) == ("yes", 6)


@pytest.mark.parametrize("name", ["SerialExecutor", "QueueExecutor"])
def test_the_table_has_both_answers(name: str) -> None:
    """So that a table of one word would be seen."""
    word = "no" if name == "SerialExecutor" else "yes"
    assert {row(e)[2] for e in executors() if e.__name__ == name} == {word}
