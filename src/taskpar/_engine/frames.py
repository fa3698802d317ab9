"""Tracebacks as data and back: frames that look like those of the worker."""

import threading
from functools import lru_cache
from types import TracebackType
from typing import Any, cast

_FRAMES = 1000
"""Frames kept at either end of a traceback: those of an endless recursion are all alike."""

Row = tuple[str, str, int, str | None, str | None]
"""A frame: its file, function and line, and its module's ``__name__`` and ``__file__``."""


def rows_of(trace: TracebackType) -> list[Row]:
    """Return a traceback as data, the outermost frame first; of a very long one both its ends."""
    rows: list[Row] = []
    entry: TracebackType | None = trace
    while entry is not None:
        code, names = entry.tb_frame.f_code, entry.tb_frame.f_globals
        module, file = (_text_or_none(names.get(name)) for name in ("__name__", "__file__"))
        rows.append((code.co_filename, code.co_name, entry.tb_lineno or 1, module, file))
        entry = entry.tb_next
    return rows if len(rows) <= 2 * _FRAMES else rows[:_FRAMES] + rows[-_FRAMES:]


def _text_or_none(name: object) -> str | None:
    return name if type(name) is str else None


def traceback_of(rows: list[Row]) -> TracebackType | None:
    """Make a traceback of frames that look like those of the worker."""
    trace: TracebackType | None = None
    for row in reversed(rows):
        alike = _entry(*row)
        trace = TracebackType(trace, alike.tb_frame, alike.tb_lasti, alike.tb_lineno)
    return trace


@lru_cache(maxsize=1024)
def _entry(*row: str | int | None) -> TracebackType:
    """Make an entry of a traceback.

    It is made in a thread of its own: a frame leads to all frames in which it was made, and so an
    error would keep whatever its reader was doing alive.
    """
    made: list[TracebackType] = []
    maker = threading.Thread(target=lambda: made.append(_made(*row)), name="taskpar-traceback")
    try:
        maker.start()
    except RuntimeError:  # the interpreter is shutting down
        return _made(*row)
    maker.join()
    return made[0]


def _made(path: Any, function: Any, line: Any, module: Any, file: Any) -> TracebackType:
    from tblib import Traceback

    names = {"__name__": module, "__file__": file}
    frame = {
        "f_code": {"co_filename": path, "co_name": function},
        "f_globals": {name: value for name, value in names.items() if value is not None},
        "f_lineno": line,
    }
    described = {"tb_frame": frame, "tb_lineno": line, "tb_next": None}
    return cast("TracebackType", Traceback.from_dict(described).as_traceback())
