"""Where workers note what they do: a row of words for each, which its parent reads at any time.

So a death is blamed on exactly one call, and a time limit belongs to a call even within a batch.
No lock is needed: each word has one writer.
"""

from time import monotonic_ns

from taskpar._system.segment import Segment

NOWHERE = -1
"""The position of a worker that runs no call."""

_POSITION, _SINCE, _HALT, _PID, _PEAK = range(5)
_BYTES = 8
_APART = 16
"""Words from one row to the next. Two processors that write to one line of their caches (64 bytes,
fetched in pairs) take it from each other, which costs more than a small call."""


class Board:
    """The memory of all rows.

    Args:
        places: How many workers may be there at once.
    """

    def __init__(self, places: int) -> None:
        self.segment = Segment(_BYTES * _APART * places)

    def row(self, place: int) -> "Row":
        """Return the row of a place."""
        return Row(self.segment, place)

    def close(self) -> None:
        """Let the memory go."""
        self.segment.close()


class Row:
    """The words of one worker: a copy of this is on either side, the memory is the same.

    Args:
        segment: The memory of the board.
        place: Which of the rows it is.
    """

    def __init__(self, segment: Segment, place: int) -> None:
        words = segment.memory.cast("q")
        # The first, `_POSITION`, is written before each call: a function would take far longer.
        self.words = words[place * _APART : (place + 1) * _APART]
        words.release()
        self._halted: int | None = None

    # -------------------------------------------------------------------- in the worker
    def arrive(self, pid: int) -> None:
        """Note which process it is that writes here from now on."""
        self.words[_PID] = pid

    def begin(self, peak: int) -> None:
        """Note that some calls begin now, and the most memory that was used before them."""
        self.words[_SINCE] = monotonic_ns()
        self.words[_PEAK] = peak

    def enter(self, position: int) -> bool:
        """Note that a call with a time limit begins; tell whether it may.

        First the position is written, then the word is read by which the parent forbids to go on.
        `halt` does it the other way round, so one of the two sees what the other has written.
        """
        self.words[_POSITION] = position
        self.words[_SINCE] = monotonic_ns()
        return not self.words[_HALT]

    def leave(self) -> None:
        """Note that no call runs."""
        self.words[_POSITION] = NOWHERE
        self.words[_SINCE] = 0

    # -------------------------------------------------------------------- in the parent
    def clear(self) -> None:
        """Make the row ready for a worker, or for the next batch of its worker."""
        self._halted = None
        self.words[_POSITION] = NOWHERE
        self.words[_SINCE] = self.words[_HALT] = 0

    def reset(self) -> None:
        """Make the row ready for a new worker."""
        self.clear()
        self.words[_PID] = self.words[_PEAK] = 0

    def halt(self, position: int | None) -> bool:
        """Forbid the worker to begin another call; tell whether it is still at ``position``.

        If it is, no later call begins. If it is not, nothing is forbidden.
        """
        self.words[_HALT] = 1
        if position is None or self.words[_POSITION] == position:
            self._halted = position
            return True
        self.words[_HALT] = 0
        return False

    @property
    def pid(self) -> int:
        """The process that writes here; 0: none yet."""
        return self.words[_PID]

    @property
    def position(self) -> int | None:
        """The position of the call that runs, or ran at the death; None: no call."""
        position = self.words[_POSITION]
        if self._halted not in (None, position):
            return None  # it was about to begin the next one, which was forbidden
        return None if position == NOWHERE else position

    @property
    def seconds(self) -> float | None:
        """For how long it has been running; with no time limit, since its slice of time began."""
        since = self.words[_SINCE]
        return None if self.position is None or not since else (monotonic_ns() - since) / 1e9

    @property
    def peak(self) -> int | None:
        """The most bytes of memory that the worker used before its last calls began."""
        return self.words[_PEAK] or None

    def close(self) -> None:
        """Let go of the memory."""
        self.words.release()
