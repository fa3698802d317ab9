"""Memory and locks that processes share; both travel as ordinary arguments.

Each is a file (`shared_file`) of its own, as a process loses *all* its record locks on a file when
it closes *any* descriptor of it, and a mapping closes one when it ends.
"""

import mmap
import os
import sys
import threading
import weakref
from contextlib import suppress
from operator import index
from typing import Any, Self

from taskpar._system.shared_file import SharedFile, Ticket


class _Handle:
    """A hold on a file, until it is closed or collected."""

    _file: SharedFile
    _release: "weakref.finalize[[], Any]"

    _reopens = True

    def _hold(self, file: SharedFile) -> None:
        """Be the handle that has been counted as the file's last."""
        self._file = file
        self._release = weakref.finalize(self, file.release)
        self._release.atexit = False  # the kernel does it, when no thread of ours runs any more

    @classmethod
    def attached(cls, ticket: Ticket) -> Self:
        """A handle on the file of a ticket, which is opened unless this process has it open."""
        self = cls.__new__(cls)
        self._hold(SharedFile.held(ticket, reopen=cls._reopens))
        return self

    @property
    def key(self) -> bytes:
        """What it is known by in all processes."""
        return self._file.ticket.key

    def close(self) -> None:
        """Let it go; once is enough, and the garbage collector does it too."""
        self._release()

    def _still_open(self) -> SharedFile:
        if not self._release.alive:
            raise ValueError(f"this {type(self).__name__} is closed")
        return self._file

    def __reduce__(self) -> tuple[Any, ...]:
        return _attached, (type(self), self._still_open().passed_on())


class Segment(_Handle):
    """A piece of memory of a fixed size that several processes share; full of zeros at first.

    **Law:** what one process writes to `memory`, every process that has the segment reads; after
    the last one has let go or died, nothing of it is left. A page takes memory once it is touched.

    It may be sent to a process that runs already, under every start method. There it opens as
    long as the process that made it, or the one that passed it on, holds it.

    Args:
        size: How many bytes.

    Raises:
        TypeError: `size` is not an integer.
        ValueError: `size` is not positive.
        FileNotFoundError: At unpickling: nobody who could be asked holds it any more.

    Source: memfd_create(2), proc_pid_fd(5).
    """

    _memory: memoryview | None = None

    def __init__(self, size: int) -> None:
        if index(size) < 1:
            raise ValueError(f"size must be a positive integer, not {size!r}")
        self._hold(SharedFile.made(index(size)))

    @property
    def size(self) -> int:
        """How many bytes."""
        return self._file.ticket.size

    @property
    def memory(self) -> memoryview:
        """The memory, writable, shared by all."""
        file = self._still_open()
        if self._memory is None:
            self._memory = memoryview(mmap.mmap(file.descriptor, self.size))
        return self._memory

    def private(self) -> mmap.mmap:
        """A new mapping of the same memory: writable, but what is written there stays private.

        Only pages that are written to are copied. The mapping outlives `close`. A page that has
        not been written to may still show what others write to `memory`.
        """
        return mmap.mmap(self._still_open().descriptor, self.size, access=mmap.ACCESS_COPY)

    @property
    def descriptor(self) -> int:
        """The file, for whoever maps a part of it."""
        return self._still_open().descriptor

    def window(self, first: int, size: int) -> memoryview:
        """A part of the memory, writable, shared by all; it outlives `close`."""
        return memoryview(mmap.mmap(self.descriptor, size, offset=first))

    def write(self, data: "memoryview | bytes", first: int) -> None:
        """Write data to a place, without mapping it; OSError if there is no memory for it."""
        view = memoryview(data).cast("B")
        while view:
            done = os.pwrite(self.descriptor, view, first)
            view, first = view[done:], first + done

    def read_into(self, data: bytearray, first: int) -> None:
        """Copy what lies at a place."""
        view = memoryview(data)
        while view:
            done = os.preadv(self.descriptor, [view], first)
            view, first = view[done:], first + done

    def forget(self, first: int, size: int) -> None:
        """Give the memory of a part back to the system; it is full of zeros again."""
        if sys.platform == "linux":
            with mmap.mmap(self.descriptor, size, offset=first) as part:
                part.madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Let it go: the descriptor now, and the memory with the last view of it."""
        memory, self._memory = self._memory, None
        if memory is not None:
            with suppress(BufferError):  # a part of it, or a cast, is still in use
                memory.release()
        super().close()


class Locks(_Handle):
    """Locks that processes share, numbered from 0; the kernel frees those of a dead process.

    **Law:** at any time at most one process holds the lock of a number; a process that dies holds
    none. A lock belongs to the whole process: its threads all have it, and a child that is forked
    does not. It is held until `unlock`, or the last handle of the process is closed.

    They travel as a `Segment` does. A process that waits for one lock while it holds another may
    get `OSError` (a deadlock, as far as the kernel can see).

    Raises:
        FileNotFoundError: At unpickling: nobody who could be asked holds it any more.

    Source: fcntl_locking(2), "traditional" record locks.
    """

    # Another interpreter of this process may have them: its locks would be ours too, and be lost
    # when we close the file.
    _reopens = False

    def __init__(self) -> None:
        self._hold(SharedFile.made(0))

    def try_lock(self, number: int) -> bool:
        """Take the lock of a number; False if another process has it."""
        return _lock(self._still_open().descriptor, number, wait=False)

    def lock(self, number: int) -> None:
        """Take the lock of a number, waiting as long as another process has it."""
        _lock(self._still_open().descriptor, number, wait=True)

    def unlock(self, number: int) -> None:
        """Give the lock of a number back; nothing happens if this process does not have it."""
        _unlock(self._still_open().descriptor, number)


def _attached(kind: type[_Handle], ticket: Ticket) -> _Handle:
    return kind.attached(ticket)  # cloudpickle cannot name the method itself


# ------------------------------------------------------------------- record locks of the platforms

if sys.platform == "win32":
    import msvcrt

    _FIRST_LOCK = 1 << 20  # behind the content, which nobody could read while it is locked
    _position = threading.Lock()  # a descriptor has one position, for all threads

    def _lock(descriptor: int, number: int, *, wait: bool) -> bool:
        while True:
            with _position, suppress(PermissionError, OSError):
                os.lseek(descriptor, _FIRST_LOCK + number, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                return True
            if not wait:  # else LK_LOCK gave up after ten seconds
                return False

    def _unlock(descriptor: int, number: int) -> None:
        with _position, suppress(OSError):
            os.lseek(descriptor, _FIRST_LOCK + number, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, number: int, *, wait: bool) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, number)
        except (BlockingIOError, PermissionError):  # POSIX leaves the choice of the two
            return False
        return True

    def _unlock(descriptor: int, number: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)
