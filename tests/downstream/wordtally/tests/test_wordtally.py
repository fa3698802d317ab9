"""The tally is what counting by hand gives."""

import pytest
from wordtally import Tally, letters, tally

TEXTS = ["to be or not to be", "that is the question", ""] * 5


@pytest.mark.parametrize("max_workers", [1, 2])
def test_the_tally_does_not_depend_on_the_number_of_workers(max_workers):
    """The same counts on one worker and on two."""
    assert tally(TEXTS, max_workers) == Tally(letters=5 * 30, longest=8, words=5 * 10)


def test_a_parallel_function_is_still_a_plain_function():
    """Calling it counts here and now."""
    assert letters("to be, or not") == 9


def test_an_error_arrives_as_in_a_serial_program():
    """The longest word of no words: what `max` raises comes out of the executor."""
    with pytest.raises(ValueError, match="empty"):
        tally([""])
