"""The options of a call: all that may be said of it besides what to call, and with what."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from taskpar._model import checks
from taskpar._model.value import Value
from taskpar._model.words import executor_or_none

if TYPE_CHECKING:
    from typing_extensions import Unpack

OnError = Literal["raise", "return", "skip", "group"]
Relay = Literal["log", "all"]
ExceptionClasses = type[BaseException] | tuple[type[BaseException], ...]
Delay = float | Callable[[int], float]


class OptionWords(TypedDict, total=False):
    """The keywords of options, for type checkers: what takes ``**options`` takes these."""

    name: str | None
    chunksize: int | None
    buffersize: int | None
    time_limit: float | None
    retries: int | None
    retry_on: ExceptionClasses | None
    retry_delay: Delay | None
    on_error: OnError | None
    cancel_running: bool | None
    relay: Relay | None
    context: bool | None
    executor: str | None


class How(TypedDict, total=False):
    """The keywords of ``map`` and its kin, as executors have them."""

    timeout: float | None
    chunksize: int | None
    buffersize: int | None


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "name": checks.text_or_none,
    "chunksize": checks.positive_or_none,
    "buffersize": checks.positive_or_none,
    "time_limit": checks.positive_seconds_or_none,
    "retries": checks.count_or_none,
    "retry_on": checks.exceptions_or_none,
    "retry_delay": checks.delay_or_none,
    "on_error": partial(checks.choice_or_none, choices=("raise", "return", "skip", "group")),
    "cancel_running": checks.flag_or_none,
    "relay": partial(checks.choice_or_none, choices=("log", "all")),
    "context": checks.flag_or_none,
    "executor": executor_or_none,
}


class Options(Value):
    """The options of a call, a value: None says that nothing is asked for.

    **Law:** options that do not speak of errors change how a call is run and what it is called,
    never what it returns.

    Args:
        name: The name of the tasks; None: that of the function.
        chunksize: How many calls go to a worker at a time; None: as many as pays, which is best.
        buffersize: How many calls the input is read ahead of the reader of the results; None: a
            sized input is read whole, an iterator at most 1000 calls ahead.
        time_limit: Seconds that a call may run, after which its worker is stopped and it raises
            `TaskTimeoutError`; None: any.
        retries: How often a call that raises is tried again; None: never.
        retry_on: The exceptions after which it is; None: every `Exception`, but not
            `WorkerDiedError`, which must be named.
        retry_delay: Seconds before it is, or a function that returns them for the number of the
            attempt that failed (see `backoff`); None: at once.
        on_error: ``"raise"`` raises an error at its position, as the builtin does; ``"return"``
            gives the exception as the result; ``"skip"`` leaves it out; ``"group"`` raises all in
            one `ExceptionGroup` behind the last result. None: ``"raise"``.
        cancel_running: Whether calls that are cancelled while they run are stopped, by stopping
            their worker; None: they run to their end.
        relay: Whether log records and warnings of tasks (``"log"``), or what they print as well
            (``"all"``), come to the caller's process; None: no.
        context: Whether tasks see the `contextvars` of who asks for them, where their values can
            travel; None: yes.
        executor: For `parallel` alone: what the function runs on, where neither `use` nor the
            environment says so; a word as for ``TASKPAR_EXECUTOR``. None: ``"queue"``.

    Raises:
        TypeError: An option is of the wrong type, or is none of these.
        ValueError: A number is too small, or a word is none of those.
    """

    __slots__ = tuple(_CHECKS)

    name: str | None
    chunksize: int | None
    buffersize: int | None
    time_limit: float | None
    retries: int | None
    retry_on: tuple[type[BaseException], ...] | None
    retry_delay: Delay | None
    on_error: OnError | None
    cancel_running: bool | None
    relay: Relay | None
    context: bool | None
    executor: str | None

    def __init__(self, **words: "Unpack[OptionWords]") -> None:
        for name in words:
            if name not in _CHECKS:
                raise TypeError(f"there is no option {name!r}: there are {', '.join(_CHECKS)}")
        given = cast("dict[str, object]", words)
        self._set(**{name: check(name, given.get(name)) for name, check in _CHECKS.items()})

    def updated(self, **changes: "Unpack[OptionWords]") -> "Options":
        """Return these options with some of them changed.

        **Law:** ``Options(**a).updated(**b) == Options(**{**a, **b})``.

        Raises:
            TypeError: There is no option of that name; the message lists those that there are.
        """
        every: OptionWords = {**self.given(), **changes}
        return Options(**every)

    def sized(self, chunksize: int | None, buffersize: int | None) -> "Options":
        """Return these options with those sizes, of which None leaves what there is."""
        sizes: OptionWords = {}
        if chunksize is not None:
            sizes["chunksize"] = chunksize
        if buffersize is not None:
            sizes["buffersize"] = buffersize
        return self.updated(**sizes)

    def given(self) -> OptionWords:
        """Return those that are asked for, as keywords.

        **Law:** ``Options(**options.given()) == options``.
        """
        found = {name: value for name in _CHECKS if (value := getattr(self, name)) is not None}
        return cast("OptionWords", found)  # the names are the fields'

    def __reduce__(self) -> tuple[object, ...]:
        """Travel as the options that are asked for."""
        return (_options, (self.given(),))


def _options(given: OptionWords) -> Options:
    return Options(**given)
