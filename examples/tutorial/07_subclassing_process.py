"""A process class of one's own: `Worker` is a `multiprocessing.Process` to be subclassed.

What is costly is done once, in `setup`. A task reaches the worker that it runs in.
"""

from taskpar import QueueExecutor, Worker, current_worker


class Greeter(Worker):
    """A worker that knows a greeting, and how often it was used."""

    greeting: str
    served = 0

    def setup(self) -> None:
        """Learn the greeting; runs in the new process."""
        self.greeting = "hello"

    def teardown(self) -> None:
        """Look back; runs in the process before it ends."""
        print(f"{self.name} has served {self.served}")


def greet(name: str) -> str:
    worker = current_worker()
    assert isinstance(worker, Greeter)
    worker.served += 1
    return f"{worker.greeting} {name}"


with QueueExecutor(1, worker_class=Greeter) as executor:
    print(list(executor.map(greet, ["Peter", "Lucy", "Roger"])))
