"""What the engine needs to know of a ``map``, or of an executor's submits."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol

from taskpar._engine import wire
from taskpar._engine.reply import Reply
from taskpar._engine.tally import Tally

if TYPE_CHECKING:
    from taskpar._engine.constant import Constants, Reference


class Job(Protocol):
    """A row of numbered calls."""

    tally: Tally
    """Where their time went."""

    @abstractmethod
    def calls(self, start: int, stop: int) -> wire.Calls | int:
        """Return calls for one message, the first ones of these; or how many nobody wants."""

    @abstractmethod
    def reference(self, calls: wire.Calls, constants: "Constants") -> "Reference | wire.Refused":
        """Return how workers get the function, or why it cannot be pickled."""

    @abstractmethod
    def label(self, calls: wire.Calls) -> str:
        """Return a name for the batch."""

    @abstractmethod
    def settle(self, start: int, stop: int, reply: Reply, offset: int) -> None:
        """Take the outcomes of calls ``start`` to ``stop``; that of the first is at ``offset``."""

    @abstractmethod
    def retry(
        self, call: int, attempt: int, error: BaseException, reply: Reply | None
    ) -> float | None:
        """Say after how many seconds a call is tried again after this error; None: it is not."""

    @abstractmethod
    def dropped(self, start: int, stop: int, broken: BaseException | None) -> None:
        """Learn that calls will never run: cancelled, or (with the reason) no worker is left."""
