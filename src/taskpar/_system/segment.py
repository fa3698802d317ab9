"""Memory and locks that processes share, of which nothing is left when they have ended.

A `Segment` is memory, `Locks` are locks; both travel as ordinary arguments. Underneath, each is a
file without a name. A process that is handed one opens that file through the descriptor of the
process that made it (``/proc/<pid>/fd/<number>``), so it may have started before the file was made,
and in any way; the kernel frees the file with the last process that has it open, however that ends.

Where files without a name cannot be had (no Linux, no ``/proc``, or ``TASKPAR_NO_MEMFD`` is set),
the file has a name in the directory for temporary files, and its maker removes it: when the last
handle in the maker is gone, or the maker ends, unless it is killed.

Memory and locks are two files, as a process loses *all* its record locks on a file when it closes
*any* descriptor of it, and a mapping closes one when it ends. For the same reason a process has
each file open once, whatever the number of handles on it.
"""

import mmap
import os
import stat
import sys
import threading
import weakref
from contextlib import suppress
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from multiprocessing.util import Finalize

_KEY_SIZE = 16  # random bytes behind the content: a number may be another file's by now


class _Ticket(NamedTuple):
    """All that a process needs to open a file of another one."""

    key: bytes
    size: int
    maker: int
    paths: tuple[str, ...]


class _Books:
    """The files that this process has open, by their keys."""

    def __init__(self) -> None:
        self.files: dict[bytes, _File] = {}
        self.renew()

    def renew(self) -> None:
        """Make the lock anew: in a forked child, a thread that is not there may hold the old one.

        It is reentrant, as the garbage collector may release a handle wherever it likes.
        """
        self.lock = threading.RLock()


class _File:
    """One file as this process has it open, for all the handles on it."""

    def __init__(self, descriptor: int, ticket: _Ticket) -> None:
        self.descriptor = descriptor
        self.ticket = ticket
        self._holders = 0
        self._remove = _remover(self)

    @classmethod
    def made(cls, size: int) -> Self:
        """Make a new file, full of zeros; a page of it takes memory once it is touched."""
        key = os.urandom(_KEY_SIZE)
        descriptor = _nameless_file()
        if descriptor is not None:
            path = _path_of(descriptor)
        else:
            descriptor, path = _named_file()
        file = cls(descriptor, _Ticket(key, size, os.getpid(), (path,)))
        try:
            os.lseek(descriptor, size, os.SEEK_SET)
            os.write(descriptor, key)
        except BaseException:
            os.close(descriptor)
            raise
        return file

    @classmethod
    def opened(cls, ticket: _Ticket) -> Self:
        """Open a file of another process, through whoever still has it."""
        why: OSError | None = None
        for path in ticket.paths:
            try:
                descriptor = _open(path, ticket)
            except (FileNotFoundError, ProcessLookupError, PermissionError) as error:
                why = error
            else:
                if descriptor is not None:
                    return cls(descriptor, ticket._replace(paths=ticket.paths[:1]))
        raise _gone(ticket) from why

    def hold(self) -> bool:
        """Count one handle more; False if the file has been closed, maybe this very moment."""
        self._holders += 1
        return self.descriptor >= 0

    def release(self) -> None:
        """Count one handle less; close the file after the last one."""
        with _books.lock:
            self._holders -= 1
            if self._holders == 0:
                _books.files.pop(self.ticket.key, None)
                descriptor, self.descriptor = self.descriptor, -1
                os.close(descriptor)
                if self._remove is not None:
                    self._remove()

    def passed_on(self) -> _Ticket:
        """The ticket for another process: the maker's address, and ours in case the maker ends."""
        own = _path_of(self.descriptor)
        if not _is_nameless(self.ticket) or own in self.ticket.paths:
            return self.ticket
        return self.ticket._replace(paths=(*self.ticket.paths, own))


class _Handle:
    """A hold on a file, until it is closed or collected."""

    _file: _File
    _release: "weakref.finalize[[], Any]"

    def _hold(self, file: _File) -> None:
        """Take hold of a file whose holders have been counted."""
        self._file = file
        self._release = weakref.finalize(self, file.release)
        self._release.atexit = False  # the kernel does it, when no thread of ours runs any more

    @classmethod
    def attached(cls, ticket: _Ticket) -> Self:
        """A handle on the file of a ticket, which is opened unless this process has it open."""
        self = cls.__new__(cls)
        with _books.lock:
            file = _books.files.get(ticket.key)
            if file is None or not file.hold():
                file = _books.files[ticket.key] = cls._opened(ticket)
                file.hold()
            self._hold(file)
        return self

    @classmethod
    def _opened(cls, ticket: _Ticket) -> _File:
        return _File.opened(ticket)

    def _make(self, size: int) -> None:
        file = _File.made(size)
        with _books.lock:
            _books.files[file.ticket.key] = file
            file.hold()
            self._hold(file)

    @property
    def key(self) -> bytes:
        """What it is known by in all processes."""
        return self._file.ticket.key

    def close(self) -> None:
        """Let it go; once is enough, and the garbage collector does it too."""
        self._release()

    def _still_open(self) -> _File:
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
        self._make(index(size))

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

    def __init__(self) -> None:
        self._make(0)

    @classmethod
    def _opened(cls, ticket: _Ticket) -> _File:
        if ticket.maker == os.getpid():  # let go; or another interpreter of this process has it,
            raise _gone(ticket)  # and its locks would be ours too, and go when we close the file
        return super()._opened(ticket)

    def try_lock(self, number: int) -> bool:
        """Take the lock of a number; False if another process has it."""
        return _lock(self._still_open().descriptor, number, wait=False)

    def lock(self, number: int) -> None:
        """Take the lock of a number, waiting as long as another process has it."""
        _lock(self._still_open().descriptor, number, wait=True)

    def unlock(self, number: int) -> None:
        """Give the lock of a number back; nothing happens if this process does not have it."""
        _unlock(self._still_open().descriptor, number)


def _attached(kind: type[_Handle], ticket: _Ticket) -> _Handle:
    return kind.attached(ticket)  # cloudpickle cannot name the method itself


def _gone(ticket: _Ticket) -> FileNotFoundError:
    return FileNotFoundError(
        f"process {ticket.maker}, which made this shared memory, has ended or has let it go: "
        "keep it there as long as other processes may open it"
    )


# ----------------------------------------------------------------------------- what platforms have


def _nameless_file() -> int | None:
    """The descriptor of a new file without a name that other processes can reach, or None.

    Pythons that are built for old systems (uv's, conda's) lack `memfd_create`; for them there is
    O_TMPFILE, which some file systems lack.
    """
    if sys.platform == "linux" and not os.environ.get("TASKPAR_NO_MEMFD"):
        descriptor = -1
        with suppress(OSError, AttributeError):
            descriptor = os.memfd_create("taskpar")
        if descriptor < 0:
            import tempfile  # late, as it brings a lot along

            with suppress(OSError):
                descriptor = os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR, 0o600)
        if descriptor >= 0 and os.path.exists(_path_of(descriptor)):
            return descriptor
        if descriptor >= 0:
            os.close(descriptor)
    return None


def _named_file() -> tuple[int, str]:
    import tempfile

    return tempfile.mkstemp(prefix="taskpar-")


def _path_of(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _is_nameless(ticket: _Ticket) -> bool:
    return ticket.paths[0].startswith("/proc/")


def _open(path: str, ticket: _Ticket) -> int | None:
    """Open a file, or None if it is another one than that of the ticket."""
    seen = os.stat(path)  # a look first: opening may do something, if it is a device
    if not stat.S_ISREG(seen.st_mode) or seen.st_size != ticket.size + _KEY_SIZE:
        return None
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    os.lseek(descriptor, ticket.size, os.SEEK_SET)
    if os.read(descriptor, _KEY_SIZE) == ticket.key:
        return descriptor
    os.close(descriptor)
    return None


def _remover(file: _File) -> "Finalize[None] | None":
    """What removes the name of a file, if it has one: called by us, or when this process ends.

    On Windows a file that is open cannot be removed: there every process tries, the last succeeds.
    """
    if _is_nameless(file.ticket) or (file.ticket.maker != os.getpid() and sys.platform != "win32"):
        return None
    # Unlike weakref's, this one runs also at the end of a `multiprocessing` child, and not in a
    # forked child of its process. The priority is below zero: after children have been waited for.
    from multiprocessing.util import Finalize

    return Finalize(file, _remove, (file.ticket.paths[0],), exitpriority=-1)


def _remove(path: str) -> None:
    with suppress(OSError):  # somebody has cleaned up, or (Windows) another process has it open
        os.unlink(path)


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


_books = _Books()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_books.renew)
