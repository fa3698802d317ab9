"""A call that fails, and those beside it, which must not notice."""

import threading

from places import WITHIN

from laws.oracle import outcomes
from rig.errors import KeywordError

REFUSED = threading.Lock()  # what nobody can pickle


def alone(executor, function, good, bad):
    """The error of one call between two good ones; by ``map``, and by ``submit`` as well."""
    first, (kind, told), last, _ = outcomes(executor.map(function, [good, bad, good]), 4)
    assert (first[0], last[0], kind) == ("value", "value", "error")
    error = executor.submit(function, bad).exception(WITHIN)
    assert told[0] is type(error)
    assert list(executor.map(abs, range(-2, 2), timeout=WITHIN)) == [2, 1, 0, 1]
    return error


class ManyError(Exception):
    """Takes more than it passes on."""

    def __init__(self, first, second, third):
        super().__init__(first + second + third)
        self.all = (first, second, third)


def keywords():
    """Raise one that takes keywords."""
    raise KeywordError(code=3, reason="because")
