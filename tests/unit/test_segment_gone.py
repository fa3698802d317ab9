"""A segment that nobody has is gone, nothing else is taken for it, and nothing of it is left."""

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection

import pytest
from segments import answer, files, kill, make_and_keep, posix

from rig.executors import START_METHODS
from rig.processes import PATIENCE, descriptors, receive, talking
from taskpar._system import shared_file
from taskpar._system.segment import Locks, Segment

pytestmark = pytest.mark.usefixtures("own_folder")


def make_and_end(pipe: Connection, folder: str) -> None:
    """End with a segment in a global, which is never collected, on a file with a name."""
    os.environ["TASKPAR_NO_MEMFD"] = "1"  # the fork server may be older than this test
    tempfile.tempdir = folder
    globals()["_kept"] = Segment(100)
    pipe.send(files())


def test_a_segment_that_was_let_go_is_gone(kind: str) -> None:
    """The error says who had it, and what to do."""
    packed = pickle.dumps(Segment(8))
    with pytest.raises(FileNotFoundError, match=f"process {os.getpid()}, .*keep it there"):
        pickle.loads(packed)


def test_another_file_under_the_old_number_is_not_taken_for_it(kind: str) -> None:
    """A new segment of the same size gets the same descriptor; an old pickle does not open it."""
    segment = Segment(8)
    number, packed = segment._file.descriptor, pickle.dumps(segment)
    del segment
    successor = Segment(8)
    assert successor._file.descriptor == number
    with pytest.raises(FileNotFoundError):
        pickle.loads(packed)
    assert bytes(successor.memory) == bytes(8)


@posix
def test_something_that_is_no_file_under_the_old_number_is_not_touched() -> None:
    """Not even opened: opening a pipe or a device may do something."""
    segment = Segment(8)
    number, packed = segment._file.descriptor, pickle.dumps(segment)
    del segment
    reader, writer = os.pipe()
    assert number in (reader, writer)
    with pytest.raises(FileNotFoundError):
        pickle.loads(packed)
    os.close(reader)
    os.close(writer)


@posix
@pytest.mark.parametrize("end", ["well", "killed"])
def test_a_dead_makers_segment_is_gone_but_not_for_those_who_have_it(kind: str, end: str) -> None:
    """A file without a name is passed on by whoever has it; with the name, that is gone too."""
    with talking(make_and_keep, method="fork") as (maker, pipe):
        packed = pipe.recv_bytes()
        segment = pickle.loads(packed)
        if end == "killed":
            kill(maker)
        else:
            pipe.send("end")
            maker.join(PATIENCE)
        assert bytes(segment.memory[:5]) == b"hello"
    if kind != "named":
        with talking(answer, segment, method="spawn") as (_, pipe):
            assert receive(pipe) == b"hello"
            assert receive(pipe) == segment.key
    del segment
    if kind == "named" and end == "killed":
        assert pickle.loads(packed).memory[:1] == b"h"  # the one thing that it leaves: its file
        return
    with pytest.raises(FileNotFoundError):
        pickle.loads(packed)


def test_nothing_is_left_of_collected_segments(kind: str) -> None:
    """No descriptor and no file; nor of a cycle, once it is collected."""
    before = descriptors()
    segment, locks, cycle = Segment(8), Locks(), [Segment(8)]
    cycle.append(cycle)
    segment.memory[0] = 1
    private = pickle.loads(pickle.dumps(segment)).private()
    del segment, locks, cycle, private
    assert (descriptors(), files()) == (before, [])


@pytest.mark.parametrize("method", START_METHODS)
def test_a_process_that_ends_well_removes_its_file(method: str) -> None:
    """Also if it is a child of multiprocessing, which runs no atexit functions."""
    with talking(make_and_end, tempfile.gettempdir(), method=method) as (_, pipe):
        assert len(receive(pipe)) == 1
    assert files() == []


@posix
def test_a_killed_process_leaves_nothing_that_has_no_name(kind: str) -> None:
    """The kernel frees a file that nobody has."""
    with talking(make_and_keep, method="fork") as (maker, pipe):
        before = descriptors()
        segment = receive(pipe)
        segment.memory[0] = 1
        kill(maker)
        del segment
        assert descriptors() == before
    assert len(files()) == (kind == "named")  # the one thing that it leaves


@posix
def test_a_forked_child_does_not_remove_its_parents_file(kind: str) -> None:
    """It has the segment too, but it has not made it; it ends as ordinary programs do."""
    script = """if True:
        import gc, os, pickle, sys
        from taskpar._system.segment import Segment
        segment, other = Segment(8), Segment(8)
        child = os.fork()
        if not child:
            del other
            gc.collect()
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
        packed = pickle.dumps(segment), pickle.dumps(other)
        grandchild = os.fork()
        if not grandchild:
            os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], *map(bytes.hex, packed)])
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
    """
    loads = (
        "import pickle, sys\nfor packed in sys.argv[1:]: pickle.loads(bytes.fromhex(packed)).memory"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script, loads]
    printed = subprocess.run(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout
    assert printed == ""
    assert files() == []


@posix
def test_a_child_that_is_forked_while_a_thread_opens_a_file_is_free(kind: str) -> None:
    """The child's thread that had our lock does not exist."""
    segment, held, enough = Segment(8), threading.Event(), threading.Event()

    def hold() -> None:
        with shared_file._books.lock:
            held.set()
            enough.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(PATIENCE)
        with talking(answer, method="fork") as (_, pipe):
            pipe.send(segment)
            assert receive(pipe) == bytes(5)
    finally:
        enough.set()
        thread.join()
