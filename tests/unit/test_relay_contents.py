"""What belongs to a record crosses as far as it can, and a text stands for the rest."""

import io
import logging

import pytest
from relaying import relayed

pytestmark = pytest.mark.usefixtures("as_before")


def test_an_exception_that_is_logged_keeps_class_text_and_traceback(worker, collector):
    """Handlers get ``exc_info``, as from a plain call."""
    worker.run(log_exception, "key")
    (record,) = collector.records
    cls, error, trace = record.exc_info
    assert (cls, error.args, error.__traceback__) == (KeyError, ("key",), trace)
    assert "in log_exception" in logging.Formatter().format(record)
    assert isinstance(error.__cause__, ZeroDivisionError)


def log_exception(key):
    """Log an exception with a cause."""
    try:
        raise KeyError(key) from ZeroDivisionError()
    except KeyError:
        logging.getLogger("tested").exception("it failed")


class Awkward:
    """Can neither be pickled nor shown."""

    def __reduce__(self):
        raise SystemExit

    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


class Shy(Awkward):
    """Cannot be pickled."""

    def __repr__(self):
        return "shy"

    __str__ = __repr__


class Bomb:
    """Cannot be unpickled."""

    def __reduce__(self):
        return int, ("x",)


def test_what_belongs_to_a_record_crosses_as_far_as_it_can(collector):
    """What cannot is told as a text; nothing raises."""

    def log(number):
        extra = {"many": [number], "shy": Shy(), "awkward": Awkward(), "bomb": Bomb()}
        logging.getLogger("tested").warning("%s of %s", Shy(), lambda: 0, extra=extra)

    assert relayed(log, 3) == [None]
    (record,) = collector.records
    assert (record.many, record.shy, record.awkward) == ([3], "shy", "<Awkward>")
    assert record.bomb == "<cannot be unpickled: ValueError>"
    assert record.getMessage().startswith("shy of <function")


def test_plain_arguments_stay_beside_the_message(collector):
    """Handlers that group records by their template see what a plain call shows them."""
    relayed(lambda number: logging.getLogger("tested").warning("%s-%d", "a", number), 3)
    assert collector.told("msg", "args", "message") == [("%s-%d", ("a", 3), "a-3")]


@pytest.mark.parametrize("args", [("x",), (Shy(),), (Awkward(),), (1, 2)])
def test_a_message_that_cannot_be_written_is_reported_here_and_raises_nowhere(args, printed):
    """As logging itself does it."""
    logging.getLogger("tested").addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("tested").propagate = False  # pytest's handlers raise
    assert relayed(lambda number: logging.getLogger("tested").warning("%d", *args), 0) == [None]
    out, err = printed()
    assert out == ""
    assert err.count("--- Logging error ---") == 1
