"""A worker that dies while something is written or read costs nothing: another does its work."""

import os
import signal
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from deeds import killed
from dying import all_of, needs_signals, wherever_workers_die
from places import WITHIN

from rig.waiting import eventually
from taskpar import Worker
from taskpar._system.channel import WorkerEnd

pytestmark = needs_signals

BIG = 50 * 1024 * 1024


def in_the_pipe(bench):
    """Make an executor send what is big through the pipe, and not beside it."""
    return {} if bench.kind == "pool" else {"max_shared_bytes": 0}


def is_first(path):
    """Whether nobody has been here yet."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def first_one_hangs(folder):
    """As an initializer: the first worker is never ready, and tells who it is."""
    if not is_first(folder / "first"):
        return
    (folder / "tmp").write_text(str(os.getpid()))
    (folder / "tmp").rename(folder / "pid")
    time.sleep(WITHIN)


@wherever_workers_die
def test_a_worker_may_die_while_a_big_argument_is_written_to_it(bench, tmp_path):
    """No call was started, so another worker gets it, and the writer does not wait for ever."""
    with (
        ThreadPoolExecutor(1) as aside,
        bench.make(
            initializer=first_one_hangs, initargs=(tmp_path,), **in_the_pipe(bench)
        ) as executor,
    ):
        submitting = aside.submit(executor.submit, len, bytes(BIG))
        assert eventually((tmp_path / "pid").exists, WITHIN)
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert submitting.result(WITHIN).result(WITHIN) == BIG
        assert executor.submit(abs, -1).result(WITHIN) == 1


class CutOff(Worker):
    """Dies in the middle of its first big message, if no other has."""

    def setup(self):
        """Get between the worker and its channel; this is another process than that of the test."""
        whole = WorkerEnd.write

        def write(end, message):
            if len(message) > BIG and is_first(FOLDER[0] / "cut off"):
                half = memoryview(struct.pack("!Q", len(message)) + message)[: BIG // 2]
                while half:
                    half = half[os.write(end._writer.fileno(), half) :]
                killed()
            whole(end, message)

        WorkerEnd.write = write


FOLDER = []  # in a worker: where the test looks


def blob(folder, size):
    """Make a big result, and note that it was made."""
    FOLDER.append(folder)
    with (folder / "made").open("a") as file:
        file.write("x")
    return bytes(size + 1)


@pytest.mark.parametrize("bench", all_of("queue", "process"), ids=str)
def test_a_worker_may_die_while_it_sends_a_big_result(bench, tmp_path):
    """What had not arrived whole is not there: the call is made again, elsewhere."""
    with bench.make(worker_class=CutOff, **in_the_pipe(bench)) as executor:
        assert len(executor.submit(blob, tmp_path, BIG).result(WITHIN)) == BIG + 1
        assert (tmp_path / "cut off").exists()
        assert (tmp_path / "made").read_text() == "xx"
        assert executor.submit(abs, -1).result(WITHIN) == 1
