"""The exceptions that taskpar itself raises.

::

    TaskparError (Exception)
    ├── ExecutorClosedError (RuntimeError)     the executor was shut down
    ├── InitializerError (BrokenExecutor)      no worker could be made ready
    ├── WorkerDiedError (BrokenExecutor)       the worker died while it ran the call
    ├── TaskTimeoutError (TimeoutError)        the call ran longer than its time limit
    ├── CapabilityError (NotImplementedError)  the executor cannot do what an option asks for
    ├── CrossingError (pickle.PicklingError)   a function, argument or result cannot be pickled
    └── DescribedError                         stands for an exception that cannot cross

What a *task* raises stays what it is: these are for what happens around it. All of them can be
pickled, and each carries what is known of its call where it belongs to one.
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

    name: str | None = None
    """The name of the task; None where the error belongs to no single call."""
    input: str | None = None
    """The call as text, its arguments cut off where they are long."""
    attempt: int | None = None
    """Which try of the call it was."""
    pid: int | None = None
    """The process that the call ran in."""

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

    exitcode: int | None = None
    """How its process ended: what it exited with; negative: the signal that killed it."""
    signal: str | None = None
    """The name of that signal; None where it was none."""
    seconds: float | None = None
    """How long the call had been running; None where that is not known."""
    peak_memory: int | None = None
    """The most resident memory of the worker, in bytes, when last looked at; None: not known.

    That is when its batch began, or before it was killed for its memory or its time."""


class TaskTimeoutError(TaskparError, TimeoutError):
    """The call ran longer than its time limit, and was stopped; all other calls go on."""

    seconds: float | None = None
    """How long it had been running."""


class CapabilityError(TaskparError, NotImplementedError):
    """The executor cannot do what an option asks for; the message says which executors can."""


class CrossingError(TaskparError, PicklingError):
    """A function, an argument or a result cannot be pickled, or not be unpickled again."""


class DescribedError(TaskparError):
    """Stands for an exception that could not cross the border; its text describes the original."""
