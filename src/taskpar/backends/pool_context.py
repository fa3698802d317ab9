"""What a `multiprocessing.Pool` is made of: a context that gives it our queues and our process.

The stdlib's pool waits for ever when a worker dies: with it died the locks that it held, the half
of a message that it had read or written, and the answer that it owed. So here

- a pool has *one* worker, and each of its queues one writer and one reader: no lock is needed;
- its queues are sockets, which can be cut from this side, whoever has inherited the other one:
  what had been written is read, then comes the end of the file, also within a message;
- what the worker owes when that end is read is answered in its stead, so that the pool can be
  closed, and waited for, like any other;
- the pool believes that its process never ends: what became of it, and whether there is to be
  another one, is not for the pool to say.

::

    pool's task thread ──── send ──► tasks ═════════► get ──── the worker
    pool's result thread ◄── recv ── results ◄═══════ put ────
                               │
                               └──► hear: what it says while it works

All of this is what a pool does with its context; nothing in the pool is touched.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Pipe
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from typing import Any, Self

Make = Callable[[Callable[..., object], tuple[Any, ...]], BaseProcess]
"""Makes a process that is to call a function with these arguments; does not start it."""


class PoolContext(BaseContext):
    """The context of one pool of one worker.

    Args:
        make: Makes the process.
        hear: Takes the bytes that the worker says while it works.
    """

    process: BaseProcess | None = None
    """The process of the worker, from the moment in which it is to start."""

    def __init__(self, make: Make, hear: Callable[[bytes], object]) -> None:
        self._make = make
        self._talk = Talk(hear)
        self._queues: list[Queue] = []
        self._tasks: Queue | None = None
        self._results: Queue | None = None

    def SimpleQueue(self) -> "Queue":  # noqa: N802  # as the pool calls it
        """Make a queue."""
        self._queues.append(Queue(self._talk))
        return self._queues[-1]

    def Process(self, *, target: Callable[..., object], args: tuple[Any, ...]) -> "Unending":  # noqa: N802
        """Make what the pool takes for its worker; its first arguments are the two queues."""
        tasks, results = args[:2]
        results.read_by_one()
        self._tasks, self._results = tasks, results
        self.process = self._make(target, args)
        return Unending(self.process)

    def cut(self) -> None:
        """Let nothing cross any more, when the process has ended."""
        if self._tasks is not None and self._results is not None:
            self._tasks.cut_reader()
            self._results.cut_writer()

    def close(self) -> None:
        """Close the queues; the threads of the pool have ended."""
        for queue in self._queues:
            queue.close()


class Talk:
    """What the pool and its worker say to each other, as the pool's threads say and hear it.

    A task is a tuple that begins with two numbers, and so does its answer. The other thing that
    the pool sends is None, which asks somebody to leave.

    Args:
        hear: Takes what the worker says besides.
    """

    def __init__(self, hear: Callable[[bytes], object]) -> None:
        self._hear = hear
        self._owed: tuple[int, int] | None = None
        self._over = False

    def send(self, connection: Any, task: Any) -> None:
        """Send a task; called by the thread that the pool has for that."""
        if task is not None:
            self._owed = task[:2]
        try:
            connection.send(task)
        except BaseException as error:  # noqa: BLE001  # whatever it is, without its frames: the
            del task  # pool keeps it in a cycle, and these hold all that was to be sent
            raise error.with_traceback(None)  # noqa: B904

    def recv(self, connection: Any) -> Any:
        """Receive an answer; called by the thread that the pool has for that.

        Raises:
            EOFError: No more can be heard, and no answer is owed.
        """
        while not self._over:
            try:
                message = connection.recv()
                if isinstance(message, bytes):
                    self._hear(message)
                elif message is not None:  # else the pool asks its own thread to leave: too early
                    self._owed = None
                    return message
            except BaseException as error:  # noqa: BLE001  # the end, or no memory for it: all the same
                self._over = True
                if self._owed is not None:
                    return (*self._owed, (False, error.with_traceback(None)))
            message = None  # nothing is kept alive by who waits
        raise EOFError


class _End:
    """An end of a queue in the process of the pool; the worker gets the connection itself."""

    def __init__(self, connection: Any, talk: Talk) -> None:
        self.connection = connection
        self.talk = talk

    def send(self, task: Any) -> None:
        self.talk.send(self.connection, task)

    def recv(self) -> Any:
        return self.talk.recv(self.connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    def __reduce__(self) -> tuple[object, ...]:
        return _itself, (self.connection,)


class _Hushed(_End):
    """An end to receive from that never looks as if there was something.

    Args:
        end: What it is.
        quiet: A connection on which nothing comes, and whose number is told in its stead.
    """

    def __init__(self, end: _End, quiet: Any) -> None:
        super().__init__(end.connection, end.talk)
        self._quiet = quiet

    def fileno(self) -> int:
        return int(self._quiet.fileno())


def _itself(connection: Any) -> Any:
    return connection


class Queue(SimpleQueue[Any]):
    """A queue between two processes that can be cut.

    The attributes are those of its base, which the pool uses. They are made here, as the base has
    locks and a pipe.

    Args:
        talk: Who says and hears what goes through it.
    """

    def __init__(self, talk: Talk) -> None:
        reader, writer = Pipe()
        self._reader = _End(reader, talk)
        self._writer = _End(writer, talk)
        self._rlock = self._wlock = _NoLock()
        self._poll = reader.poll

    def read_by_one(self) -> None:
        """Let only the thread that reads know when there is something to be read.

        The pool has another one, which looks after processes, wait for that, too. It would go round
        and round until all is read, and hardly let go the interpreter that reading takes.
        """
        self._reader = _Hushed(self._reader, self._writer)

    def cut_reader(self) -> None:
        """Let nobody wait for the reader, which has ended."""
        _cut(self._reader)

    def cut_writer(self) -> None:
        """Let nobody wait for the writer, which has ended, when all that it wrote has been read."""
        _cut(self._writer)


class _NoLock:
    """The lock of a queue that has one writer and one reader."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class Unending:
    """What a pool takes for the process of its worker: it never ends.

    Args:
        process: The process, which the pool may start, and no more.
    """

    exitcode: int | None = None

    def __init__(self, process: BaseProcess) -> None:
        self.start = process.start
        self.name = process.name  # the pool gives its workers other names, and makes them daemons
        self.daemon = True

    def join(self) -> None:
        """Return: the process is waited for elsewhere."""


if sys.platform == "win32":

    def _cut(end: _End) -> None:
        """Close an end that is not used here: no process has inherited another one."""
        end.close()

else:
    import socket

    def _cut(end: _End) -> None:
        """Shut the line down, for all who have an end of it."""
        with suppress(OSError), socket.socket(fileno=os.dup(end.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
