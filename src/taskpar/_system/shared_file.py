"""Files that processes share, of which nothing is left when they have ended.

Such a file has no name. A process that is handed its ticket opens it through the descriptor of the
process that made it (``/proc/<pid>/fd/<number>``), so it may have started before the file was made,
and in any way; the kernel frees the file with the last process that has it open, however that ends.

Where files without a name cannot be had (no Linux, no ``/proc``, or ``TASKPAR_NO_MEMFD`` is set),
the file has a name in the directory for temporary files, and its maker removes it: when the last
handle in the maker is gone, or the maker ends, unless it is killed.

A process has each file open once, whatever the number of handles on it: one that closes *any*
descriptor of a file loses *all* its record locks on it.
"""

# pathlib is slow to import, and `import taskpar` does not need it.
# ruff: noqa: PTH108, PTH110, PTH116

import os
import stat
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from multiprocessing.util import Finalize

_KEY_SIZE = 16  # random bytes behind the content: a number may be another file's by now


class Ticket(NamedTuple):
    """All that a process needs to open a file of another one."""

    key: bytes
    size: int
    maker: int
    paths: tuple[str, ...]


class _Books:
    """The files that this process has open, by their keys."""

    def __init__(self) -> None:
        self.files: dict[bytes, SharedFile] = {}
        self.renew()

    def renew(self) -> None:
        """Make the lock anew: in a forked child, a thread that is not there may hold the old one.

        It is reentrant, as the garbage collector may release a handle wherever it likes.
        """
        self.lock = threading.RLock()


class SharedFile:
    """One file as this process has it open, for all the handles on it; they are counted."""

    def __init__(self, descriptor: int, ticket: Ticket) -> None:
        self.descriptor = descriptor
        self.ticket = ticket
        self._holders = 0
        self._remove = _remover(self)

    @classmethod
    def made(cls, size: int) -> Self:
        """Make a new file, full of zeros, and hold it once.

        A page of it takes memory once it is touched.
        """
        key = os.urandom(_KEY_SIZE)
        descriptor = _nameless_file()
        if descriptor is not None:
            path = _path_of(descriptor)
        else:
            descriptor, path = _named_file()
        file = cls(descriptor, Ticket(key, size, os.getpid(), (path,)))
        try:
            os.lseek(descriptor, size, os.SEEK_SET)
            os.write(descriptor, key)
        except BaseException:
            os.close(descriptor)
            raise
        file.enter()
        return file

    @classmethod
    def held(cls, ticket: Ticket, *, reopen: bool) -> "SharedFile":
        """Hold the file of a ticket once more; open it, unless this process has it open.

        Args:
            ticket: What `passed_on` gave, here or in another process.
            reopen: Whether to open a file that this very process made, but has not open any more.
                It may be open all the same, in another interpreter of this process.

        Raises:
            FileNotFoundError: Nobody who could be asked has it any more.
        """
        with _books.lock:
            file = _books.files.get(ticket.key)
            if file is None or not file.enter():
                if ticket.maker == os.getpid() and not reopen:
                    raise _gone(ticket)
                file = cls._opened(ticket)
                file.enter()
            return file

    @classmethod
    def _opened(cls, ticket: Ticket) -> Self:
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

    def enter(self) -> bool:
        """Count one handle more; False if the file has been closed, maybe this very moment."""
        with _books.lock:
            self._holders += 1
            if self.descriptor >= 0:
                _books.files[self.ticket.key] = self
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

    def passed_on(self) -> Ticket:
        """The ticket for another process: the maker's address, and ours in case the maker ends."""
        own = _path_of(self.descriptor)
        if not _is_nameless(self.ticket) or own in self.ticket.paths:
            return self.ticket
        return self.ticket._replace(paths=(*self.ticket.paths, own))


def _gone(ticket: Ticket) -> FileNotFoundError:
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


def nameless_memory() -> bool:
    """Tell whether a new file lies in memory and has no name: such a one may be huge, but empty."""
    if sys.platform != "linux" or os.environ.get("TASKPAR_NO_MEMFD"):
        return False
    descriptor = -1
    try:
        descriptor = os.memfd_create("taskpar")
        return os.path.exists(_path_of(descriptor))
    except (OSError, AttributeError):
        return False
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _named_file() -> tuple[int, str]:
    import tempfile

    return tempfile.mkstemp(prefix="taskpar-")


def _path_of(descriptor: int) -> str:
    return f"/proc/{os.getpid()}/fd/{descriptor}"


def _is_nameless(ticket: Ticket) -> bool:
    return ticket.paths[0].startswith("/proc/")


def _open(path: str, ticket: Ticket) -> int | None:
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


def _remover(file: SharedFile) -> "Finalize[None] | None":
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


_books = _Books()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_books.renew)
