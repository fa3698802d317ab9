"""The ledger as the engine has it: events may come while another one is handled.

The garbage collector runs finalizers wherever it likes, in a thread that handles an event too: of
results that nobody reads any more, or of a user's object that shuts an executor down. What these
tell the ledger must not find it half way through something else.
"""

from collections import deque

from taskpar._engine.events import Action, Event
from taskpar._engine.ledger import Ledger


class Book(Ledger):
    """A ledger for one thread at a time, which may come back to it from within.

    **Law:** whatever comes while an event is handled is handled after it, in order; its actions are
    among those of the event.
    """

    _late: deque[tuple[Event, float]] | None = None
    """What has come while an event is handled; None: none is."""

    @property
    def busy(self) -> bool:
        """Whether an event is being handled: further up in this thread, if this has the lock."""
        return self._late is not None

    def handle(self, event: Event, now: float = 0.0) -> list[Action]:
        """Take one event into the book and say what must be done now."""
        if self._late is not None:
            self._late.append((event, now))
            return []
        self._late = deque()
        try:
            actions = super().handle(event, now)
            while self._late:
                actions += super().handle(*self._late.popleft())
            return actions
        finally:
            self._late = None
