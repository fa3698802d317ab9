"""Of `Locks`, each is held by one process at most, and is free as soon as that has ended."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
from multiprocessing.connection import Connection

import pytest
from segments import asked, do, kill, posix

from rig.executors import START_METHODS
from rig.processes import PATIENCE, receive, talking
from taskpar._system.segment import Locks

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.mark.parametrize("method", START_METHODS)
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
