"""The two ways between a parent and one of its workers: whole messages, nothing shared.

A channel is a pipe with one writer and one reader, so no lock can die with its holder. The parent
never waits for a worker that has died: it reads only what is there, and writes only while its
worker lives. A pipe's end is no sign of death (under fork, siblings inherit it): the sentinel of
the process is.

On POSIX the parent's ends are descriptors that do not block, with a frame of our own (eight bytes
of length, then the message). Elsewhere, or with ``TASKPAR_NO_NONBLOCK`` set, the messages of
`multiprocessing.connection` serve.
"""

import os
import struct
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from time import perf_counter
from typing import TYPE_CHECKING

from taskpar._system.eager import Eager

if TYPE_CHECKING:
    from collections.abc import Callable

_LENGTH = struct.Struct("!Q")
_PIPE_BYTES = 1 << 20
_CHUNK = 1 << 16
"""Bytes to read at once, where it is not known what comes: as many as a pipe holds."""

_SHORT_WORK = 0.001
"""Seconds between two messages, after which the next one is not expected in a moment."""


def _framed() -> bool:
    return os.name == "posix" and not os.environ.get("TASKPAR_NO_NONBLOCK")


class _Frames:
    """What arrives at a descriptor, cut into messages.

    Small ones are read together, as many as are there, with one call of the system. A big one is
    read to where it will stay.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._body: memoryview | None = None
        self._got = 0

    def read(self, descriptor: int, messages: list[bytes | memoryview]) -> bool:
        """Read once, and add what has arrived whole; tell whether there may be more now.

        Raises:
            BlockingIOError: There is nothing, and the descriptor does not block.
            EOFError: There will be no more.
        """
        if self._body is not None:
            got = os.readv(descriptor, [self._body[self._got : self._got + _PIPE_BYTES]])
            if not got:
                raise EOFError("the other side was cut off within a message")
            self._got += got
            if self._got == len(self._body):
                messages.append(self._body)
                self._body = None
            return True
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            raise EOFError("the other side has gone")
        self._cut(self._rest + chunk, messages)
        return len(chunk) == _CHUNK or self._body is not None

    def _cut(self, data: bytes, messages: list[bytes | memoryview]) -> None:
        view, start = memoryview(data), 0
        while len(data) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, start)
            first = start + _LENGTH.size
            if first + length > len(data):
                if length > _CHUNK:
                    self._body, self._got = memoryview(bytearray(length)), len(data) - first
                    self._body[: self._got] = view[first:]
                    start = len(data)
                break
            start = first + length
            messages.append(view[first:start])
        self._rest = data[start:]


class WorkerEnd:
    """The worker's end: reads and writes, and waits as long as that takes.

    Args:
        reader: Where messages come from.
        writer: Where messages go.
        framed: Whether both sides use frames of our own.
    """

    def __init__(self, reader: Connection, writer: Connection, framed: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._framed = framed
        self._frames = _Frames()
        self._arrived: list[bytes | memoryview] = []
        self._eager = Eager()
        self._looking: Callable[[], object] | None = None
        self._read = 0.0

    def read(self) -> bytes | memoryview:
        """Return the next message; EOFError when the parent has gone."""
        if not self._framed:
            return self._reader.recv_bytes()
        # Whoever lets us work for long is not heard of in a moment.
        soon = perf_counter() < self._read + _SHORT_WORK
        while not self._arrived:
            if soon:
                self._eager.wait(self._look, self._take)
            else:
                self._take()
        self._read = perf_counter()
        return self._arrived.pop(0)

    def _take(self) -> bool:
        self._frames.read(self._reader.fileno(), self._arrived)
        return True

    def _look(self) -> bool:
        """Take what is there, if there is something."""
        if self._looking is None:
            import select

            poll = select.poll()
            poll.register(self._reader.fileno(), select.POLLIN)
            self._looking = partial(poll.poll, 0)
        return bool(self._looking()) and self._take()

    def write(self, message: bytes) -> None:
        """Send a message."""
        if not self._framed:
            self._writer.send_bytes(message)
            return
        for part in _framing(message):
            view = memoryview(part)
            while view:
                view = view[os.write(self._writer.fileno(), view[:_PIPE_BYTES]) :]

    def close(self) -> None:
        """Let both pipes go."""
        self._reader.close()
        self._writer.close()


def _framing(message: bytes) -> tuple[bytes, ...]:
    """Put the length before a message; only a big one is not worth a copy."""
    head = _LENGTH.pack(len(message))
    return (head + message,) if len(message) < _CHUNK else (head, message)


class ParentEnd:
    """The parent's end: never waits for a worker that is not there."""

    def __init__(self) -> None:
        context = get_context()
        self.reader, worker_writer = context.Pipe(duplex=False)
        worker_reader, self._writer = context.Pipe(duplex=False)
        self._framed = _framed()
        self.worker_end = WorkerEnd(worker_reader, worker_writer, self._framed)
        self._frames = _Frames()
        if self._framed:
            os.set_blocking(self.reader.fileno(), False)
            os.set_blocking(self._writer.fileno(), False)

    def write(self, message: bytes, sentinel: int) -> None:
        """Send a message to a worker that is reading.

        Raises:
            OSError: The worker is dead.
        """
        if not self._framed:
            self._writer.send_bytes(message)
            return
        for part in _framing(message):
            view = memoryview(part)
            while view:
                try:
                    view = view[os.write(self._writer.fileno(), view[:_PIPE_BYTES]) :]
                except BlockingIOError:
                    _wait_writable(self._writer.fileno(), sentinel)

    def messages(self) -> list[bytes | memoryview]:
        """Return the messages that have arrived whole, without waiting.

        Raises:
            EOFError: There will be no more, and there was none.
        """
        if not self._framed:
            return [self.reader.recv_bytes()] if self.reader.poll() else []
        messages: list[bytes | memoryview] = []
        try:
            while self._frames.read(self.reader.fileno(), messages):
                pass
        except BlockingIOError:
            return messages
        except EOFError:
            if not messages:
                raise
        return messages

    def close(self) -> None:
        """Let both pipes go."""
        self.reader.close()
        self._writer.close()


def _wait_writable(writer: int, sentinel: int) -> None:
    """Wait until a full pipe has room again; BrokenPipeError if its reader dies first."""
    import selectors  # POSIX only comes here

    with selectors.DefaultSelector() as selector:
        selector.register(writer, selectors.EVENT_WRITE)
        selector.register(sentinel, selectors.EVENT_READ)
        ready = [key.fd for key, _ in selector.select()]
    if sentinel in ready:
        raise BrokenPipeError("the worker has died")


__all__ = ["ParentEnd", "WorkerEnd", "wait"]
