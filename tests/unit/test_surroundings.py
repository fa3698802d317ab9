"""What is around a task in a worker, seen from within real workers of every start method."""

import errno
import importlib
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig.executors import START_METHODS
from rig.scripts import run_script
from taskpar._engine import place
from taskpar.backends.child import Arrival, become_worker
from taskpar.backends.surroundings import Surroundings

WITHIN = 30.0  # seconds: a bound, not a measure
NUMERIC = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
]

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture(params=START_METHODS)
def start(request):
    """Each way to start a worker."""
    return request.param


@pytest.fixture(autouse=True)
def no_shares(monkeypatch):
    """Nothing is chosen by the user; there are eight processors."""
    for name in NUMERIC:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TASKPAR_WORKERS", "8")


def answer(pipe, surroundings):
    """As a worker: call what comes, and send what it returns."""
    become_worker(surroundings)
    while (asked := pipe.recv()) is not None:
        function, *args = asked
        pipe.send(function(*args))


@contextmanager
def worker(start, surroundings):
    """A worker with such surroundings, and a function that asks it."""
    context = multiprocessing.get_context(start)
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(theirs, surroundings))
    process.start()
    theirs.close()

    def ask(*call):
        ours.send(call)
        assert ours.poll(WITHIN)
        return ours.recv()

    try:
        yield ask, process
    finally:
        if process.is_alive():
            ours.send(None)
        ours.close()
        process.join(WITHIN)
        process.close()


def seen_by(start, function, *args, slots=2):
    """What a function returns in one of so many workers, started here and now."""
    with worker(start, Surroundings.here(slots)) as (ask, _):
        return ask(function, *args)


# ---------------------------------------------------------------------------------- environment
def environment():
    """All variables."""
    return dict(os.environ)


def test_the_environment_is_that_of_the_parent(start, monkeypatch):
    """As it is now, not as it was when the fork server was started; but for the shares."""
    monkeypatch.setenv("SET_SINCE", "a\udcff=b")
    monkeypatch.delenv("HOME", raising=False)
    here = dict(os.environ)
    there = seen_by(start, environment)
    assert there == here | {"TASKPAR_WORKERS": "4"} | dict.fromkeys(NUMERIC, "4")
    assert dict(os.environ) == here


@pytest.mark.parametrize(("slots", "share"), [(1, "8"), (3, "2"), (8, "1"), (100, "1")])
def test_each_worker_has_its_share_of_the_processors(slots, share):
    """Rounded down, so that all of them fit in; but one at least."""
    there = seen_by(START_METHODS[0], environment, slots=slots)
    assert {there[name] for name in ["TASKPAR_WORKERS", *NUMERIC]} == {share}


def test_what_the_user_has_set_is_left_alone(start, monkeypatch):
    """Except the number of workers, which is there to be divided; empty means not set."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MKL_NUM_THREADS", "")
    there = seen_by(start, environment)
    assert there["OMP_NUM_THREADS"] == "7"
    assert there["MKL_NUM_THREADS"] == there["BLIS_NUM_THREADS"] == there["TASKPAR_WORKERS"] == "4"


def shares_within(slots):
    """The shares of workers of this worker."""
    return Surroundings.here(slots).shares


def test_workers_of_workers_divide_what_their_parent_has(start, monkeypatch):
    """What we have set is not what the user has set."""
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    within = seen_by(start, shares_within, 2)
    assert within == {name: "2" for name in ["TASKPAR_WORKERS", *NUMERIC] if name[:3] != "OMP"}


def test_a_wrong_number_of_workers_is_told(monkeypatch):
    """In the words of whoever reads it."""
    monkeypatch.setenv("TASKPAR_WORKERS", "many")
    with pytest.raises(ValueError, match="TASKPAR_WORKERS must be a positive integer"):
        Surroundings.here(1)


def threads_after_import():
    """How many threads numpy starts when it is loaded."""
    before = len(os.listdir("/proc/self/task"))
    assert "numpy" not in sys.modules
    importlib.import_module("numpy")
    return len(os.listdir("/proc/self/task")) - before


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("start", [start for start in START_METHODS if start != "fork"])
def test_numpy_starts_no_more_threads_than_there_are_processors_for(start):
    """It reads its variable when it is loaded, and that is after we have set it."""
    pytest.importorskip("numpy")
    assert seen_by(start, threads_after_import, slots=8) == 0


LATE = """
import os
SEEN = os.environ.get("OMP_NUM_THREADS")
class Thing:
    pass
"""


def tell_what_was_seen(arrival, thing, writer):
    """As a process: what the module of the thing has seen when it was loaded."""
    writer.send((place.inside_worker(), sys.modules[type(thing).__module__].SEEN))


@pytest.mark.parametrize("start", [start for start in START_METHODS if start != "fork"])
def test_an_arrival_comes_before_what_is_unpickled_behind_it(start, tmp_path, monkeypatch):
    """So that the modules that this loads see the environment of a worker."""
    (tmp_path / "loaded_late.py").write_text(LATE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("loaded_late")
    context = multiprocessing.get_context(start)
    reader, writer = context.Pipe(duplex=False)
    args = Arrival(Surroundings.here(2)), module.Thing(), writer
    process = context.Process(target=tell_what_was_seen, args=args)
    process.start()
    writer.close()
    with reader:
        assert reader.recv() == (True, "4")
    process.join(WITHIN)
    process.close()
    assert module.SEEN is None


# --------------------------------------------------------------------------- modules and folders
def paths():
    """Where it is, and where modules come from."""
    return str(Path.cwd()), sys.path


def test_modules_and_files_are_found_as_in_the_parent(start, tmp_path, monkeypatch):
    """The same path, the same directory."""
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.chdir(tmp_path)
    assert seen_by(start, paths) == (str(tmp_path), sys.path)


@posix
def test_a_directory_that_has_been_removed_keeps_no_worker_from_starting(tmp_path, monkeypatch):
    """Before it is captured, or after."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    before = Surroundings.here(1)
    folder.rmdir()
    after = Surroundings.here(1)
    monkeypatch.chdir(tmp_path)
    for surroundings in (before, after):
        with worker("fork", surroundings) as (ask, _):
            assert ask(paths)[0] == str(tmp_path)


# ---------------------------------------------------------------------------------- warnings
class OurWarning(Warning):
    """A category that can be found by its name."""


def filters():
    """The filters as data."""
    return [tuple(plain(part) for part in each) for each in warnings.filters]


def plain(part):
    """A class by its name; a pattern by its text, also where the interpreter has a whole name."""
    if isinstance(part, str) and part.startswith("__"):
        return re.escape(part) + r"\Z"
    if isinstance(part, type):
        return part.__name__
    return part.pattern if isinstance(part, re.Pattern) else part


def test_warnings_are_filtered_as_in_the_parent(start):
    """In the same order, also those of the interpreter itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "a+b", OurWarning, r"some\.module", 7)
        warnings.simplefilter("always", BytesWarning, append=True)
        here = filters()
        assert seen_by(start, filters) == here


def warn():
    """Warn, and tell what becomes of it."""
    try:
        warnings.warn("told", OurWarning, stacklevel=1)
    except OurWarning as error:
        return "raised", error.args
    return "went on"


def test_a_warning_that_is_an_error_here_is_one_there(start):
    """And where it is ignored, it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        strict = Surroundings.here(1)
        warnings.simplefilter("ignore", OurWarning)
        lenient = Surroundings.here(1)
    with worker(start, strict) as (ask, _):
        assert ask(warn) == ("raised", ("told",))
    with worker(start, lenient) as (ask, _):
        assert ask(warn) == "went on"


def import_and_warn(name):
    """Load a module, which was not there, and tell what becomes of its own warning."""
    loaded = name in sys.modules
    category = importlib.import_module(name).Special
    try:
        warnings.warn("told", category, stacklevel=1)
    except category as error:
        return loaded, "raised", error.args
    return loaded, "went on"


@pytest.mark.parametrize("start", [start for start in START_METHODS if start != "fork"])
def test_no_module_is_loaded_for_a_filter(start, tmp_path, monkeypatch):
    """Its category is known by its name, also as the one of which another is."""
    source = "class General(Warning): pass\nclass Special(General): pass\n"
    (tmp_path / "warned_late.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    general = importlib.import_module("warned_late").General
    del sys.modules["warned_late"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", general)
        surroundings = Surroundings.here(1)
        assert seen_by(start, import_and_warn, "warned_late") == (False, "raised", ("told",))
        warnings.simplefilter("ignore", general)
        assert seen_by(start, import_and_warn, "warned_late") == (False, "went on")
    with worker(start, surroundings) as (ask, _):
        assert ask(within_two, import_and_warn, "warned_late") == (False, "raised", ("told",))


def within_two(function, *args):
    """What a worker of this worker says."""
    return seen_by("spawn", function, *args)


def warn_of_a_local_one():
    """Warn of a category that has no name by which it can be found."""

    class Local(Warning):
        pass

    with pytest.raises(Local):
        warnings.warn("told", Local, stacklevel=1)


def test_a_category_that_cannot_be_sent_is_known_by_its_name(start):
    """As are those of ``__main__``, which come by value."""
    with warnings.catch_warnings():
        local = type("Local", (Warning,), {"__module__": __name__, "lock": threading.Lock()})
        warnings.simplefilter("error", local)
        seen_by(start, warn_of_a_local_one)


# ---------------------------------------------------------------------------------- signals
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


# ---------------------------------------------------------------------------------- crashes
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


# ---------------------------------------------------------------------------------- once
def become_again():
    """Choose a variable, become a worker once more, and tell whether it is still there."""
    os.environ["CHOSEN"] = "1"
    become_worker(Surroundings.here(1))
    return os.environ.get("CHOSEN")


def test_becoming_a_worker_twice_is_becoming_one(start):
    """Whoever comes second may not know of the first."""
    assert seen_by(start, become_again) == "1"


@posix
def test_a_process_that_a_worker_forks_may_become_a_worker_of_its_own():
    """It is another process."""
    assert seen_by("fork", of_a_fork, slots=2) == ("2", True)


def of_a_fork():
    """The share of a worker of this worker, and whether it leads a group of its own."""
    reader, writer = os.pipe()
    surroundings = Surroundings.here(2)
    if (pid := os.fork()) == 0:
        become_worker(surroundings)
        leads = os.getpgrp() == os.getpid()
        os.write(writer, f"{os.environ['OMP_NUM_THREADS']} {leads}".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    share, leads = os.read(reader, 100).decode().split()
    return share, leads == "True"
