"""A `Segment` is the same memory for all who have it, on each kind of file it may rest on."""

import copy
import mmap
import os
import pickle
import sys
from typing import Any

import pytest
from segments import answer, files

from rig.executors import START_METHODS
from rig.processes import descriptors, receive, talking
from taskpar._system.segment import Locks, Segment

pytestmark = pytest.mark.usefixtures("own_folder")


def test_memory_is_zeros_and_keeps_what_is_written(kind: str) -> None:
    """As many bytes as were asked for, also as words."""
    segment = Segment(24)
    assert bytes(segment.memory) == bytes(24)
    words = segment.memory.cast("q")
    words[2] = -5
    assert (segment.size, list(segment.memory.cast("q"))) == (24, [0, 0, -5])


@pytest.mark.parametrize("method", START_METHODS)
def test_a_segment_can_be_given_to_a_new_process(kind: str, method: str) -> None:
    """Under every start method both see what the other writes."""
    segment = Segment(5000)
    segment.memory[:5] = b"hello"
    with talking(answer, segment, method=method) as (_, pipe):
        assert receive(pipe) == b"hello"
        assert receive(pipe) == segment.key
    assert bytes(segment.memory[:5]) == b"there"


@pytest.mark.parametrize("method", START_METHODS)
def test_a_segment_can_be_sent_to_a_process_that_runs_already(kind: str, method: str) -> None:
    """The process is older than the segment."""
    with talking(answer, method=method) as (_, pipe):
        segment = Segment(5000)
        segment.memory[:5] = b"hello"
        pipe.send(segment)
        assert receive(pipe) == b"hello"
        assert receive(pipe) == segment.key
    assert bytes(segment.memory[:5]) == b"there"


def test_private_writes_stay_private(kind: str) -> None:
    """A private mapping shows the memory, can be written to, and outlives the segment."""
    segment = Segment(2 * mmap.PAGESIZE)
    segment.memory[:5] = b"hello"
    first, second = segment.private(), segment.private()
    first[:5] = b"mine!"
    assert (first[:5], second[:5], bytes(segment.memory[:5])) == (b"mine!", b"hello", b"hello")
    segment.close()
    second[-1:] = b"x"
    assert (first[:5], second[-1:]) == (b"mine!", b"x")


@pytest.mark.skipif(sys.platform == "win32", reason="files are not sparse")
def test_only_touched_pages_take_memory(kind: str) -> None:
    """A gigabyte of which one byte is used is a few pages."""
    segment = Segment(1 << 30)
    segment.memory[1 << 29] = 1
    os.sync()
    assert os.fstat(segment._file.descriptor).st_blocks * 512 < 1 << 20


def test_in_one_process_all_handles_share_one_descriptor(kind: str) -> None:
    """Unpickled and copied segments are the same memory; closing one does not close the others."""
    segment = Segment(8)
    before = descriptors()
    others = [pickle.loads(pickle.dumps(segment)), copy.copy(segment), copy.deepcopy(segment)]
    assert descriptors() == before
    others[0].memory[0] = 7
    segment.close()
    assert [other.memory[0] for other in others] == [7, 7, 7]
    assert {other.key for other in others} == {segment.key}


@pytest.mark.parametrize("cls", [Segment, Locks])
def test_a_closed_handle_refuses_by_name(kind: str, cls: type[Any]) -> None:
    """Closing twice is fine, using it afterwards is not."""
    handle = cls(8) if cls is Segment else cls()
    handle.close()
    handle.close()
    assert files() == []
    uses = (
        [lambda: handle.memory, handle.private]
        if cls is Segment
        else [lambda: handle.lock(0), lambda: handle.try_lock(0), lambda: handle.unlock(0)]
    )
    for use in [*uses, lambda: pickle.dumps(handle)]:
        with pytest.raises(ValueError, match=f"this {cls.__name__} is closed"):
            use()


def test_a_view_that_is_in_use_survives_close(kind: str) -> None:
    """Nobody's memory goes away under them."""
    segment = Segment(8)
    words = segment.memory.cast("q")
    exported = pickle.PickleBuffer(segment.memory)
    segment.close()
    words[0] = 5
    assert bytes(exported) == words.tobytes()


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_the_size_must_be_a_positive_integer(size: Any, error: type[Exception]) -> None:
    """Memory of no size cannot be mapped."""
    with pytest.raises(error):
        Segment(size)
