"""A ledger for tests of its rules."""

from taskpar._engine.events import Submitted
from taskpar._engine.ledger import Ledger


def ledger_with(calls, rules, slots=1):
    """Return a ledger that has just been given a job, number 0."""
    ledger = Ledger(slots)
    ledger.handle(Submitted(0, 0, calls, rules))
    return ledger
