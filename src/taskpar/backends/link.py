"""The parent's side of one worker: its process, its channel, and the ticket that it has."""

import pickle
import threading
from multiprocessing.context import BaseContext

from taskpar._engine.backend import WorkerInfo
from taskpar._system.channel import ParentEnd
from taskpar._system.mainless import exitcode_of, mainless
from taskpar._system.segment import Segment
from taskpar.backends.worker import NOWHERE, Assignment, Worker

_PRELOADED = (Worker.__module__, "cloudpickle")


class Link:
    """One worker, from its start to its end.

    Args:
        context: How to start the process.
        worker_class: The `Worker` to run.
        name: The name of the process.
        positions: The words in which workers note where they are.
        place: This worker's word.
        startup: The pickled initializer.
        most: How many calls it may run; 0: no bound.

    Raises:
        Exception: The process cannot be started.
    """

    def __init__(
        self,
        context: BaseContext,
        worker_class: type[Worker],
        name: str,
        positions: Segment,
        place: int,
        startup: bytes | None,
        most: int,
    ) -> None:
        self.place = place
        self.name = name
        self.ticket: int | None = None
        self._words = positions.memory.cast("q")
        self._words[place] = NOWHERE
        self.channel = ParentEnd()
        self.process = mainless(context, worker_class, _PRELOADED)(name=name)
        given = Assignment(self.channel.worker_end, pickle.dumps(positions), place, startup, most)
        self.process.assignment = given
        try:
            self.process.start()
        except BaseException:
            self.channel.close()
            raise
        finally:
            given.channel.close()
        self._writing = threading.Lock()
        self._ended = False
        self.deaf = False
        """Whether the channel has ended, so that only the end of the process is waited for."""

    @property
    def position(self) -> int | None:
        """The position of the call that the worker runs, or ran when it died."""
        word = self._words[self.place]
        return None if word == NOWHERE else word

    def send(self, message: bytes) -> None:
        """Give the worker a message; nothing happens if it is dead, as its sentinel tells that."""
        with self._writing:
            if self._ended:
                return
            try:
                self.channel.write(message, self.process.sentinel)
            except OSError:
                return
            except BaseException:  # Ctrl-C within a frame: nobody can read on behind it
                self.process.kill()
                raise

    def messages(self) -> list[bytes | memoryview]:
        """Return what has arrived."""
        if self.deaf:
            return []
        try:
            return self.channel.messages()
        except (EOFError, OSError):
            self.deaf = True
            return []

    def end(self) -> str:
        """Let go of a process that has ended, and tell how it did."""
        code, pid = exitcode_of(self.process, ended=True), self.process.pid
        with self._writing:  # a descriptor must not be closed, and used again, under a writer
            self._ended = True
            self.channel.close()
            if code is not None:  # else somebody else is asking multiprocessing, just now
                self.process.close()
            self._words.release()
        return f"its worker {self.name} (pid {pid}) died with exit code {code}"

    def info(self) -> WorkerInfo:
        """Tell who it is."""
        try:
            code, pid = exitcode_of(self.process), self.process.pid
        except ValueError:  # closed in this very moment
            return WorkerInfo(self.name, None, alive=False, exitcode=None)
        return WorkerInfo(self.name, pid, alive=code is None, exitcode=code)
