"""In a worker of an engine that tells of a death, but not in which call: notes that outlive it.

A worker notes which call it is in, in a file of its machine that it maps: that costs no more than
to write to memory, and the system keeps it whatever happens to the process. When the batch is
through, the file is gone. After a death, another process of that machine reads and removes it; only
where the engine never has a worker there again do its 16 bytes stay.
"""

import mmap
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from taskpar._engine.afar import run_afar

_IN_MEMORY = "/dev/shm"
_WORDS = 2
_NOWHERE = -1


class Note:
    """Where a worker notes what it does: a `running.Row`.

    Args:
        name: What it is known by; nobody else has the same.
    """

    def __init__(self, name: str) -> None:
        self._path = _path(name)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(descriptor, 8 * _WORDS)
            self.words = memoryview(mmap.mmap(descriptor, 8 * _WORDS)).cast("q")
        finally:
            os.close(descriptor)
        self.words[0], self.words[1] = _NOWHERE, os.getpid()

    def enter(self, position: int) -> bool:
        """Let any call begin."""
        return True

    def begin(self, peak: int) -> None:
        """Note nothing: who is dead is not looked at any closer."""

    def leave(self) -> None:
        """Note that no call runs."""
        self.words[0] = _NOWHERE

    def remove(self) -> None:
        """Leave nothing."""
        self.words.release()
        self._path.unlink()


def _path(name: str) -> Path:
    # In memory, where that is possible: a busy disk may hold up whoever makes a file for seconds.
    folder = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else tempfile.gettempdir()
    return Path(folder, name)


def run_noted(name: str, payload: bytes, key: object, data: bytes | None) -> bytes:
    """Run a batch as `run_afar` does, and note where it is."""
    note = Note(name)
    try:
        return run_afar(payload, key, data, note)
    finally:
        note.remove()


def last_notes(names: list[str]) -> list[tuple[int | None, int] | None]:
    """Tell, for each batch of a dead worker of this machine, what it was at, and its process.

    None in place of a position: no call was running. None in place of all: it had not begun, or it
    was through. What was noted is removed.
    """
    found: list[tuple[int | None, int] | None] = []
    for name in names:
        path, known = _path(name), None
        with suppress(FileNotFoundError):
            words = memoryview(path.read_bytes()).cast("q")
            known = (None if words[0] == _NOWHERE else words[0], words[1])
            path.unlink()
        found.append(known)
    return found
