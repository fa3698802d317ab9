"""Context variables that are set in one context and looked at in another, after a journey."""

import contextvars

from taskpar._engine.context import applied, captured, travelling


def fresh(function, *args):
    """Call a function where no variable is set."""
    return contextvars.Context().run(function, *args)


def travelled(function, *changes):
    """Make changes where no variable is set; return what the function returns after the journey."""

    def leave():
        for change, *args in changes:
            change(*args)
        return travelling(captured())

    data = fresh(leave)
    return fresh(lambda: applied(data)().run(function))
