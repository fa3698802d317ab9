"""`Segment` and `Locks`, shared by real processes, on each kind of file that they may rest on."""

import copy
import gc
import mmap
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from taskpar._system import shared_file
from taskpar._system.segment import Locks, Segment

METHODS = multiprocessing.get_all_start_methods()
NAMELESS = sys.platform == "linux"
PATIENCE = 30  # seconds until a process of these tests counts as hanging

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork or signals")


@pytest.fixture(params=["memory", "nameless", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Files in memory; files without a name, for Pythons without memfd; files with a name."""
    if request.param == "named":
        monkeypatch.setenv("TASKPAR_NO_MEMFD", "1")
    elif not NAMELESS:
        pytest.skip("files with a name are all that this platform has")
    elif request.param == "nameless":
        monkeypatch.delattr(os, "memfd_create")
    return request.param


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files with a name lie in a folder of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@contextmanager
def talking(target: Callable[..., None], *args: Any, method: str | None = None) -> Iterator[Any]:
    """A process and the pipe to it; it has to end by itself, and well, unless it is killed."""
    context: Any = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *args))
    process.start()
    theirs.close()
    try:
        yield process, ours
        with suppress(BrokenPipeError):
            ours.send(None)  # a forked child has our end too: closing it would tell nothing
        process.join(PATIENCE)
        assert process.exitcode in (0, -getattr(signal, "SIGKILL", 0))
    finally:
        ours.close()
        process.kill()
        process.join()
        process.close()


def receive(pipe: Connection) -> Any:
    """Wait for the next message, for a bounded time."""
    assert pipe.poll(PATIENCE), "no answer"
    return pipe.recv()


def kill(process: BaseProcess) -> None:
    """Kill a process and wait for its end."""
    process.kill()
    process.join(PATIENCE)


def files() -> list[str]:
    """Name our files in the directory for temporary files."""
    return [name for name in os.listdir(tempfile.gettempdir()) if name.startswith("taskpar-")]


def descriptors() -> dict[str, str]:
    """This process's open descriptors, and where each leads to, without those of garbage."""
    gc.collect()
    found = {}
    for number in os.listdir("/proc/self/fd") if NAMELESS else []:
        with suppress(FileNotFoundError):  # the one that listed them
            found[number] = str(Path(f"/proc/self/fd/{number}").readlink())
    return found


# ------------------------------------------------------------------- what runs in other processes
def answer(pipe: Connection, segment: Segment | None = None) -> None:
    """Answer what is in the segment, and write to it; without one, be sent one first."""
    if segment is None:
        segment = receive(pipe)
    pipe.send(bytes(segment.memory[:5]))
    segment.memory[:5] = b"there"
    pipe.send(segment.key)


def make_and_keep(pipe: Connection) -> None:
    """Make a segment, send it, and keep it until there is a word."""
    segment = Segment(100)
    segment.memory[:5] = b"hello"
    pipe.send(segment)
    pipe.recv()


def make_and_end(pipe: Connection, folder: str) -> None:
    """End with a segment in a global, which is never collected, on a file with a name."""
    os.environ["TASKPAR_NO_MEMFD"] = "1"  # the fork server may be older than this test
    tempfile.tempdir = folder
    globals()["_kept"] = Segment(100)
    pipe.send(files())


def do(pipe: Connection, locks: Locks) -> None:
    """Do with the locks what is asked for, until the pipe ends."""
    while (word := pipe.recv()) is not None:
        name, number = word
        pipe.send(getattr(locks, name)(number))


def asked(pipe: Connection, name: str, number: int) -> Any:
    """Return what a process gets that does with its locks what it is asked for."""
    pipe.send((name, number))
    return receive(pipe)


# ----------------------------------------------------------------------------------------- memory
def test_memory_is_zeros_and_keeps_what_is_written(kind: str) -> None:
    """As many bytes as were asked for, also as words."""
    segment = Segment(24)
    assert bytes(segment.memory) == bytes(24)
    words = segment.memory.cast("q")
    words[2] = -5
    assert (segment.size, list(segment.memory.cast("q"))) == (24, [0, 0, -5])


@pytest.mark.parametrize("method", METHODS)
def test_a_segment_can_be_given_to_a_new_process(kind: str, method: str) -> None:
    """Under every start method both see what the other writes."""
    segment = Segment(5000)
    segment.memory[:5] = b"hello"
    with talking(answer, segment, method=method) as (_, pipe):
        assert receive(pipe) == b"hello"
        assert receive(pipe) == segment.key
    assert bytes(segment.memory[:5]) == b"there"


@pytest.mark.parametrize("method", METHODS)
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


# -------------------------------------------------------------------------------------------- gone
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


# ------------------------------------------------------------------------------------ nothing left
def test_nothing_is_left_of_collected_segments(kind: str) -> None:
    """No descriptor and no file; nor of a cycle, once it is collected."""
    before = descriptors()
    segment, locks, cycle = Segment(8), Locks(), [Segment(8)]
    cycle.append(cycle)
    segment.memory[0] = 1
    private = pickle.loads(pickle.dumps(segment)).private()
    del segment, locks, cycle, private
    assert (descriptors(), files()) == (before, [])


@pytest.mark.parametrize("method", METHODS)
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


# ------------------------------------------------------------------------------------------- locks
@pytest.mark.parametrize("method", METHODS)
def test_a_lock_is_held_by_one_process(method: str) -> None:
    """Until it is unlocked; the other numbers are free meanwhile, and so are other `Locks`."""
    locks, others = Locks(), Locks()
    assert locks.try_lock(3)
    assert others.try_lock(4)
    with talking(do, locks, method=method) as (_, pipe):
        assert not asked(pipe, "try_lock", 3)
        assert asked(pipe, "try_lock", 4)
        assert not locks.try_lock(4)
        locks.unlock(3)
        assert asked(pipe, "try_lock", 3)
        asked(pipe, "unlock", 4)
        assert locks.try_lock(4)


def test_the_locks_of_a_killed_process_are_free(kind: str) -> None:
    """The kernel frees them, at once."""
    locks = Locks()
    with talking(do, locks) as (process, pipe):
        assert asked(pipe, "try_lock", 1)
        assert not locks.try_lock(1)
        kill(process)
        assert locks.try_lock(1)


def test_waiting_for_a_lock_ends_when_its_holder_dies(kind: str) -> None:
    """The one who waits gets it."""
    locks = Locks()
    with talking(do, locks) as (process, pipe):
        assert asked(pipe, "try_lock", 1)
        waiter = threading.Thread(target=locks.lock, args=(1,))
        waiter.start()
        waiter.join(0.1)
        assert waiter.is_alive()
        kill(process)
        waiter.join(PATIENCE)
        assert not waiter.is_alive()
    with talking(do, locks) as (_, pipe):
        assert not asked(pipe, "try_lock", 1)


@posix
def test_a_forked_child_has_none_of_its_parents_locks(kind: str) -> None:
    """Neither does it free them, by unlocking or by its end."""
    locks = Locks()
    assert locks.try_lock(1)
    with talking(do, locks, method="fork") as (_, pipe):
        assert not asked(pipe, "try_lock", 1)
        asked(pipe, "unlock", 1)
    with talking(do, locks, method="fork") as (_, pipe):
        assert not asked(pipe, "try_lock", 1)


def test_closing_other_handles_keeps_the_locks(kind: str) -> None:
    """A process has the file open once, or closing the second descriptor would free all locks."""
    locks = Locks()
    assert locks.try_lock(1)
    pickle.loads(pickle.dumps(locks)).close()
    copy.copy(locks)
    subprocess.run([sys.executable, "-c", ""], check=True, timeout=PATIENCE)
    with talking(do, locks) as (_, pipe):
        assert not asked(pipe, "try_lock", 1)
        locks.close()
        assert asked(pipe, "try_lock", 1)


def test_a_handle_that_is_unpickled_while_the_last_one_goes_is_sound(kind: str) -> None:
    """The last handle of a process and a new one, in two threads: it opens, or it is gone."""
    for _ in range(100):
        locks = [Locks()]
        packed = pickle.dumps(locks[0])
        dropper = threading.Thread(target=locks.clear)
        dropper.start()
        try:
            assert pickle.loads(packed).try_lock(0)
        except FileNotFoundError:
            assert not locks
        dropper.join(PATIENCE)


def test_unpickling_in_many_threads_at_once_opens_one_descriptor(kind: str) -> None:
    """In a process that did not have it before."""
    locks = Locks()
    with talking(open_in_threads) as (_, pipe):
        pipe.send_bytes(pickle.dumps(locks))
        assert receive(pipe) == 1
        assert not locks.try_lock(0)


def open_in_threads(pipe: Connection) -> None:
    """Unpickle locks in eight threads at once; tell how many descriptors they have."""
    packed = pipe.recv_bytes()
    handles: list[Locks] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait(PATIENCE)
        handles.append(pickle.loads(packed))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handles[0].try_lock(0)
    pipe.send(len({handle._file.descriptor for handle in handles}))
    del handles[1:]
    gc.collect()
    pipe.recv()


@posix
def test_another_interpreter_of_the_same_process_is_refused_the_locks() -> None:
    """They belong to the process: the two could not tell whose they are."""
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    interpreters = pytest.importorskip(name)
    locks = Locks()
    assert locks.try_lock(0)
    reader, writer = os.pipe()
    script = f"""if True:
        import os, pickle, sys
        sys.path[:] = {sys.path!r}
        try:
            pickle.loads({pickle.dumps(locks)!r})
        except FileNotFoundError:
            os.write({writer}, b"refused")
        else:
            os.write({writer}, b"opened")
    """
    number = interpreters.create()
    try:
        interpreters.run_string(number, script)
    finally:
        interpreters.destroy(number)
        os.close(writer)
    assert os.read(reader, 100) == b"refused"
    os.close(reader)
    with talking(do, locks) as (_, pipe):
        assert not asked(pipe, "try_lock", 0)
