"""Pages that are written to: new ones by the system, those that are there through a mapping."""

import os
import threading
from collections.abc import Iterator
from mmap import ALLOCATIONGRANULARITY as PAGE

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar._system import pages as module
from taskpar._system.pages import STEP, Pages
from taskpar._system.segment import Segment
from taskpar._system.shared_file import nameless_memory

pytestmark = pytest.mark.skipif(not nameless_memory(), reason="needs memory files")

NEAR = 8 * PAGE


class Told(Segment):
    """Memory that notes what is written to it without a mapping."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.written: list[tuple[int, int]] = []

    def write(self, data: "memoryview | bytes", first: int) -> None:
        """Note it."""
        self.written.append((first, memoryview(data).nbytes))
        super().write(data, first)


def pages_of(segment: Segment, near: int) -> Pages:
    """The pages of a segment, of which so many bytes are near."""
    return Pages(segment, segment.window(0, segment.size)[:near])


def content_of(segment: Segment, first: int, size: int) -> bytes:
    """What lies there, as another process would read it."""
    data = bytearray(size)
    segment.read_into(data, first)
    return bytes(data)


@pytest.fixture
def segment() -> Iterator[Told]:
    """Some memory, of which the first half is near."""
    segment = Told(2 * NEAR)
    yield segment
    segment.close()


def test_what_is_there_is_written_through_a_mapping(segment: Told) -> None:
    """From the second time on, also a part of it, and what begins or ends elsewhere."""
    pages = pages_of(segment, NEAR)
    pages.write(b"a" * 3 * PAGE, PAGE)
    assert segment.written == [(PAGE, 3 * PAGE)]
    pages.write(b"b" * (2 * PAGE + 1), PAGE)
    pages.write(b"c", 3 * PAGE)
    assert segment.written == [(PAGE, 3 * PAGE)]
    expected = b"b" * 2 * PAGE + b"c" + b"a" * (PAGE - 1)
    assert content_of(segment, PAGE, 3 * PAGE) == expected


def test_new_pages_are_never_written_through_a_mapping(segment: Told) -> None:
    """Nor what is partly new: there may be no memory for them, which only a system call tells."""
    pages = pages_of(segment, NEAR)
    for first, size in [(0, PAGE), (0, 2 * PAGE), (PAGE, 2 * PAGE), (4 * PAGE, 1)]:
        pages.write(b"x" * size, first)
        assert segment.written[-1] == (first, size)


def test_pages_that_have_gone_are_new(segment: Told) -> None:
    """The system has their memory; their neighbours are there."""
    pages = pages_of(segment, NEAR)
    pages.write(b"x" * NEAR, 0)
    segment.forget(2 * PAGE, 2 * PAGE)
    pages.gone(2 * PAGE, PAGE + 1)
    pages.write(b"y" * 2 * PAGE, 0)
    pages.write(b"y" * 4 * PAGE, 4 * PAGE)
    assert len(segment.written) == 1
    pages.write(b"y" * PAGE, 3 * PAGE)
    assert segment.written[1:] == [(3 * PAGE, PAGE)]


@pytest.mark.parametrize("near", [0, NEAR])
def test_what_is_far_is_never_mapped(segment: Told, near: int) -> None:
    """Address space and resident memory of the writer are bounded."""
    pages = pages_of(segment, near)
    expected = []
    for first, size in [(near, PAGE), (max(0, near - PAGE), 2 * PAGE), (2 * NEAR - PAGE, PAGE)] * 2:
        pages.write(b"x" * size, first)
        pages.gone(first, 0)
        expected.append((first, size))
        assert content_of(segment, first, size) == b"x" * size
    pages.gone(near, NEAR)
    assert segment.written == expected


@given(data=st.data())
def test_all_that_is_written_is_there(data: st.DataObject) -> None:
    """In any order, of any size and shape, in steps or at once: as a `bytearray` has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STEP", data.draw(st.sampled_from([100, PAGE, STEP])))
        segment, expected = Segment(2 * NEAR), bytearray(2 * NEAR)
        pages = pages_of(segment, data.draw(st.sampled_from([0, NEAR, 2 * NEAR])))
        if data.draw(st.booleans()):
            pages.write(bytes(2 * NEAR), 0)
        for number in range(1, data.draw(st.integers(1, 12)) + 1):
            first = PAGE * data.draw(st.integers(0, 15))
            size = 8 * data.draw(st.integers(1, (2 * NEAR - first) // 8))
            content = os.urandom(8) * (size // 8)
            pages.write(memoryview(content).cast("Q") if number % 2 else content, first)
            expected[first : first + size] = content
        assert content_of(segment, 0, 2 * NEAR) == expected


def test_threads_write_at_once_each_to_pages_of_its_own() -> None:
    """Nobody's bytes are lost."""
    segment = Segment(64 * PAGE)
    pages = pages_of(segment, 64 * PAGE)

    def write(number: int) -> None:
        for turn in range(50):
            pages.write(bytes([number + turn]) * 8 * PAGE, number * 8 * PAGE)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert content_of(segment, 0, 64 * PAGE) == b"".join(
        bytes([number + 49]) * 8 * PAGE for number in range(8)
    )


def test_closed_pages_let_the_memory_go(segment: Told) -> None:
    """The mapping with them: what is written then goes to the system, which tells."""
    near = segment.window(0, NEAR)
    pages = Pages(segment, near)
    for _ in range(2):
        pages.write(b"x", 0)
    pages.close()
    with pytest.raises(ValueError, match="released"):
        near[0]
    segment.close()
    with pytest.raises(ValueError, match="closed"):
        pages.write(b"x", 0)
