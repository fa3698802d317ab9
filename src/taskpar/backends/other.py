"""What an engine of others is asked for, and what it tells: all that is different with each.

The rest is common to them: `taskpar.backends.placed`.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

Notes = list[tuple[int | None, int] | None] | None
"""What `last_notes` found of some batches; None: nobody answered."""


class Given(NamedTuple):
    """The arguments of `noting.run_noted`, in its order."""

    name: str
    payload: Any
    key: object
    data: Any


class OtherEngine(Protocol):
    """What is different with each engine; called in our thread, or in who sends, as is said."""

    @abstractmethod
    def enter(self, host: "Host") -> None:
        """Join it, and tell the host its places; in who sends first.

        Raises:
            Exception: It cannot be joined, or has other versions.
        """

    @abstractmethod
    def submit(self, ticket: int, place: str, task: Given) -> Any:
        """Have a batch run at a place and nowhere else, and see to it that its end is told."""

    @abstractmethod
    def store(self, data: bytes, place: str) -> Any:
        """Return what stands for a constant among the arguments of tasks."""

    @abstractmethod
    def stored(self, what: Any) -> bool:
        """Tell whether that is still so."""
        ...

    @abstractmethod
    def withdraw(self, tasks: list[Any]) -> None:
        """Forget tasks whose place has gone."""

    @abstractmethod
    def ask(self, place: str, names: list[str], answer: Callable[[Notes], object]) -> None:
        """Have `noting.last_notes` run on the machine of a place; call back from any thread."""

    @abstractmethod
    def leave(self) -> None:
        """Leave it; in our thread, the last thing."""


class Host(Protocol):
    """Whom an engine tells its news; ``tell`` may be called from any thread, the rest in ours."""

    @abstractmethod
    def tell(self, what: Callable[..., object], *args: Any) -> None:
        """Let something be done in our thread."""

    @abstractmethod
    def are(self, places: dict[str, int]) -> None:
        """Learn which places there are, and how many batches each takes at once."""

    @abstractmethod
    def home(self, ticket: int, reply: bytes) -> None:
        """Take an answer."""

    @abstractmethod
    def lost(self, ticket: int, what: str, *, begun: bool = True) -> None:
        """Take it that a batch will not come home; nobody knows how far it had come, if it had."""

    @abstractmethod
    def gone(self, place: str, ticket: int | None = None) -> None:
        """Find out what a worker was at that has died: that of a ticket, or all of a place."""

    @abstractmethod
    def over(self, error: BaseException) -> None:
        """Take it that nothing more is heard of the engine."""
