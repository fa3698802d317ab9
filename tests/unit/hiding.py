"""Places in which something hides that cannot be pickled."""

import threading

from taskpar import parallel

REFUSED = threading.Lock()  # what nobody can pickle
SAYS = "cannot pickle '_thread.lock' object"


class Thing:
    """Holds what it is given."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def method(self):
        """Do nothing."""

    @parallel
    def decorated(self):
        """Do nothing, elsewhere."""


class Slotted:
    """The same, in slots, one of which stays empty."""

    __slots__ = ("__private", "empty", "public")

    def __init__(self, public, private=None):
        self.public, self.__private = public, private


class Nameless:
    """Does not say what its arguments are called."""

    __signature__ = 3

    def __call__(self, *args):
        """Take them."""


def conf_and_number(conf, number=1, *more, key=None, **words):
    """Take all kinds of arguments."""


def closing_over(value):
    """A function that has captured a value."""
    return lambda: value


class Refusing:
    """Can be called, but not pickled."""

    def __call__(self):
        """Do nothing."""

    def __reduce__(self):
        raise TypeError(SAYS)


def local_class(value=REFUSED):
    """A class that travels by value, with what cannot."""

    class Local:
        method = value

    return Local
