"""Counts in parallel what is in some texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_type

from taskpar import QueueExecutor, SharedCounter, Task, parallel, use


@dataclass(frozen=True)
class Tally:
    """What is in some texts."""

    letters: int
    longest: int
    words: int


@parallel
def letters(text: str) -> int:
    """Count the letters of a text."""
    return sum(map(str.isalpha, text))


def longest(texts: Sequence[str]) -> int:
    """Return the length of the longest word."""
    return max(len(word) for text in texts for word in text.split())


def count_words(text: str, counter: SharedCounter) -> None:
    """Add the number of words in a text to a counter."""
    counter.add(len(text.split()))


def tally(texts: Sequence[str], max_workers: int = 2) -> Tally:
    """Count what is in some texts: three ways of using one executor."""
    words = SharedCounter()
    with QueueExecutor(max_workers) as executor, use(executor):
        per_text = list(letters.map(texts))
        for _ in executor.starmap(count_words, [(text, words) for text in texts]):
            pass
        [longest_word] = executor.run([Task(longest, texts)])
    assert_type(per_text, list[int])
    assert_type(longest_word, int)
    assert_type(letters("abc"), int)
    return Tally(sum(per_text), longest_word, words.value)
