"""What an engine does with the options of a call: the rules of its job, its manner, its errors."""

from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, cast

from taskpar._engine.backend import Backend, batch_seconds, is_distant
from taskpar._engine.events import Rules
from taskpar._engine.reply import Reply
from taskpar._engine.wire import Manner, Shape
from taskpar._model.checks import short
from taskpar._model.options import Options
from taskpar._model.outcome import Record, add_notes, attach
from taskpar._model.retrying import delay_after, is_retried
from taskpar._model.task import Task
from taskpar.errors import CapabilityError

if TYPE_CHECKING:
    from taskpar._engine.relay import Kind


def check_capable(options: Options, backend: Backend, who: str) -> None:
    """Check that workers of this kind can do what options ask for.

    Raises:
        CapabilityError: They cannot; the message says which executors can.
    """
    stopping = [name for name in ("time_limit", "cancel_running") if getattr(options, name)]
    if stopping and not backend.can_kill:
        raise CapabilityError(
            f"{stopping[0]} needs workers that can be stopped, which {who} has not: "
            "use ProcessExecutor, PoolExecutor or QueueExecutor"
        )


def rules_of(options: Options, *, fail_fast: bool) -> Rules:
    """Say how the calls of a job are to be treated."""
    return Rules(
        options.chunksize,
        options.time_limit,
        options.retries or 0,
        fail_fast and options.on_error in (None, "raise"),
        options.cancel_running or False,
    )


def gives_back(options: Options, backend: Backend) -> bool:
    """Tell whether calls that wait in a batch behind a long one can be given back."""
    waits = backend.direct or is_distant(backend)
    return not (waits or options.time_limit is not None or options.cancel_running)


def manner_of(options: Options, backend: Backend, context: object) -> Manner:
    """Say how the batches of a job are to be run."""
    timed = options.time_limit is not None
    seconds = batch_seconds(backend)
    return Manner(options.chunksize is not None, timed, context, _relay(options, backend), seconds)


def _relay(options: Options, backend: Backend) -> "tuple[Kind, bytes] | None":
    if options.relay is None or backend.direct:  # else it is logged and printed here anyway
        return None
    from taskpar._engine.relay import settings  # here, as it is rarely wanted

    return options.relay, settings()


def context_for(options: Options, backend: Backend) -> object:
    """Return the caller's context variables for tasks that do not run within them; None: none."""
    if backend.inline:
        return None if options.context is not False else _Bare
    if options.context is False or not copy_context():
        return None
    from taskpar._engine.context import captured  # here, as most programs use no such variables

    return captured()


def finish(error: BaseException, record: Record, text: str, told: Sequence[str]) -> None:
    """Note on the error of a call where it comes from, and what `Attempts` tells of the others."""
    attach(error, record.with_input(text))
    if told:
        add_notes(error, told)


class _Bare:
    """In place of what a caller has set: nothing."""

    @staticmethod
    def contexts() -> type[Context]:
        """Return what makes the contexts of calls."""
        return Context


_FIRST: tuple[int, Sequence[str]] = (1, ())
"""Of a call that was not tried again: which attempt it was, and what is told of others."""


class Attempts:
    """The failures of calls that are tried again, until they are home.

    Args:
        options: What says whether they are.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._made: dict[int, tuple[int, list[str]]] = {}
        self._replies: dict[int, list[Reply]] = {}

    def retry(
        self, call: int, attempt: int, error: BaseException, reply: Reply | None
    ) -> float | None:
        """Say after how many seconds a call is tried again; None: it is not."""
        if self._options.relay and reply is not None:
            self._replies.setdefault(call, []).append(reply)
        if not is_retried(error, self._options):
            return None
        _, told = self._made.get(call, (1, []))
        try:
            seconds = delay_after(attempt, self._options)
        except Exception as problem:  # noqa: BLE001  # the user's function: its error is told with the call's
            self._made[call] = attempt, [*told, _no_delay(problem)]
            return None
        failure = f"attempt {attempt}: {type(error).__qualname__}: {_text(error)}"
        self._made[call] = attempt + 1, [*told, failure]
        return seconds

    def made(self, call: int) -> tuple[int, Sequence[str]]:
        """Return which attempt of a call is home, and what is told of the others; forget it."""
        return self._made.pop(call, _FIRST)

    def replay(self, start: int, stop: int) -> None:
        """Tell what earlier attempts of calls that are home have logged, warned of and printed."""
        if self._replies:
            for call in range(start, stop):
                for reply in self._replies.pop(call, ()):
                    reply.replay()

    def forget(self, start: int, stop: int) -> None:
        """Forget what is known of calls, if anything is."""
        if self._made:
            for call in range(start, stop):
                self._made.pop(call, None)


def _no_delay(problem: Exception) -> str:
    return f"not tried again, as retry_delay raised {type(problem).__qualname__}: {_text(problem)}"


def _text(error: BaseException) -> str:
    try:
        return str(error)[:200]
    except KeyboardInterrupt:
        raise  # the user's own
    except BaseException:  # noqa: BLE001  # a __str__ may raise anything
        return "(cannot be shown)"


def name_within(item: object, options: Options, name: str) -> str:
    """Return the name of an item that is a task, else that of the function."""
    if issubclass(type(item), Task) and not options.name:  # what its __class__ says may raise
        return cast("Task[object]", item).name
    return name


def shown(name: str, shape: Shape, item: Any) -> str:
    """Return a call as text, long arguments cut off."""
    if issubclass(type(item), Task):
        return _call_text(item.name, item.args, item.kwargs)
    if shape == "one":
        return _call_text(name, (item,), {})
    if shape == "call":
        return _call_text(name, *item)
    row = item if type(item) in (tuple, list) else None
    return f"{name}(*{short(item)})" if row is None else _call_text(name, row, {})


def _call_text(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    parts = [short(arg) for arg in args[:20]]
    parts += [f"{word}={short(value)}" for word, value in list(kwargs.items())[:20]]
    text = f"{name}({', '.join(parts)})"
    return text if len(text) <= 400 else f"{text[:396]}...)"
