"""How much memory a process uses: compared with what it is made to use."""

import os
import sys
from multiprocessing import Pipe, get_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskpar._system import memory

MUCH = 64 * 2**20  # bytes
EVER = 2**50  # bytes: no machine has as many

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_a_process_knows_its_own_peak():
    """More than an interpreter without a program, less than there can be."""
    for peak in (memory.peak(), memory.own_peak_quickly()):
        assert 2**20 < (peak or 2**21) < EVER


@on_linux
def test_memory_that_is_written_to_is_resident_and_then_it_is_not():
    """The peak stays where it was."""
    before, highest = memory.resident(), memory.peak()
    much = bytearray(os.urandom(1024) * (MUCH // 1024))
    with_it = memory.resident()
    assert with_it - before > 0.9 * MUCH
    assert memory.peak() >= max(highest, with_it)
    assert memory.own_peak_quickly() >= 0.99 * with_it
    del much
    assert memory.resident() < with_it - 0.9 * MUCH
    assert memory.peak() >= with_it


@given(data=st.binary(min_size=1), flip=st.none() | st.integers(0), with_numpy=st.booleans())
def test_pieces_of_memory_are_equal_if_all_their_bytes_are(data, flip, with_numpy):
    """One bit decides, wherever it is, with numpy or without it; so does the size."""
    other = bytearray(data)
    if flip is not None:
        other[flip % len(data)] ^= 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "_COMPARED", 3)  # words: so that there are several pieces
        if not with_numpy:
            patch.delitem(sys.modules, "numpy", raising=False)
        assert memory.are_equal(memoryview(data), memoryview(other)) is (flip is None)
        assert not memory.are_equal(memoryview(data), memoryview(other)[1:])


def hold(ready, end):
    """Use much memory until told to end."""
    much = bytearray(os.urandom(1024) * (MUCH // 1024))
    ready.send((memory.resident(), memory.peak()))
    end.recv()
    del much


@on_linux
def test_another_process_can_be_asked_about_by_its_number():
    """It sees the same of itself; when it has gone, nothing is known."""
    context = get_context("fork")
    (told, ready), (end, over) = Pipe(duplex=False), Pipe(duplex=False)
    process = context.Process(target=hold, args=(ready, end))
    process.start()
    resident, peak = told.recv()
    assert memory.resident(process.pid) == pytest.approx(resident, rel=0.1)
    assert memory.peak(process.pid) == pytest.approx(peak, rel=0.1)
    assert memory.resident(process.pid) > MUCH
    over.send(None)
    process.join()
    assert (memory.resident(process.pid), memory.peak(process.pid)) == (None, None)
    process.close()
    for pipe in (told, ready, end, over):
        pipe.close()


@on_linux
def test_a_zombie_has_no_memory():
    """It has ended, and nobody has asked how."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert (memory.resident(pid), memory.peak(pid)) == (None, None)
    os.waitpid(pid, 0)


def test_where_there_is_no_process_table_one_knows_of_oneself_what_the_system_tells(monkeypatch):
    """As on platforms without /proc, and on those without resource limits."""
    monkeypatch.setattr(memory, "_text", no_such_file)
    assert (memory.resident(), memory.resident(1), memory.peak(1)) == (None, None, None)
    assert memory.peak() == (memory.own_peak_quickly() or None)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert (memory.peak(), memory.own_peak_quickly()) == (None, 0)


def no_such_file(path):
    """Say so, as `open` does."""
    raise FileNotFoundError(path)
