"""How the examples are run: as a user runs them, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rig.executors import CLASSES
from rig.scripts import TIMEOUT

EXAMPLES = Path(__file__).parents[2] / "examples"

Run = Callable[..., list[str]]


def run_program(folder: Path, name: str, *arguments: object, on: str | None = None) -> list[str]:
    """Run an example in a folder, and return the lines that it prints; it must end in silence.

    ``on`` is a kind of executor, with or without a number of workers (``queue:3``). It takes the
    place of the one that the program names, and is the default for a program that leaves it open.
    Nothing else of the program is changed.
    """
    script, environment = EXAMPLES / name, dict(os.environ)
    environment.pop("TASKPAR_EXECUTOR", None)
    if on is not None:
        environment["TASKPAR_EXECUTOR"] = on
        script = folder / script.name
        script.write_text(_on(on, (EXAMPLES / name).read_text("utf-8")), "utf-8")
    done = subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=folder,
        env=environment,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def _on(wish: str, source: str) -> str:
    """Write the name of one executor for those of all others."""
    chosen = CLASSES[wish.partition(":")[0]].__name__
    for executor in CLASSES.values():
        source = source.replace(executor.__name__, chosen)
    return source
