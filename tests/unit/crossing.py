"""Batches that go to a worker and back without a process, for the tests of both sides."""

import os
import threading

from taskpar._engine import handover, running, wire
from taskpar._engine.constant import Constants
from taskpar._engine.reply import read_reply
from taskpar._engine.submissions import reference_to
from taskpar._model.outcome import Error

REFUSED = threading.Lock()  # what nobody can pickle
WHOLE = wire.Manner(whole=True)
SLICES = wire.Manner()
TIMED = wire.Manner(timed=True)

# A process in which batches are run has this thread from the first one on: here, before the tests.
with handover.watched(handover.Outcomes(None, list)):
    pass


def crossed(function, items, shape="one", start=0, *, manner=WHOLE, parts=None, **run):
    """The outcomes of a batch that went there and back, those of its ``parts`` too."""
    if parts is not None:
        run["part"] = parts.append
    last = running.run(packed(function, items, shape, start, manner), **run)
    outcomes = []
    for data in [*(parts or ()), last]:
        reply = read_reply(data)
        opened = reply.outcomes(start + len(outcomes))
        assert len(opened) == reply.count
        assert {i for i in reply.failed if type(opened[i]) is not Error} == set()
        assert reply.pid == os.getpid()
        assert reply.seconds >= 0
        outcomes += opened
    return outcomes


def packed(function, items, shape="one", start=0, manner=WHOLE):
    """A batch as bytes."""
    return wire.pack(
        wire.Calls(function, shape, items, start, manner), reference_to(function, Constants())
    )


def direct(function, items, shape="one"):
    """The outcomes of the same calls, without a border."""
    calls = wire.Calls(function, shape, items, 0, WHOLE)
    return running.run_direct(calls).outcomes(0)


def seen(outcomes):
    """Outcomes as data, as errors are not equal."""
    return [
        ("error", type(outcome.exception), outcome.exception.args)
        if isinstance(outcome, Error)
        else ("value", type(outcome), outcome)
        for outcome in outcomes
    ]


def same(value):
    """The argument itself."""
    return value
