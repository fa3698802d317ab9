"""What comes to the ledger while it handles something else, as the garbage collector brings it."""

import pytest

from taskpar._engine.book import Book
from taskpar._engine.events import Closed, Done, Passed, Rules, Send, Shutdown, Stop, Submitted
from taskpar._engine.ledger import Ledger


class Interrupted(Book):
    """A book in whose rule for a report something else comes."""

    def __init__(self, slots):
        super().__init__(slots)
        self.brings = []
        self.seen = []

    def _cut(self):
        while self.brings:
            event = self.brings.pop(0)
            self.seen.append((self.busy, self.handle(event)))
        return super()._cut()


def test_what_comes_within_an_event_is_handled_after_it():
    """In order, and what is to be done for it is told with the rest."""
    book = Interrupted(1)
    assert book.handle(Submitted(0, 0, 9, Rules(3))) == [Send(0, 0, 0, 3)]
    book.brings = [Submitted(1, 0, 1, Rules()), Closed(0), Shutdown(cancel=False)]
    actions = book.handle(Done(0, 3, 0.0))
    assert book.seen == [(True, [])] * 3
    plain = Ledger(1)
    plain.handle(Submitted(0, 0, 9, Rules(3)))
    events = [Done(0, 3, 0.0), Submitted(1, 0, 1, Rules()), Closed(0), Shutdown(cancel=False)]
    assert actions == [action for event in events for action in plain.handle(event)]
    assert not book.busy


def test_the_end_that_comes_within_an_event_is_the_end():
    """Whoever is told to stop is told so once."""
    book = Interrupted(1)
    book.handle(Submitted(0, 0, 1, Rules()))
    book.brings = [Shutdown()]
    actions = book.handle(Done(0, 1, 0.0))
    assert actions[-1:] == [Stop()]
    assert book.handle(Passed(0, None)) == []


def test_a_mistake_of_ours_leaves_no_book_that_takes_nothing():
    """Whatever a rule raises, the next event is handled."""
    book = Book(1)
    with pytest.raises(KeyError):
        book.handle(object())
    assert book.handle(Submitted(0, 0, 1, Rules())) == [Send(0, 0, 0, 1)]
