"""The line on which workers hang: real programs whose workers outlive them, or would."""

import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from rig.executors import START_METHODS
from rig.leaks import can_see_processes, shared_memory_names
from rig.scripts import TIMEOUT, of_session, run_script, started
from rig.waiting import eventually
from taskpar._system import lifeline

pytestmark = pytest.mark.skipif(not can_see_processes(), reason="needs /proc")

HEAD = """
import multiprocessing, os, signal, subprocess, sys, time
from taskpar._system import lifeline

def sleeping():
    time.sleep(600)

def holding_the_gil():
    sum(range(10**11))  # one call into C, which gives the GIL back after an hour

def stopped():
    os.kill(os.getpid(), signal.SIGSTOP)

def waiting_for_a_program():
    subprocess.run(["sleep", "600"])

def waiting_for_a_fork():
    if os.fork() == 0:
        holding_the_gil()
    os.wait()

def having_a_worker():
    begin("spawn", holding_the_gil)
    holding_the_gil()

def having_a_semaphore():
    lock = multiprocessing.get_context("spawn").Lock()  # it has a name, under which it may stay
    print("made", flush=True)
    holding_the_gil()

def short_of_descriptors():
    pass  # `work` makes it so

def work(line, ready, doing):
    if doing is short_of_descriptors:  # for what the kernel needs to watch the line
        import resource
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, most))
        lifeline.hold(line)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        doing = waiting_for_a_program
    else:
        lifeline.hold(line)
    ready.send_bytes(b"")
    doing()
    time.sleep(600)

def come_late(line, parent):
    print("ready", flush=True)
    while os.getppid() == parent:
        time.sleep(0.01)
    lifeline.hold(line)
    open("survived", "w")

def answer(line, pipe):
    lifeline.hold(line)
    line.close()
    while pipe.recv():
        pipe.send(os.getpid())

def begin(start, doing):
    context = multiprocessing.get_context(start)
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(lifeline.read_end(), writer, doing))
    process.start()
    reader.recv_bytes()
    return process

def main():
"""
MAIN = """
if __name__ == "__main__":
    main()
"""


def script(body: str) -> str:
    """Write a program, whose `main` has this body."""
    return HEAD + textwrap.indent(textwrap.dedent(body), "    ") + MAIN


def wait_until_ready(program: subprocess.Popen[str]) -> list[int]:
    """Wait for the line that says so, and return the numbers that stand in it."""
    assert program.stdout is not None
    words = program.stdout.readline().split()
    assert words[:1] == ["ready"], program.communicate(timeout=TIMEOUT)[1]
    return [int(word) for word in words[1:]]


def left_of(program: subprocess.Popen[str]) -> list[str]:
    """What is left of a program's processes two seconds after its end."""
    eventually(lambda: not of_session(program.pid))
    return [f"{row.pid} ({row.state}) {row.command!r}" for row in of_session(program.pid)]


def working_for(program: subprocess.Popen[str]) -> set[int]:
    """The processes of a program, without the resource tracker, which its forks keep alive."""
    rows = of_session(program.pid)
    return {row.pid for row in rows if b"resource_tracker" not in row.command}


DOING = [
    "sleeping",
    "holding_the_gil",
    "stopped",
    "waiting_for_a_program",
    "waiting_for_a_fork",
    "having_a_worker",
    "short_of_descriptors",
]


@pytest.mark.parametrize("doing", DOING)
@pytest.mark.parametrize("start", START_METHODS)
def test_whoever_hangs_on_a_killed_process_goes_with_it(
    start: str, doing: str, tmp_path: Path
) -> None:
    """Whatever the worker does, and whatever it has started goes, too.

    One that is short of descriptors cannot let the kernel watch, and watches by itself.
    """
    body = f"""
    workers = [begin({start!r}, {doing}) for _ in range(2)]
    print("ready", flush=True)
    time.sleep(600)
    """
    with started(script(body), tmp_path) as program:
        wait_until_ready(program)
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert left_of(program) == []


ENDINGS = {
    "os._exit": "os._exit(0)",
    "a signal": "os.kill(os.getpid(), signal.SIGTERM)",
    "a crash": "import ctypes; ctypes.string_at(0)",
    "another program": "os.execv('/bin/true', ['true'])",
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("start", START_METHODS)
def test_whatever_ends_a_process_cuts_its_line(start: str, ending: str, tmp_path: Path) -> None:
    """Also the program that takes the place of the first one has not its workers."""
    body = f"""
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worker = begin({start!r}, holding_the_gil)
    {ENDINGS[ending]}
    """
    with started(script(body), tmp_path) as program:
        program.wait(timeout=TIMEOUT)
        assert left_of(program) == []


def test_no_child_of_a_process_holds_its_line(tmp_path: Path) -> None:
    """Its own forks, programs that inherit what they can, and workers that came later."""
    body = """
    worker = begin("fork", holding_the_gil)
    forked = os.fork()
    if forked == 0:
        time.sleep(600)
    program = subprocess.Popen(["sleep", "600"], close_fds=False)
    later = [begin(start, holding_the_gil) for start in multiprocessing.get_all_start_methods()]
    print("ready", forked, program.pid, flush=True)
    time.sleep(600)
    """
    with started(script(body), tmp_path) as program:
        expected = set(wait_until_ready(program))
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert eventually(lambda: working_for(program) == expected), working_for(program)


def test_what_a_killed_worker_has_made_is_cleaned_up(tmp_path: Path) -> None:
    """By the resource tracker, which must not be killed with the group of a forked worker."""
    body = """
    multiprocessing.current_process()._config["semprefix"] = f"/mp{os.getpid()}"
    begin("fork", having_a_semaphore)
    time.sleep(600)
    """
    with started(script(body), tmp_path) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "made\n"
        semaphores = f"mp{program.pid}"
        assert shared_memory_names(semaphores) != frozenset()
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert left_of(program) == []
        assert eventually(lambda: shared_memory_names(semaphores) == frozenset())


def test_a_child_of_a_process_may_have_workers_of_its_own(tmp_path: Path) -> None:
    """Its line is another: they stay while it does, and go with it."""
    body = """
    mine = begin("fork", holding_the_gil)
    reader, writer = multiprocessing.Pipe(duplex=False)
    forked = os.fork()
    if forked == 0:
        writer.send(begin("spawn", holding_the_gil).pid)
        time.sleep(600)
    theirs = reader.recv()
    print("ready", forked, theirs, flush=True)
    time.sleep(600)
    """
    with started(script(body), tmp_path) as program:
        forked, theirs = wait_until_ready(program)
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert eventually(lambda: working_for(program) == {forked, theirs}), working_for(program)
        os.kill(forked, signal.SIGKILL)
        assert left_of(program) == []


def test_who_comes_too_late_goes_at_once(tmp_path: Path) -> None:
    """A process whose parent has died before it could hold the line is no worker any more."""
    body = """
    args = lifeline.read_end(), os.getpid()
    process = multiprocessing.get_context("fork").Process(target=come_late, args=args)
    process.start()
    process.join()
    """
    with started(script(body), tmp_path) as program:
        wait_until_ready(program)
        program.kill()
        program.wait(timeout=TIMEOUT)
        assert left_of(program) == []
        assert not (tmp_path / "survived").exists()


def test_nobody_goes_because_a_sibling_does(tmp_path: Path) -> None:
    """Workers end, are killed, and let their end of the line go: the others do not notice."""
    body = """
    pipes, workers = [], []
    for start in multiprocessing.get_all_start_methods() * 2:
        context = multiprocessing.get_context(start)
        ours, theirs = context.Pipe()
        workers.append(context.Process(target=answer, args=(lifeline.read_end(), theirs)))
        workers[-1].start()
        pipes.append(ours)
    def ask(number):
        pipes[number].send(True)
        return pipes[number].recv() == workers[number].pid
    assert all(ask(number) for number in range(len(pipes)))
    for number, worker in enumerate(workers[:-1]):
        if number % 2:
            worker.kill()
        else:
            pipes[number].send(False)
        worker.join()
        assert worker.exitcode == (-signal.SIGKILL if number % 2 else 0)
        assert all(ask(other) for other in range(number + 1, len(pipes)))
    pipes[-1].send(False)
    workers[-1].join()
    print("done")
    """
    done = run_script(script(body), tmp_path)
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr


def test_a_process_has_one_line() -> None:
    """However many executors it has: it costs two descriptors."""
    before = os.listdir("/proc/self/fd")
    assert lifeline.read_end() is lifeline.read_end()
    assert os.listdir("/proc/self/fd") == before, "made at the start of the session"


# ------------------------------------------------------------------------------------ the group
GROUP = """
import subprocess, sys, time
from taskpar._system import lifeline
if sys.argv[1] == "leads":
    lifeline.hold(lifeline.read_end())
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
time.sleep(600)
"""


def is_there(pid: int) -> bool:
    """Whether a process runs."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("leads", [True, False])
def test_killing_a_worker_kills_what_it_has_started(leads: bool) -> None:
    """If it leads a group; otherwise it is killed alone, as the group is somebody else's."""
    command = [sys.executable, "-c", GROUP, "leads" if leads else "follows"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        try:
            lifeline.kill_group(worker.pid, signal.SIGTERM)
            assert worker.wait(TIMEOUT) == -signal.SIGTERM
            assert eventually(lambda: is_there(child) != leads)
        finally:
            if not leads:
                os.kill(child, signal.SIGKILL)


def test_killing_whoever_has_gone_does_nothing() -> None:
    """Nor is it an error: it was what was wanted."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait(TIMEOUT)
    lifeline.kill_group(gone.pid, signal.SIGTERM)
