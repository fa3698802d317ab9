"""Ctrl-C and SIGTERM: the program is out at once, with one traceback, and nobody is left.

Problems 10 and 11 of tests/README.md: twenty calls of four seconds on two workers, all of them busy
or waiting.
"""

import os
import signal
import time

import pytest
from places import LOADED

from rig.executors import PROCESS_KINDS, START_METHODS
from rig.leaks import can_see_processes
from rig.scripts import TIMEOUT, of_session, run_script, started
from rig.waiting import eventually

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc and signals")

OUT_WITHIN = 2.0 + LOADED / 2  # seconds

# How the default executor starts, under every method; the others as they start by default.
PLACES = [(kind, None) for kind in (*PROCESS_KINDS, "thread", "serial")]
PLACES += [("queue", start) for start in START_METHODS]
WORKS = {
    "map": "list(ex.map(work, range(20)))",
    "map with": "with ex: list(ex.map(work, range(20)))",
    "submit": "futures = [ex.submit(work, n) for n in range(20)]; futures[0].result()",
    "run": "ex.run([Task(work, n) for n in range(20)])",
}
HEAD = """
import multiprocessing, os, sys, time, warnings
from taskpar import *
warnings.filterwarnings("ignore", "workers are forked while other threads run")  # as they are below
counter = SharedCounter()

def work(number):
    counter.add()
    time.sleep(4)
    return number

def report_when_busy():
    import threading
    def report():
        while counter.value < {busy}:
            time.sleep(0.01)
        print("busy", flush=True)
    threading.Thread(target=report, daemon=True).start()

ex = {make}
report_when_busy()
"""


def program_of(kind, start, work):
    """Write it."""
    options = "" if start is None else f", mp_context={start!r}"
    head = HEAD.format(
        make=f"{kind.capitalize()}Executor(2{options})", busy=1 if kind == "serial" else 2
    )
    return head + WORKS[work] + "\n"


def wait_until_busy(program):
    """Wait for the line that says so."""
    assert program.stdout.readline() == "busy\n", program.communicate(timeout=TIMEOUT)[1]


def assert_ends(program, began, *, most=30, within=OUT_WITHIN):
    """Check that the program ends in time, with one traceback, and that nobody is left."""
    _, err = program.communicate(timeout=TIMEOUT)
    took = time.monotonic() - began
    lines = err.splitlines()
    assert lines, "nothing was said"
    said = [line for line in lines if not line.startswith("taskpar: ")]  # where it hit a call
    assert said[-1] == "KeyboardInterrupt", err
    assert err.count("Traceback (most recent call last)") == 1, err
    # In its first moment a program is within the start of a worker, deep in multiprocessing.
    assert len(lines) <= (max(most, 70) if "mainless.py" in err else most), err
    assert took < within, f"{took:.1f} s\n{err}"
    assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)


@pytest.mark.parametrize("to", ["group", "parent"])
@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize(("kind", "start"), [place for place in PLACES if place[0] != "thread"])
def test_pain_10_ctrl_c_ends_the_program_at_once(kind, start, work, to, tmp_path):
    """To the whole group, as from a terminal, or to the parent alone."""
    if kind == "serial" and work == "submit":
        pytest.skip("submit is the call, and Ctrl-C is its outcome")
    with started(program_of(kind, start, work), tmp_path) as program:
        wait_until_busy(program)
        began = time.monotonic()
        (os.killpg if to == "group" else os.kill)(program.pid, signal.SIGINT)
        assert_ends(program, began)


@pytest.mark.parametrize("work", WORKS)
def test_pain_10_ctrl_c_waits_for_threads_only_until_their_calls_end(work, tmp_path):
    """These cannot be stopped; but of the eighteen that waited none is begun."""
    with started(program_of("thread", None, work), tmp_path) as program:
        wait_until_busy(program)
        began = time.monotonic()
        os.killpg(program.pid, signal.SIGINT)
        assert_ends(program, began, within=4.0 + OUT_WITHIN)


ASLEEP = """
import os, signal, threading, time
from taskpar import *

def work(_):
    open("begun", "w").close()
    time.sleep(60)

def press():
    state = f"/proc/self/task/{{os.getpid()}}/stat"
    while not (os.path.exists("begun") and open(state).read().rpartition(")")[2].split()[0] == "S"):
        time.sleep(0.05)
    print("asleep", flush=True)
    signal.raise_signal(signal.SIGINT)  # this thread gets it: the main thread is not woken

ex = {kind}Executor(2)
threading.Thread(target=press, daemon=True).start()
try:
    {waits}
except KeyboardInterrupt:
    print("told", flush=True)
os.killpg(0, signal.SIGKILL)
"""
WAITS = {
    "map": "next(ex.map(work, [0]))",
    "loop": "list(ex.map(work, [0]))",
    "submit": "ex.submit(work, 0).result()",
    "submit and not for ever": "ex.submit(work, 0).result(50)",
    "shutdown": "ex.submit(work, 0); ex.shutdown()",
}


@pytest.mark.parametrize("waits", WAITS)
@pytest.mark.parametrize("kind", ["Thread", "Pool", "Queue"])
def test_pain_10_ctrl_c_that_does_not_wake_the_main_thread_is_seen_soon(kind, waits, tmp_path):
    """As one that comes just when it goes to sleep; not only when the call has ended."""
    with started(ASLEEP.format(kind=kind, waits=WAITS[waits]), tmp_path) as program:
        assert program.stdout.readline() == "asleep\n"
        began = time.monotonic()
        assert program.stdout.readline() == "told\n"
        assert time.monotonic() - began < OUT_WITHIN


@pytest.mark.parametrize("pause", [0.0, 0.1])
@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_pain_10_an_impatient_user_is_obeyed_too(kind, pause, tmp_path):
    """Ctrl-C twice, at once or after 100 ms: out at once, and nobody left."""
    with started(program_of(kind, None, "map with"), tmp_path) as program:
        wait_until_busy(program)
        began = time.monotonic()
        for _ in range(2):
            os.killpg(program.pid, signal.SIGINT)
            time.sleep(pause)
        _, err = program.communicate(timeout=TIMEOUT)
        # The second may hit the interpreter as it ends, which tells so in its own way.
        assert err.splitlines()[-1].rstrip(": ") == "KeyboardInterrupt", err
        assert len(err.splitlines()) <= 60, err
        assert time.monotonic() - began < OUT_WITHIN, err
        assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
@pytest.mark.parametrize(("kind", "start"), [p for p in PLACES if p[0] in PROCESS_KINDS])
def test_pain_10_ctrl_c_while_workers_are_started_leaves_nobody(kind, start, seconds, tmp_path):
    """At any moment of it."""
    source = program_of(kind, start, "map with").replace(
        "report_when_busy()\n", "print('busy', flush=True)\n"
    )
    with started(source, tmp_path) as program:
        wait_until_busy(program)
        time.sleep(seconds)
        began = time.monotonic()
        os.killpg(program.pid, signal.SIGINT)
        assert_ends(program, began, most=90)  # starting a process is deep within multiprocessing


@pytest.mark.parametrize("to", ["group", "parent"])
@pytest.mark.parametrize(("kind", "start"), [p for p in PLACES if p[0] in PROCESS_KINDS])
def test_pain_10_sigterm_ends_the_program_and_leaves_nobody(kind, start, to, tmp_path):
    """At once, without a word, as it ends any program."""
    with started(program_of(kind, start, "map with"), tmp_path) as program:
        wait_until_busy(program)
        began = time.monotonic()
        (os.killpg if to == "group" else os.kill)(program.pid, signal.SIGTERM)
        _, err = program.communicate(timeout=TIMEOUT)
        assert time.monotonic() - began < OUT_WITHIN
        assert program.returncode == -signal.SIGTERM
        assert err == ""
        assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_pain_10_sigterm_that_is_made_an_exception_is_one(kind, tmp_path):
    """As services do that want to tidy up: `SystemExit` in the main thread."""
    source = program_of(kind, None, "map with").replace(
        "report_when_busy()\n",
        "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit('told to end'))\n"
        "report_when_busy()\n",
        1,
    )
    assert "told to end" in source
    source = source.replace("report_when_busy()\nlist", "list")
    with started(source, tmp_path) as program:
        wait_until_busy(program)
        began = time.monotonic()
        os.kill(program.pid, signal.SIGTERM)
        _, err = program.communicate(timeout=TIMEOUT)
        assert err == "told to end\n"
        assert time.monotonic() - began < OUT_WITHIN
        assert eventually(lambda: not of_session(program.pid)), of_session(program.pid)


@pytest.mark.parametrize("kind", PROCESS_KINDS)
def test_pain_10_what_was_delivered_before_ctrl_c_can_be_used_and_so_can_the_executor(
    kind, tmp_path
):
    """Who catches it goes on."""
    source = f"""
from taskpar import *
import time, sys, os, signal

def work(number):
    if number > 2:
        time.sleep(4)
    return number

ex = {kind.capitalize()}Executor(2)
done = []
try:
    for result in ex.map(work, range(20)):
        done.append(result)
        if result == 2:
            print("busy", flush=True)
except KeyboardInterrupt:
    print(done, flush=True)
with ex:  # nobody holds the results any more: what has not begun is not run
    print(ex.submit(abs, -1).result(), flush=True)
"""
    with started(source, tmp_path) as program:
        wait_until_busy(program)
        began = time.monotonic()
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate(timeout=TIMEOUT)
        assert (out, err, program.returncode) == ("[0, 1, 2]\n1\n", "", 0)
        assert time.monotonic() - began < 4.0 + OUT_WITHIN  # what had begun is finished


@pytest.mark.parametrize(("kind", "start"), [p for p in PLACES if p[0] in PROCESS_KINDS])
@pytest.mark.parametrize("way", ["SIGKILL", "os._exit"])
def test_pain_11_workers_do_not_outlive_a_parent_that_is_killed(kind, start, way, tmp_path):
    """Nor do the processes that their tasks have started: gone within two seconds, for good."""
    source = program_of(kind, start, "submit").replace(
        "time.sleep(4)", "import subprocess; subprocess.run(['sleep', '60'])"
    )
    if way == "os._exit":
        leave = 'time.sleep(0.5); print("busy", flush=True); os._exit(0)'
        source = source.replace('print("busy", flush=True)', leave)
    with started(source, tmp_path) as program:
        wait_until_busy(program)
        if way == "SIGKILL":
            program.kill()
        program.wait(timeout=TIMEOUT)
        assert eventually(lambda: not of_session(program.pid), 3.0), of_session(program.pid)


HEARD = """
import threading
from taskpar import QueueExecutor
raised, waits = [], False
def interrupt(_):
    if waits and threading.current_thread() is threading.main_thread():
        raised.append(1)
        raise KeyboardInterrupt
with QueueExecutor(1) as ex:
    while not raised:  # heard by the main thread, as soon as it is seen to wait each time
        future = ex.submit(abs, -2)
        future.add_done_callback(interrupt)  # which is called at once if the result is there
        waits = True
        try:
            future.result(10)
        except KeyboardInterrupt:
            pass
        waits = False
    print(future.result(10), ex.submit(abs, -3).result(10), list(ex.map(abs, [-4])))
"""


def test_ctrl_c_in_the_thread_that_hears_a_result_breaks_nothing(tmp_path):
    """The result is there, and so is the executor."""
    done = run_script(HEARD, tmp_path)
    assert (done.stdout, done.stderr) == ("2 3 [4]\n", "")
