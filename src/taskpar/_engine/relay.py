"""What a task logs, warns of and prints in a worker process, told here, in its caller.

::

    caller   settings() ── bytes ──► worker
    worker   with capturing(kind, settings) as captured:          (capture.py)
                 captured.call(index), then the call itself, again and again
                 captured.take() ── plain tuples ──► caller
    caller   replay(tuples, pid): once, in the order of the calls

*The caller's configuration counts*, as in a serial program, and the same under all start methods.
A worker only decides whether a record or a warning comes to be, by the caller's levels and warnings
filters. Loggers' filters and handlers run in the caller alone; but a handler that a call itself
attaches, for a file of its own, say, is served in the worker, too. Warnings pass the caller's
filters again, with the registry of the module that warns, so that what is to be shown once is
shown once, however many workers told of it.

*The tags:* a record has ``taskpar_index`` and ``taskpar_pid``; so has the warning itself (a tag in
its text would make it another warning for each call, shown each time); a line that was printed
begins with ``[index 3, pid 123]``. ``process`` and ``processName`` of a record are the worker's.

Not told: what is written to the descriptors 1 and 2 past Python (C code, child processes), what
threads write after their call's batch has ended, and what a call that killed its worker had
written. All that a call writes arrives with its outcome, not before.
"""

import logging
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, TextIO

from taskpar._engine import exceptions, pickling

Kind = Literal["log", "all"]
"""Log records and warnings; or what is printed, too."""

Item = tuple[int | None, str, Any]
"""``(index, what, data)``: something that a call did. It can be pickled, whatever it tells of."""


# ------------------------------------------------------------------------------------ to the worker
_set_once: set[str] = set()
_told: tuple[object, bytes] = (None, b"")


def settings() -> bytes:
    """Return what a worker has to know of the logging and the warnings filters here.

    Returns:
        The same bytes as before, unless something has changed; asking takes microseconds.
    """
    global _told  # logging and warnings are the whole process's
    now = (logging.root.manager.disable, levels(), list(warnings.filters))
    if _told[0] != now:
        *first, filters = now
        packed = [data for data in map(dumped, filters) if data is not None]
        _told = now, pickle.dumps((*first, packed), pickling.PROTOCOL)
    return _told[1]


def levels() -> dict[str, tuple[int, bool, bool]]:
    """Return level, whether disabled and whether a plain logger, of each that was ever set."""
    loggers = [("root", logging.root), *list(logging.root.manager.loggerDict.items())]
    found = {
        name: (logger.level, bool(logger.disabled), type(logger) is logging.Logger)
        for name, logger in loggers
        if isinstance(logger, logging.Logger)
        and (logger.level or logger.disabled or name in _set_once)
    }
    _set_once.update(found)  # one that is reset is told of: a forked worker has its old level
    return found


def dumped(thing: object) -> bytes | None:
    """Pickle a thing; None: it can't be."""
    try:
        return pickling.dumps(thing)
    except BaseException as error:  # its __reduce__ may raise anything
        if exceptions.is_ctrl_c(error):
            raise
        return None


def loaded(data: bytes) -> object:
    """Unpickle a thing; what tells that it can't be, if so."""
    try:
        return pickle.loads(data)
    except BaseException as error:  # its __setstate__ may raise anything
        if exceptions.is_ctrl_c(error):
            raise
        return f"<cannot be unpickled: {type(error).__qualname__}>"


# ---------------------------------------------------------------------------------- from the worker
def replay(items: Iterable[Item], pid: int) -> None:
    """Log, warn and print here what was captured there.

    It raises nothing but `KeyboardInterrupt`. What goes wrong, as in a user's handler, is told on
    ``sys.stderr``, as logging does. Handlers may do anything and take long: hold no lock meanwhile.

    Args:
        items: What `Captured.take` returned.
        pid: The worker's process.
    """
    for index, of_call in groupby(items, itemgetter(0)):
        lines = _Lines("" if index is None else f"index {index}, ", pid)
        for _, what, data in of_call:
            if what == "log":
                _safely(_log, index, pid, data)
            elif what == "warning":
                _safely(_warn, index, pid, data)
            else:
                _safely(lines.write, what, data)
        _safely(lines.end)


def _safely(do: Callable[..., object], *args: object) -> None:
    try:
        do(*args)
    except BaseException as error:  # a handler may raise anything; results come behind this
        if exceptions.is_ctrl_c(error):
            raise
        if logging.raiseExceptions:
            with suppress(OSError, ValueError):  # there is nowhere to tell it
                traceback.print_exc()


Record = tuple[dict[str, Any], dict[str, bytes], bytes | None]
"""What is plain in a log record, what is pickled, and the exception of its ``exc_info``."""


def _log(index: int | None, pid: int, data: Record) -> None:
    plain, pickled, raised = data
    state: dict[str, Any] = {"taskpar_index": index, "taskpar_pid": pid}
    state.update(plain)  # with other tags, where a nested worker has put its own
    state.update((name, loaded(part)) for name, part in pickled.items())
    if raised is not None:
        error = exceptions.loads(raised)
        state["exc_info"] = (type(error), error, error.__traceback__)
    record = logging.makeLogRecord(state)
    if record.levelname == f"Level {record.levelno}":  # it may have a name in this process only
        record.levelname = logging.getLevelName(record.levelno)
    logging.getLogger(record.name).handle(record)


_registries: dict[str, dict[Any, Any]] = {}
"""What was shown of modules that only workers have imported."""


def _warn(index: int | None, pid: int, data: tuple[bytes, str, str, int, str]) -> None:
    pickled, text, filename, lineno, module = data
    message = exceptions.loads(pickled)
    if not isinstance(message, Warning):
        message = UserWarning(text)
    vars(message).setdefault("taskpar_index", index)  # a nested worker has put its own
    vars(message).setdefault("taskpar_pid", pid)
    here = sys.modules.get(module)
    if here is None:
        registry = _registries.setdefault(module, {})
    else:
        registry = vars(here).setdefault("__warningregistry__", {})
    try:
        warnings.warn_explicit(message, type(message), filename, lineno, module, registry)
    except Warning:  # an error, by a filter that is newer than the call: too late to raise it there
        warnings.showwarning(message, type(message), filename, lineno)


class _Lines:
    """Prints what one call has printed, with a tag before each line."""

    def __init__(self, index: str, pid: int) -> None:
        self._tag = f"[{index}pid {pid}] "
        self._unfinished: set[str] = set()

    def write(self, stream: str, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        lines = text.removesuffix("\n")
        end = text[len(lines) :]
        begin = "" if stream in self._unfinished else self._tag
        (self._unfinished.discard if end else self._unfinished.add)(stream)
        _print(stream, begin + lines.replace("\n", "\n" + self._tag) + end)

    def end(self) -> None:
        for stream in self._unfinished:
            _print(stream, "\n")  # the next line is another call's


def _print(stream: str, text: str) -> None:
    file: TextIO | None = getattr(sys, stream)
    if file is None:  # a program without a console
        return
    try:
        file.write(text)
    except UnicodeEncodeError:  # it takes less than the worker's stream
        encoding = file.encoding or "ascii"
        file.write(text.encode(encoding, "backslashreplace").decode(encoding))
