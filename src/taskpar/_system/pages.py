"""Writing to memory that processes share: page by page new, or used before.

A system call takes new pages from the system and fills them, and raises where there are none left;
through a mapping each costs a fault, and where there are none the process is killed. But what was
written before is written through a mapping half as quickly again: there the pages are.

Source: pwrite(2), mmap(2) "SIGBUS".
"""

from contextlib import suppress
from mmap import ALLOCATIONGRANULARITY as PAGE

from taskpar._system.segment import Segment

STEP = 1 << 20
"""Bytes that are copied at once through a mapping: meanwhile no other thread of Python runs."""


class Pages:
    """The pages of a segment, for the one process that writes to them.

    Args:
        segment: The memory.
        near: How many bytes of it may be mapped, from the first on; they are counted as this
            process's own, in address space and resident memory.
    """

    def __init__(self, segment: Segment, near: int) -> None:
        self._segment = segment
        self._there = bytearray(-(-min(near, segment.size) // PAGE))
        """Whether a page has been written to, and is there."""
        self._memory: memoryview | None = None

    def write(self, data: "memoryview | bytes", first: int) -> None:
        """Write data to a place that begins with a page; OSError if there is no memory for it."""
        size = memoryview(data).nbytes
        whole = slice(first // PAGE, -(-(first + size) // PAGE))
        memory = self._mapped() if self._are_there(whole) else None
        if memory is not None:
            _copy(memoryview(data).cast("B"), memory[first : first + size])
            return
        self._segment.write(data, first)
        if whole.stop <= len(self._there):
            self._there[whole] = b"\1" * (whole.stop - whole.start)

    def gone(self, first: int, size: int) -> None:
        """Take it that pages may have been given back to the system."""
        whole = slice(*slice(first // PAGE, -(-(first + size) // PAGE)).indices(len(self._there)))
        self._there[whole] = bytes(whole.stop - whole.start)

    def close(self) -> None:
        """Let go of the mapping: nothing is written any more."""
        self._there = bytearray()
        self._memory = None

    def _are_there(self, whole: slice) -> bool:
        return whole.stop <= len(self._there) and 0 not in self._there[whole]

    def _mapped(self) -> memoryview | None:
        if self._memory is None:
            with suppress(OSError):  # no address space is left: it is written all the same
                self._memory = self._segment.window(0, len(self._there) * PAGE)
        return self._memory


def _copy(data: memoryview, place: memoryview) -> None:
    for at in range(0, len(data), STEP):
        place[at : at + STEP] = data[at : at + STEP]
