"""Signals do in a worker what they do by default, whatever its parent does; crashes are told."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager

import pytest
from surrounded import WITHIN, posix, seen_by, worker

from rig.executors import START_METHODS
from rig.scripts import run_script
from taskpar._engine import place
from taskpar.backends.surroundings import Surroundings

pytestmark = pytest.mark.usefixtures("no_shares")


def handlers():
    """All handlers, the descriptor that is told of signals, and what is blocked."""
    known = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return known, signal.set_wakeup_fd(-1), signal.pthread_sigmask(signal.SIG_BLOCK, ())


@contextmanager
def own_handlers(handler):
    """Let the parent handle signals, have a descriptor told of them, and block one."""
    ours = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM, signal.SIGHUP]
    before = {number: signal.signal(number, handler) for number in ours}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    woken = signal.set_wakeup_fd(writer)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2])
    try:
        yield reader
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.set_wakeup_fd(woken)
        os.close(reader)
        os.close(writer)
        for number, old in before.items():
            signal.signal(number, old)


@posix
def test_no_handler_of_the_parent_runs_in_a_worker(start):
    """Signals do there what they do by default, and none is blocked."""
    with own_handlers(lambda *_: pytest.fail("a handler of the parent has run")):
        known, woken, blocked = seen_by(start, handlers)
    ignored = {number for number, handler in known.items() if handler == signal.SIG_IGN}
    assert {signal.SIGINT, signal.SIGPIPE, signal.SIGTTIN, signal.SIGTTOU} <= ignored
    assert known[signal.SIGTERM] == known[signal.SIGUSR1] == signal.SIG_DFL
    assert not [number for number, handler in known.items() if callable(handler)]
    assert (woken, blocked) == (-1, set())


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM])
def test_a_signal_ends_a_worker(start, number):
    """Nobody is told of it but by the end."""
    with (
        own_handlers(lambda *_: os._exit(9)) as told,
        worker(start, Surroundings.here(1)) as (ask, process),
    ):
        assert ask(os.getpid) == process.pid
        os.kill(process.pid, number)
        process.join(WITHIN)
        assert process.exitcode == -number
        signal.set_wakeup_fd(-1)
        os.set_blocking(told, False)
        with pytest.raises(BlockingIOError):
            os.read(told, 1)


@posix
def test_a_worker_leaves_ctrl_c_to_its_parent(start):
    """It does not notice."""
    with worker(start, Surroundings.here(1)) as (ask, process):
        assert ask(os.getpid) == process.pid
        os.kill(process.pid, signal.SIGINT)
        assert ask(place.inside_worker)


def ignored(number):
    """Whether a signal is ignored."""
    return signal.getsignal(number) == signal.SIG_IGN


@posix
@pytest.mark.parametrize("start", [start for start in START_METHODS if start != "forkserver"])
def test_what_the_parent_ignores_is_ignored(start):
    """As ``nohup`` lets it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert seen_by(start, ignored, signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


ON_A_TERMINAL = """
import multiprocessing, os, subprocess
from taskpar.backends.child import become_worker
from taskpar.backends.surroundings import Surroundings

def work(surroundings):
    become_worker(surroundings)
    try:
        os.read(0, 1)
    except OSError as error:
        print("error", error.errno, flush=True)

if __name__ == "__main__":
    os.open(os.ttyname(0), os.O_RDWR)  # it becomes the terminal of this session
    subprocess.run(["stty", "tostop"], check=True)
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=work, args=(Surroundings.here(1),))
    worker.start()
    worker.join()
    print("exit", worker.exitcode, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="terminals differ")
def test_a_worker_is_never_stopped_by_its_terminal(tmp_path):
    """Its group is in the background: it may write, and reading is an error."""
    (tmp_path / "script.py").write_text(ON_A_TERMINAL)
    try:
        terminal, end = os.openpty()
    except OSError as error:
        pytest.skip(f"no terminal to be had: {error}")
    command = [sys.executable, str(tmp_path / "script.py")]
    with subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, start_new_session=True
    ) as program:
        os.close(end)
        try:
            said = all_of(terminal)
        except BaseException:  # the test's time is up
            program.kill()
            raise
    assert program.returncode == 0
    assert said.decode().split() == ["error", str(errno.EIO), "exit", "0"]


def all_of(terminal):
    """What is written to a terminal, until nobody has it any more."""
    said = b""
    try:
        while chunk := os.read(terminal, 1000):
            said += chunk
    except OSError:  # how a terminal ends
        pass
    os.close(terminal)
    return said


CRASHING = """
import ctypes, io, multiprocessing, os, sys
from taskpar.backends.child import become_worker
from taskpar.backends.surroundings import Surroundings

def crash(surroundings):
    become_worker(surroundings)
    sys.stderr = io.StringIO()
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)

if __name__ == "__main__":
    sys.stderr = io.StringIO()
    context = multiprocessing.get_context({start!r})
    worker = context.Process(target=crash, args=(Surroundings.here(1),))
    worker.start()
    worker.join()
    print("exit", worker.exitcode)
"""


@posix
def test_a_crash_is_told_on_the_real_standard_error(start, tmp_path):
    """With the lines that led there, and it ends the worker by the same signal as ever."""
    done = run_script(textwrap.dedent(CRASHING.format(start=start)), tmp_path)
    assert done.stdout == f"exit {-signal.SIGSEGV}\n"
    assert "Segmentation fault" in done.stderr
    assert "in crash" in done.stderr
