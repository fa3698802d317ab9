"""Programs run as their own process, as a user would: a file, ``-c``, standard input, the REPL."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rig.leaks import Process, process_table

TIMEOUT = 60.0  # seconds: far beyond what any of them takes; a hang fails instead of blocking


def run_script(source: str, folder: Path, how: str = "file") -> subprocess.CompletedProcess[str]:
    """Run ``source`` to its end; ``how`` is "file", "-c", "stdin" or "repl"."""
    source = textwrap.dedent(source).strip() + "\n"
    command = [sys.executable, *_arguments(source, folder, how)]
    given = source if how in ("stdin", "repl") else None
    return subprocess.run(
        command,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=folder,
        check=False,
    )


def _arguments(source: str, folder: Path, how: str) -> list[str]:
    if how == "file":
        script = folder / "script.py"
        script.write_text(source)
        return [str(script)]
    return {"-c": ["-c", source], "stdin": ["-"], "repl": ["-i"]}[how]


@contextmanager
def started(source: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start ``source`` as the head of a session of its own; end whatever is left of it."""
    command = [sys.executable, *_arguments(textwrap.dedent(source), folder, "file")]
    program = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder)},
        start_new_session=True,
    )
    try:
        yield program
    finally:
        for row in of_session(program.pid):
            os.kill(row.pid, signal.SIGKILL)
        program.communicate(timeout=TIMEOUT)


def of_session(leader: int) -> list[Process]:
    """The processes of the session that ``leader`` began, whoever their parent is now."""
    return [row for row in process_table() if row.session == leader and row.state != "Z"]
