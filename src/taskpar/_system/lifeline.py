"""The line on which workers hang: when the process at its upper end has gone, they go as well.

One pipe for each process that has workers. That process alone has the write end, and never writes;
each of its workers has the read end. When the process ends, in whatever way, the kernel closes the
write end, and sends SIGKILL to the group of each worker. So nothing in a worker has to run for
that: neither code in C that holds the GIL, nor a worker that has been stopped, is in the way.

::

    parent: read_end() ── a Connection, given to the worker as it starts ──► worker: hold(it)
       │                                                                        leads a group of
       └ gone (SIGKILL, os._exit, exec): the kernel kills ────────────────────► its own, with all
                                                                                that it starts

The workers of a worker hang on a line of their own, whose upper end is that worker.

Where the kernel cannot be asked for that (no Linux, no ``/proc``), a thread of the worker waits.

Source: pipe(7), fcntl(2) "Managing signals".
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

_lock = threading.RLock()
"""Held while the pipe is made, and by who forks: no child may have a write end unbeknown to it."""

_pipe: tuple[Connection, Connection] | None = None


def read_end() -> Connection:
    """Return the lower end of this process's line; it stays open as long as the process lives.

    **Law:** no other process has the upper end: neither a forked child nor a program that is
    started.
    """
    global _pipe
    _start_tracker()
    with _lock:
        if _pipe is None:
            _pipe = Pipe(duplex=False)
        return _pipe[0]


def hold(end: Connection) -> None:
    """End, with all processes of this one's group, as soon as the process that gave `end` has.

    This process leads a group of its own from now on. It goes at once if the other has gone
    already.
    """
    if hasattr(os, "setpgid"):
        with suppress(PermissionError):  # it leads a session, and so a group
            os.setpgid(0, 0)
    if not _kernel_watches(end.fileno()):
        watch = threading.Thread(target=_watch, args=(end,), name="taskpar-lifeline", daemon=True)
        watch.start()
    elif end.poll():  # the line had been cut before the kernel was told to watch it
        _leave()


def kill_group(pid: int, number: int) -> None:
    """Send a signal to a worker and, if it leads a group, to all that it has started.

    Nothing happens if it is not there. As with `os.kill`, somebody else may be there once the
    worker has been waited for.
    """
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg") and os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


def _watch(end: Connection) -> None:
    """Wait until nobody has the upper end: all that comes down a line is its end."""
    wait([end])
    _leave()


def _leave() -> None:
    if hasattr(os, "getpgrp") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _start_tracker() -> None:
    """Start multiprocessing's resource tracker here, unless there is one.

    A worker that came by fork would start its own when it makes what has to be tracked. That one
    would be in the worker's group, and be killed before it can clean up behind it.
    """
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()


if sys.platform == "linux":
    import fcntl

    def _kernel_watches(number: int) -> bool:
        """Let the kernel kill this process's group when the line of a descriptor is cut.

        Signals belong to an open file, which we share with our siblings: it is opened once more.
        That file stays open until the process ends.
        """
        try:
            line = os.open(f"/proc/self/fd/{number}", os.O_RDONLY)
        except OSError:
            return False
        group = -os.getpid() if os.getpgrp() == os.getpid() else os.getpid()
        try:
            fcntl.fcntl(line, fcntl.F_SETOWN, group)
            fcntl.fcntl(line, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(line, fcntl.F_SETFL, os.O_ASYNC)
        except OSError:
            os.close(line)
            return False
        return True

else:

    def _kernel_watches(number: int) -> bool:  # noqa: ARG001  # as above
        """Tell that this kernel has no such service."""
        return False


def _after_fork_in_child() -> None:
    """Let go of the parent's line: who has workers makes one of its own."""
    global _lock, _pipe
    _lock = threading.RLock()
    if _pipe is not None:
        _pipe[1].close()
        _pipe = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(),  # noqa: PLW0108  # whichever it is then
        after_in_parent=lambda: _lock.release(),  # noqa: PLW0108
        after_in_child=_after_fork_in_child,
    )
