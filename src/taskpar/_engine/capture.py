"""What a task logs, warns of and prints, kept in the worker for its caller (see relay.py).

For the time of a batch three things of the process are replaced: where loggers hand their records
over, ``warnings.showwarning``, and ``sys.stdout`` and ``sys.stderr``. What was there is back at the
end of the batch, and at once in a child that a task forks, of which nobody takes anything.
"""

import logging
import os
import pickle
import threading
import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import groupby
from operator import itemgetter
from types import FrameType
from typing import Any, TextIO
from weakref import WeakSet

from taskpar._engine import exceptions, place, streams
from taskpar._engine.relay import Item, Kind, Record, dumped, levels, loaded

_PLAIN = frozenset((int, float, bool, str, type(None)))


class Captured:
    """What the calls of a batch have logged, warned of and printed so far."""

    def __init__(self) -> None:
        self._index: int | None = None
        self._items: list[Item] = []
        self._open = True

    def call(self, index: int | None) -> None:
        """Note which call runs from now on."""
        self._index = index

    def keep(self, what: str, data: object) -> bool:
        """Keep something that the call did; return False, and keep nothing, after the end."""
        if self._open:
            self._items.append((self._index, what, data))
        return self._open

    def take(self) -> list[Item]:
        """Return what came since the last time; what was printed in a row is in one piece."""
        items = self._items[:]
        del self._items[: len(items)]  # another thread may have put more behind
        taken: list[Item] = []
        for (index, what), group in groupby(items, itemgetter(0, 1)):
            if what in streams.NAMES:
                taken.append((index, what, b"".join([data for *_, data in group])))
            else:
                taken.extend(group)
        return taken

    def close(self) -> None:
        """Keep nothing any more."""
        self._open = False


_replaced = ExitStack()
"""What is to be put back at the end of the batch."""

_turn = threading.RLock()
"""Held for a batch: where a process runs several at once, those that are captured take turns."""


def capturing(kind: Kind | None, told: bytes = b"") -> AbstractContextManager[Captured]:
    """Capture what the calls in the block log, warn of and, for "all", print.

    Take it as the last thing in the block.

    Args:
        kind: What to capture; None: nothing.
        told: The caller's `settings`.
    """
    return nullcontext(Captured()) if kind is None else _capturing(kind, told)


@contextmanager
def _capturing(kind: Kind, told: bytes) -> Generator[Captured]:
    global _replaced  # a process has one logging, one warnings, one sys.stdout
    captured = Captured()
    with _turn, ExitStack() as _replaced:
        _apply(told)
        _replaced.enter_context(_logs(captured))
        _replaced.enter_context(_warnings(captured))
        if kind == "all":
            _replaced.enter_context(streams.replaced(captured.keep))
        _replaced.callback(captured.close)
        yield captured


# ---------------------------------------------------------------------------- the caller's settings
_applied = b""
_applied_filters: list[Any] = []
_pending: dict[str, tuple[int, bool, bool]] = {}

_inherited: set[str] = set()
"""The loggers whose levels came with the fork, not from what the caller has told."""


def _after_fork() -> None:
    """Let a child that a task forks log, warn and print itself; note what a worker is born to."""
    global _applied, _turn
    # What its caller tells it is new to it, whatever it was told where it was born.
    _applied, _turn = b"", threading.RLock()
    _replaced.close()
    _inherited.update(levels())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _apply(told: bytes) -> None:
    """Take over the caller's settings, where they are not those of the last batch."""
    global _applied, _pending  # logging and warnings are the whole process's
    if told and told != _applied:
        disable, _pending, filters = pickle.loads(told)
        for name in _inherited - _pending.keys():
            _pending[name] = (logging.NOTSET, False, False)  # it was reset meanwhile
        _inherited.clear()
        logging.disable(disable)
        _put_first([each for each in map(loaded, filters) if isinstance(each, tuple)])
        _applied = told
    known = logging.root.manager.loggerDict
    for name, (level, disabled, plain) in list(_pending.items()):
        # A logger of a class of its own is made by its own module, whenever that is imported.
        if plain or name in known or name == "root":
            logger = logging.getLogger(name)
            logger.setLevel(level)
            logger.disabled = disabled
            del _pending[name]


def _put_first(filters: list[Any]) -> None:
    """Put the caller's warnings filters first, and behind them what was set here."""
    global _applied_filters  # as above
    theirs = [*filters, *_applied_filters, *place.given_filters]
    here = [each for each in warnings.filters if each not in theirs]
    warnings.filters = [*filters, *here]
    _applied_filters = filters


# ------------------------------------------------------------------------------------------ logging
_own: WeakSet[logging.Handler] = WeakSet()
"""The handlers that calls have attached in this process."""

_occupied = logging.NullHandler()
"""Makes ``basicConfig`` in a task do nothing, as it does where logging is configured."""


@contextmanager
def _logs(captured: Captured) -> Generator[None]:
    """Keep each record instead of handling it, whichever logger it comes from.

    All records pass one place, ``Logger.handle``. The handlers are many: they may be inherited by
    fork, come with any module that is imported, and sit at loggers that do not propagate.
    """
    cls: Any = logging.Logger
    handle, add = cls.handle, cls.addHandler

    def keep(logger: logging.Logger, record: logging.LogRecord) -> None:
        captured.keep("log", _taken_apart(record))
        if _own:
            _serve_own(logger, record)

    def add_own(logger: logging.Logger, handler: logging.Handler) -> None:
        add(logger, handler)
        if not _importing():  # a module configures logging: the caller's process has that, too
            _own.add(handler)

    logging.root.addHandler(_occupied)
    cls.handle, cls.addHandler = keep, add_own
    try:
        yield
    finally:
        cls.handle, cls.addHandler = handle, add
        logging.root.removeHandler(_occupied)


def _importing() -> bool:
    """Tell whether the call is importing a module."""
    for frame in _frames():
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        if str(frame.f_globals.get("__name__")).startswith("taskpar."):
            return False  # here begins what runs the call
    return False


def _serve_own(logger: logging.Logger, record: logging.LogRecord) -> None:
    """Do what ``Logger.handle`` does, for the handlers that calls have attached."""
    passed: object = not logger.disabled and logger.filter(record)
    if isinstance(passed, logging.LogRecord):
        record = passed
    at: logging.Logger | None = logger if passed else None
    while at is not None:
        for handler in at.handlers:
            if handler in _own and record.levelno >= handler.level:
                handler.handle(record)
        at = at.parent if at.propagate else None


def _taken_apart(record: logging.LogRecord) -> Record:
    """Return what is plain in a record, and the rest as bytes; what can't cross becomes a text.

    The message is written at once, as its arguments may be anything, and may change. Plain ones
    stay beside it, for handlers that look at them.
    """
    plain = dict(vars(record))
    if not (type(record.msg) is str and type(record.args) is tuple and _is_plain(record.args)):
        try:
            plain["msg"], plain["args"] = record.getMessage(), None
        except Exception:  # noqa: BLE001  # the caller's handlers meet it again, and report it
            plain["msg"], plain["args"] = _text(record.msg), (_text(record.args),)
    pickled: dict[str, bytes] = {}
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        plain["exc_info"] = None
    for name, value in list(plain.items()):
        if type(value) in _PLAIN or name == "args":
            continue
        data = dumped(value)
        if data is None:
            plain[name] = _text(value)
        else:
            pickled[name] = data
            del plain[name]
    return plain, pickled, None if error is None else exceptions.dumps(error)


def _is_plain(args: Iterable[object]) -> bool:
    return set(map(type, args)) <= _PLAIN


def _text(value: object) -> str:
    try:
        return value if type(value) is str else repr(value)
    except Exception:  # noqa: BLE001  # its __repr__ may raise anything
        return f"<{type(value).__qualname__}>"


# ----------------------------------------------------------------------------------------- warnings
@contextmanager
def _warnings(captured: Captured) -> Generator[None]:
    """Keep each warning instead of showing it."""
    with warnings.catch_warnings():
        pass  # so this process forgets what it has shown: whether to show again is for the caller
    show = warnings.showwarning

    def keep(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        warned = message, category, filename, lineno
        if file is not None or not captured.keep("warning", _described(*warned)):
            show(*warned, file, line)

    warnings.showwarning = keep
    try:
        yield
    finally:
        warnings.showwarning = show


def _described(
    message: Warning | str, category: type[Warning], filename: str, lineno: int
) -> tuple[bytes, str, str, int, str]:
    warning = message if isinstance(message, Warning) else category(message)
    return exceptions.dumps(warning), str(warning), filename, lineno, _module(filename, lineno)


def _module(filename: str, lineno: int) -> str:
    """Return the name of the module that runs there; the file's, if none does."""
    for frame in _frames():
        if frame.f_lineno == lineno and frame.f_code.co_filename == filename:
            return str(frame.f_globals.get("__name__", filename))
    return filename


# ------------------------------------------------------------------------------------------- frames
def _frames() -> Iterator[FrameType]:
    """Walk from the code that called this module outwards."""
    from inspect import currentframe  # here, as it is rarely needed

    frame = currentframe()
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield frame
        frame = frame.f_back
