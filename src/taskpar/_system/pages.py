"""Writing to memory that processes share: page by page new, or used before.

A system call takes new pages from the system and fills them, and raises where there are none left;
through a mapping each costs a fault, and where there are none the process is killed. But what was
written before is written through a mapping half as quickly again: there the pages are.

Source: pwrite(2), mmap(2) "SIGBUS".
"""

from mmap import ALLOCATIONGRANULARITY as PAGE

from taskpar._system.segment import Segment

STEP = 1 << 20
"""Bytes that are copied at once through a mapping: meanwhile no other thread of Python runs."""


class Pages:
    """The pages of a segment, for the one process that writes to them.

    Args:
        segment: The memory.
        near: Its first pages, as they are mapped here; they count as this process's own, in address
            space and, once written to, in resident memory. There may be none.
    """

    def __init__(self, segment: Segment, near: memoryview) -> None:
        self._segment = segment
        self._near = near
        self._there = bytearray(len(near) // PAGE)
        """Whether a page has been written to, and is there."""

    def write(self, data: "memoryview | bytes", first: int) -> None:
        """Write data to a place that begins with a page; OSError if there is no memory for it."""
        size = memoryview(data).nbytes
        whole = _whole(first, size)
        if whole.stop <= len(self._there) and 0 not in self._there[whole]:
            _copy(memoryview(data).cast("B"), self._near[first : first + size])
            return
        self._segment.write(data, first)
        if whole.stop <= len(self._there):
            self._there[whole] = b"\1" * (whole.stop - whole.start)

    def gone(self, first: int, size: int) -> None:
        """Take it that pages may have been given back to the system."""
        whole = slice(*_whole(first, size).indices(len(self._there)))
        self._there[whole] = bytes(whole.stop - whole.start)

    def close(self) -> None:
        """Let go of the mapping: nothing is written any more."""
        self._there = bytearray()
        self._near.release()


def _whole(first: int, size: int) -> slice:
    """Return the pages of which bytes are a part."""
    return slice(first // PAGE, -(-(first + size) // PAGE))


def _copy(data: memoryview, place: memoryview) -> None:
    for at in range(0, len(data), STEP):
        place[at : at + STEP] = data[at : at + STEP]
