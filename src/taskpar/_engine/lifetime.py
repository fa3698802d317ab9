"""The lifetime of a backend: started with the first job, stopped when all is home, each once."""

import threading
from collections import deque

from taskpar._engine.backend import Backend, Report


class Lifetime:
    """Starts and stops a backend, for any threads at any time.

    **Law:** a backend that was started is stopped once, also if the end comes while it starts:
    from another thread, or from a finalizer in the middle of the start.
    """

    def __init__(self, backend: Backend) -> None:
        self.started = False
        self.ended = threading.Event()
        self._backend = backend
        self._lock = threading.RLock()  # the garbage collector may come here anywhere
        self._over = False
        self._to_stop: deque[Backend] = deque()

    def start(self, report: Report) -> bool:
        """Start the backend, and return True; nothing happens if it is started, or all is over."""
        with self._lock:
            if self.started or self._over:
                return False
            self._backend.start(report)
            self._to_stop.append(self._backend)
            self.started = True
            if self._over:
                self._stop()
            return True

    def end(self) -> None:
        """Stop the backend, if it was started; if it is being started, once it is."""
        with self._lock:
            self._over = True
            self._stop()
        self.ended.set()

    def _stop(self) -> None:
        try:
            backend = self._to_stop.pop()
        except IndexError:  # it has not been started yet, or is stopped
            return
        backend.stop()
