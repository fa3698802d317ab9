"""A block captures what is asked for while it lasts, and leaves all as it was."""

import contextlib
import logging
import os
import sys
import warnings

import pytest
from relaying import run_here

from taskpar._engine import capture, relay
from taskpar._engine.capture import capturing

pytestmark = pytest.mark.usefixtures("as_before")


def test_everything_is_as_before_after_a_batch_however_it_ends():
    """Loggers, warnings and streams."""

    def state():
        cls = logging.Logger
        handlers = list(logging.getLogger().handlers)
        return cls.handle, cls.addHandler, warnings.showwarning, sys.stdout, sys.stderr, handlers

    before = state()
    with capturing("all"):
        assert all(now is not then for now, then in zip(state(), before, strict=True))
    assert state() == before
    with pytest.raises(SystemExit), capturing("all"):
        sys.exit()
    assert state() == before


def test_nothing_is_captured_where_nothing_is_asked_for(printed, collector):
    """The block has the same means."""
    with capturing(None) as captured:
        captured.call(1)
        print("x")
        logging.getLogger("tested").error("y")
        assert captured.take() == []
    assert printed()[0] == "x\n"
    assert collector.told("message") == [("y",)]


def test_what_is_taken_is_taken_once(printed):
    """Parts of a batch go home one after the other."""
    with capturing("all") as captured:
        captured.call(0)
        print("a")
        first = captured.take()
        print("b")
        second = captured.take()
        assert captured.take() == []
    assert (first, second) == ([(0, "stdout", b"a\n")], [(0, "stdout", b"b\n")])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_a_task_forks_logs_warns_and_prints_for_itself(tmp_path):
    """Nobody would take what it captures."""
    path = tmp_path / "child"

    def fork(number):
        pid = os.fork()
        if not pid:
            sys.stderr.write("err\n")
            logging.getLogger("tested").warning("logged")
            warnings.warn("warned", stacklevel=1)
            os._exit(0)
        os.waitpid(pid, 0)

    log = logging.getLogger("tested")
    log.propagate = False
    log.addHandler(handler := logging.FileHandler(path.with_suffix(".log")))
    warnings.simplefilter("always")
    warnings.simplefilter("ignore", DeprecationWarning)  # that this process has threads
    with (
        path.open("w", buffering=1) as file,
        contextlib.redirect_stderr(file),
        warnings.catch_warnings(),
    ):
        warnings.showwarning = lambda message, *_: file.write(f"{message}\n")
        _, items = run_here("all", relay.settings(), fork, 0)
    handler.close()
    assert items == []
    assert path.read_text() == "err\nwarned\n"
    assert path.with_suffix(".log").read_text() == "logged\n"


def test_what_is_replaced_is_replaced_in_these_places_only():
    """Names of the standard library that capture.py relies on."""
    assert callable(logging.Logger.handle)
    assert callable(logging.Logger.addHandler)
    assert isinstance(logging.root.manager.loggerDict, dict)
    assert isinstance(warnings.filters, list)
    assert capture._replaced is not None
