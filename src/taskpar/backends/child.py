"""What every new worker process does first, whatever starts it."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait
from typing import Any

from taskpar._engine import place


def become_worker() -> None:
    """Make this process a worker: it leaves Ctrl-C to its parent, and dies with it."""
    place.enter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, name="taskpar-parent", daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when its parent has died, whoever else holds an end of its pipes."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    signs: list[Any] = [parent.sentinel]
    if hasattr(os, "pidfd_open"):  # Linux: under fork, siblings keep the sentinel's pipe open
        try:
            signs.append(os.pidfd_open(parent.pid or 0))
        except ProcessLookupError:
            os._exit(1)
    wait(signs)
    os._exit(1)
