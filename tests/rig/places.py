"""An engine as Dask and Ray are, made of threads: it is told where each batch goes."""

import threading
from concurrent.futures import ThreadPoolExecutor

from taskpar._engine.noting import last_notes, run_noted


class ThreadPlaces:
    """Each place is a thread.

    Args:
        places: Their names.
    """

    def __init__(self, *places):
        self.threads = {place: ThreadPoolExecutor(1, f"place-{place}") for place in places}
        self.gate = threading.Event()
        self.gate.set()
        self.stores = 0
        self.withdrawn = []
        self.silent = False

    def enter(self, backend):
        """Be there."""
        self.backend = backend
        self.say()

    def say(self):
        """Tell which places there are."""
        self.backend.are(dict.fromkeys(self.threads, 1))

    def submit(self, ticket, place, given):
        """Run a batch in the thread of its place, when the gate is open."""
        future = self.threads[place].submit(self._run, place, given)
        future.add_done_callback(lambda done: self._tell(ticket, place, done))
        return future

    def _run(self, place, given):
        self.gate.wait()
        return run_noted(*given) if place in self.threads else None

    def _tell(self, ticket, place, done):
        if place in self.threads and not done.cancelled():
            self.backend.tell(self.backend.home, ticket, done.result())

    def lose(self, place):
        """Let a place be gone, with all that it does."""
        gone = self.threads.pop(place)
        self.say()
        self.backend.tell(self.backend.gone, place)
        gone.shutdown(wait=False, cancel_futures=True)

    def store(self, data, place):
        """Count."""
        self.stores += 1
        return data

    def stored(self, what):
        """It is."""
        return True

    def withdraw(self, tasks):
        """Note it."""
        self.withdrawn += tasks

    def ask(self, place, names, answer):
        """Look; or never hear."""
        answer(None if self.silent else last_notes(names))

    def leave(self):
        """End the threads."""
        self.gate.set()
        for thread in self.threads.values():
            thread.shutdown()
