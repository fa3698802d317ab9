"""The exceptions that taskpar itself raises.

::

    TaskparError (Exception)
    ├── ExecutorClosedError (RuntimeError)     the executor was shut down
    ├── InitializerError (BrokenExecutor)      no worker could be made ready
    ├── WorkerDiedError (BrokenExecutor)       the worker died while it ran the call
    ├── CrossingError (pickle.PicklingError)   a function, argument or result cannot be pickled
    └── DescribedError                         stands for an exception that cannot cross

What a *task* raises stays what it is: these are for what happens around it. All of them can be
pickled, and each carries the index of its call where it belongs to one.
"""

from concurrent.futures import BrokenExecutor
from pickle import PicklingError


class TaskparError(Exception):
    """What all errors of taskpar have in common.

    Args:
        message: What happened, to which call, and what to do.
        index: The position of the call in its ``map``, ``starmap`` or ``run``; None where the
            error belongs to no single call.
    """

    def __init__(self, message: str = "", index: int | None = None) -> None:
        super().__init__(message, index)
        self.index = index

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


class ExecutorClosedError(TaskparError, RuntimeError):
    """The executor was shut down, so it takes no more calls."""


class InitializerError(TaskparError, BrokenExecutor):
    """No worker could be made ready: its start-up raised, or it died again and again.

    What the initializer or ``Worker.setup`` raised is the ``__cause__``.
    """


class WorkerDiedError(TaskparError, BrokenExecutor):
    """The worker died while it ran this call; all other calls go on."""


class CrossingError(TaskparError, PicklingError):
    """A function, an argument or a result cannot be pickled, or not be unpickled again."""


class DescribedError(TaskparError):
    """Stands for an exception that could not cross the border; its text describes the original."""
