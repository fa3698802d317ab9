"""In a worker that sees nothing of the caller's memory, whatever engine it belongs to.

What is bound to a function, if that is big, does not come with each batch, which has only a key of
it. It is laid down here, in memory of this process, when it comes; from then on all is as it is for
workers of the caller's own machine (`constant`). A worker keeps what it met last.
"""

import importlib.metadata
import sys
import threading
from collections import OrderedDict

from taskpar._engine import place, running, wire
from taskpar._engine.constant import KEPT, KEPT_BYTES
from taskpar._system.segment import Segment

MISSING = b""
"""In place of a reply: nothing was run, as what is bound to the function is not here."""

_kept: OrderedDict[object, Segment] = OrderedDict()
_keeping = threading.Lock()  # an engine may run batches in several threads of a process


def run_afar(
    payload: bytes,
    key: object = None,
    data: bytes | memoryview | None = None,
    row: running.Row = running.UNNOTED,
) -> bytes:
    """Run a batch.

    Args:
        payload: What `wire.pack` made.
        key: Of what is bound to the function and did not come with the batch; None: all did.
        data: That itself; None: it should be here.
        row: Where to note what runs.

    Returns:
        The reply, about a prefix of the batch; or `MISSING`.
    """
    segment = None
    if key is not None:
        segment = _laid_down(key, data)
        if segment is None:
            return MISSING
    with place.worker():
        return running.run(payload, row, memory=running.Memory(apart=segment))


def _laid_down(key: object, data: bytes | memoryview | None) -> Segment | None:
    with _keeping:
        segment = _kept.get(key)
        if segment is None and data is not None:
            segment = _kept[key] = Segment(len(data))
            segment.memory[:] = data
        if segment is not None:
            _kept.move_to_end(key)
        while len(_kept) > 1 and (len(_kept) > KEPT or _kept_bytes() > KEPT_BYTES):
            _kept.popitem(last=False)
        return segment


def _kept_bytes() -> int:
    return sum(segment.size for segment in _kept.values())


def arrive(path: list[str], startup: bytes | None) -> None:
    """Make an interpreter a worker: it finds what its caller finds.

    Args:
        path: Where modules are.
        startup: What `wire.pack_startup` made.
    """
    sys.path[:] = path
    if startup is not None:
        initializer, initargs = wire.unpack_startup(startup)
        initializer(*initargs)


def find(path: list[str]) -> None:
    """Find modules there, too, behind where they are found anyway."""
    sys.path.extend(entry for entry in path if entry not in sys.path)


def version() -> str:
    """Tell which taskpar is here."""
    return importlib.metadata.version("taskpar")
