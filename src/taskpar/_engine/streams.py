"""``sys.stdout`` and ``sys.stderr`` of a worker, kept instead of written (see capture.py)."""

import io
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TextIO

NAMES = ("stdout", "stderr")

Keep = Callable[[str, bytes], bool]
"""Keeps what is written to a stream; False: it no longer does."""


@contextmanager
def replaced(keep: Keep) -> Generator[None]:
    """Keep what is written to the two streams in the block, as text or as bytes."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _stream(keep, "stdout", out), _stream(keep, "stderr", err)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err


def _stream(keep: Keep, name: str, before: TextIO | None) -> TextIO:
    sink = _Sink(keep, name, before)
    return io.TextIOWrapper(sink, "utf-8", "surrogateescape", newline="\n", write_through=True)


class _Sink(io.BufferedIOBase):
    """Where the bytes of a stream go: they are kept, or else go where they went before.

    Args:
        keep: Keeps them.
        stream: Of which stream they are.
        before: The stream in whose place this is.
    """

    def __init__(self, keep: Keep, stream: str, before: TextIO | None) -> None:
        self.name = f"<{stream}>"
        self._keep = keep
        self._stream = stream
        self._before = before

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        written = bytes(data)
        if not self._keep(self._stream, written) and self._before is not None:
            self._before.write(written.decode("utf-8", "surrogateescape"))
        return len(written)

    def fileno(self) -> int:
        """Return the descriptor that child processes are given; what they write is not kept."""
        return super().fileno() if self._before is None else self._before.fileno()
