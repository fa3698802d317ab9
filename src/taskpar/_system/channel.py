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
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait

_LENGTH = struct.Struct("!Q")
_PIPE_BYTES = 1 << 20


def _framed() -> bool:
    return os.name == "posix" and not os.environ.get("TASKPAR_NO_NONBLOCK")


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

    def read(self) -> bytes:
        """Return the next message; EOFError when the parent has gone."""
        if not self._framed:
            return self._reader.recv_bytes()
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        return bytes(self._exactly(length))

    def _exactly(self, count: int) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        while view:
            got = os.readv(self._reader.fileno(), [view[:_PIPE_BYTES]])
            if not got:
                raise EOFError("the parent has gone")
            view = view[got:]
        return data

    def write(self, message: bytes) -> None:
        """Send a message."""
        if not self._framed:
            self._writer.send_bytes(message)
            return
        view = memoryview(_LENGTH.pack(len(message)) + message if len(message) < 4096 else message)
        if len(message) >= 4096:
            os.write(self._writer.fileno(), _LENGTH.pack(len(message)))
        while view:
            view = view[os.write(self._writer.fileno(), view[:_PIPE_BYTES]) :]

    def close(self) -> None:
        """Let both pipes go."""
        self._reader.close()
        self._writer.close()


class ParentEnd:
    """The parent's end: never waits for a worker that is not there."""

    def __init__(self) -> None:
        context = get_context()
        self.reader, worker_writer = context.Pipe(duplex=False)
        worker_reader, self._writer = context.Pipe(duplex=False)
        self._framed = _framed()
        self.worker_end = WorkerEnd(worker_reader, worker_writer, self._framed)
        self._header = bytearray()
        self._body: memoryview | None = None
        self._got = 0
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
        for part in (_LENGTH.pack(len(message)), message):
            view = memoryview(part)
            while view:
                with suppress(BlockingIOError):
                    view = view[os.write(self._writer.fileno(), view[:_PIPE_BYTES]) :]
                    continue
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
            while True:
                messages.append(self._message())
        except BlockingIOError:
            return messages
        except EOFError:
            if messages:
                return messages
            raise

    def _message(self) -> memoryview:
        """Go on reading a frame; what has been read of it is kept when there is no more now."""
        while self._body is None:
            chunk = os.read(self.reader.fileno(), _LENGTH.size - len(self._header))
            if not chunk:
                raise EOFError("the worker has closed its end")
            self._header += chunk
            if len(self._header) == _LENGTH.size:
                (length,) = _LENGTH.unpack(self._header)
                self._body, self._got = memoryview(bytearray(length)), 0
        while self._got < len(self._body):
            got = os.readv(self.reader.fileno(), [self._body[self._got :]])
            if not got:
                raise EOFError("the worker was cut off within a message")
            self._got += got
        message, self._body, self._header = self._body, None, bytearray()
        return message

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
