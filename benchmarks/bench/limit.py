"""What no library can be faster than: two forked workers, a pipe each, and nothing else.

No call is told apart from another, nothing that goes wrong is noticed, nobody recovers, and the
size of a batch is tuned by hand for each workload. This is what a library's promises cost.
"""

import mmap
import os
import pickle
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from .pools import WORKERS, Fn, Method, Opener, Pool

PROTOCOL = pickle.HIGHEST_PROTOCOL
AHEAD = 2  # batches that a worker of a stream has, the one at work included


def lean(batch: int) -> Opener:
    """Open a pool that is tuned by hand.

    Args:
        batch: How many calls go to a worker at a time.
    """

    @contextmanager
    def opened(_: Method) -> Generator[Pool, None, None]:
        lines = [_forked(_run) for _ in range(WORKERS)]
        later: list[_Later] = []

        def submit(fn: Fn, item: object) -> Callable[[], object]:
            call = _Later(fn, item)
            later.append(call)
            return partial(call.result, lines, later)

        yield Pool(
            lambda fn, items: _map(lines, fn, items, batch),
            submit,
            lambda fn, items: _stream(lines, fn, items, batch),
        )
        _end(lines)

    return opened


def _forked(run: Callable[[Connection], None]) -> Connection:
    """Start a worker; it ends with the pipe, which ends with the caller."""
    ours, theirs = Pipe()
    if not os.fork():
        ours.close()
        try:
            run(theirs)
        except (EOFError, OSError):  # the caller has gone, or wants no more
            os._exit(0)
    theirs.close()
    return ours


def _end(lines: list[Connection]) -> None:
    for line in lines:
        line.close()
    for _ in lines:
        os.wait()


def _run(line: Connection) -> None:
    while True:
        fn, items = pickle.loads(line.recv_bytes())
        line.send_bytes(pickle.dumps([fn(item) for item in items], PROTOCOL))


def _send(line: Connection, fn: Fn, items: Sequence[Any]) -> None:
    line.send_bytes(pickle.dumps((fn, items), PROTOCOL))


def _map(lines: list[Connection], fn: Fn, items: Sequence[Any], batch: int) -> list[Any]:
    """Give each worker the next batch as soon as it has brought back the last one."""
    starts = iter(range(0, len(items), batch))
    found: dict[int, list[Any]] = {}
    out: dict[Connection, int] = {}

    def give(line: Connection) -> None:
        for start in islice(starts, 1):
            _send(line, fn, items[start : start + batch])
            out[line] = start

    for line in lines:
        give(line)
    while out:
        for ready in wait(list(out)):
            line = cast("Connection", ready)
            start, data = out.pop(line), line.recv_bytes()
            give(line)
            found[start] = pickle.loads(data)
    return [result for start in sorted(found) for result in found[start]]


def _stream(lines: list[Connection], fn: Fn, items: Iterator[Any], batch: int) -> Iterator[Any]:
    """Read a few batches ahead, and yield results as they come."""
    out: list[Connection] = []

    def give(line: Connection) -> None:
        if some := list(islice(items, batch)):
            _send(line, fn, some)
            out.append(line)

    for line in lines * AHEAD:
        give(line)
    while out:
        line = out.pop(0)
        results = pickle.loads(line.recv_bytes())
        give(line)
        yield from results


class _Later:
    """A call that goes to its worker, with all others, when the first result is asked for."""

    def __init__(self, fn: Fn, item: object) -> None:
        self.fn, self.item = fn, item
        self.known = False
        self.value: object = None

    def result(self, lines: list[Connection], later: list["_Later"]) -> object:
        if not self.known:
            share = -(-len(later) // len(lines))
            parts = [later[i : i + share] for i in range(0, len(later), share)]
            for line, part in zip(lines, parts, strict=False):
                _send(line, self.fn, [call.item for call in part])
            for line, part in zip(lines, parts, strict=False):
                for call, value in zip(part, pickle.loads(line.recv_bytes()), strict=True):
                    call.known, call.value = True, value
            later.clear()
        return self.value


# ------------------------------------------------------------------------------------------- arrays
def arena(size: int) -> Opener:
    """Open a pool whose arrays lie in memory that all share, made and touched beforehand.

    Args:
        size: Bytes of an array.
    """

    @contextmanager
    def opened(_: Method) -> Generator[Pool, None, None]:
        memory = mmap.mmap(-1, size * 3 * WORKERS)
        memory.write(b"\1" * len(memory))
        rooms = [_Rooms(memory, size, i) for i in range(WORKERS)]
        lines = [_forked(room.run) for room in rooms]
        yield Pool(lambda fn, items: _arrays(lines, rooms, fn, items))
        _end(lines)

    return opened


class _Rooms:
    """A worker's part of the memory: for one array that comes, and two that go."""

    def __init__(self, memory: mmap.mmap, size: int, worker: int) -> None:
        import numpy as np

        base = 3 * worker * size
        self.coming, *self.going = [
            np.frombuffer(memory, np.float64, size // 8, base + i * size) for i in range(3)
        ]
        self.turn = 0

    def run(self, line: Connection) -> None:
        """Run calls, in the worker."""
        import numpy as np

        while True:
            fn, item = pickle.loads(line.recv_bytes())
            result = fn(self.coming if item is None else item)
            if isinstance(result, np.ndarray):
                self.going[self.turn][:] = result
                self.turn, result = 1 - self.turn, None
            line.send_bytes(pickle.dumps(result, PROTOCOL))

    def send(self, line: Connection, fn: Fn, item: Any) -> None:
        """Bring one call on its way."""
        import numpy as np

        if isinstance(item, np.ndarray):
            self.coming[:] = item
            item = None
        line.send_bytes(pickle.dumps((fn, item), PROTOCOL))

    def receive(self, line: Connection) -> Any:
        """Wait for its result, which stays what it is until the one after the next."""
        result = pickle.loads(line.recv_bytes())
        if result is None:
            result, self.turn = self.going[self.turn], 1 - self.turn
        return result


def _arrays(
    lines: list[Connection], rooms: list[_Rooms], fn: Fn, items: Sequence[Any]
) -> Iterator[Any]:
    """Let workers take turns."""
    rest = iter(items)
    for line, room, item in zip(lines, rooms, rest, strict=False):
        room.send(line, fn, item)
    for i in range(len(items)):
        line, room = lines[i % len(lines)], rooms[i % len(lines)]
        result = room.receive(line)
        for item in islice(rest, 1):
            room.send(line, fn, item)
        yield result
