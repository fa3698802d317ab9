"""One cell of the table, in a process of its own: ``python -m faults.cell PEER FAULT [PORT]``.

It prints what it finds as it goes, a line of JSON for each step, so that of a cell that hangs it is
known how far it came:

    {"answers": [...], "original": false, "seconds": 0.2}    or {"word": "yes"}
    {"usable": true}
    {"left": true}
"""

import json
import os
import resource
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from taskpar import record_of

from . import tasks
from .peers import PEERS, WORKERS, Fn, Peer, Pool, Wish

LIMIT = 1.0  # seconds for a call, where the fault is to take longer
LONG = 20_000  # items, far more than anybody needs to read ahead


def tell(**found: object) -> None:
    """Print one step."""
    print(json.dumps(found), flush=True)


# -------------------------------------------------------------------------- eight calls, one is bad
def one_of_eight(peer: Peer, fault: str) -> None:
    """Let one call of eight misbehave: what becomes of the others, and of the pool?"""
    fn: Fn = tasks.whole if fault == "argument" else partial(tasks.misbehave, fault)
    items: list[object] = list(range(tasks.ITEMS))
    if fault == "argument":
        items[tasks.BAD] = threading.Lock()
    limit = LIMIT if fault in ("sleep", "c-code") else None
    with peer.open(Wish(limit=limit)) as pool:
        warm(pool)
        start = time.monotonic()
        answers = list(islice(pool.each(fn, items), tasks.ITEMS))
        seconds = time.monotonic() - start
        bad = answers[tasks.BAD] if len(answers) > tasks.BAD else None
        tell(
            answers=list(map(_described, answers)),
            original=type(bad) is tasks.RAISED.get(fault),
            seconds=seconds,
        )
        tell(usable=_works(pool) or _works(pool))  # some tidy up for a moment after a fault


def _works(pool: Pool) -> bool:
    return list(pool.each(tasks.double, range(4))) == [0, 2, 4, 6]


def _described(answer: object) -> int | str | None:
    """Name an exception by its class; of results, numbers are all that is looked at."""
    if isinstance(answer, BaseException):
        return type(answer).__name__
    return answer if isinstance(answer, int) else None


def warm(pool: Pool) -> None:
    """Let the workers start, so that their start is in no time that is told."""
    list(pool.each(tasks.double, range(2 * WORKERS)))


# ---------------------------------------------------------------------------------- other questions
def initializer(peer: Peer, _: str) -> None:
    """Ask for a result of workers that cannot be made ready: is the reason told?"""
    with peer.open(Wish(initializer=tasks.not_ready)) as pool:
        answer = next(pool.each(tasks.double, range(4)), None)
        if not isinstance(answer, BaseException):
            tell(word="ignored")
        elif isinstance(answer, tasks.NotReady):
            tell(word="original")
        else:
            causes = [type(error) for error in _chain(answer)]
            tell(word="as the cause" if tasks.NotReady in causes else "no reason")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _failing(pool: Pool) -> BaseException:
    """Let one call raise, and return what the caller gets."""
    items: Sequence[int] = [0, 1, 2, tasks.MARKED, 4, 5, 6, 7]
    errors = (a for a in pool.each(tasks.fail_within, items) if isinstance(a, BaseException))
    return next(errors)


def frames(peer: Peer, _: str) -> None:
    """Ask an exception where it comes from."""
    with peer.open(Wish()) as pool:
        error = _failing(pool)
        names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
        kept = isinstance(error.__cause__, KeyError)
        tell(word={2: "yes", 1: "in part", 0: "no"}[("_outer" in names) + kept])


def names(peer: Peer, _: str) -> None:
    """Ask an exception which call it belongs to."""
    with peer.open(Wish()) as pool:
        error = _failing(pool)
        record = record_of(error)
        if record is not None and record.index == tasks.BAD:
            tell(word="its index")
        else:
            text = "".join(traceback.format_exception(error))
            tell(word="its argument" if str(tasks.MARKED) in text else "no")


def bounded(peer: Peer, _: str) -> None:
    """Count the items that are read from the input while the first result is waited for."""
    pulled = 0

    def numbers() -> Iterator[int]:
        nonlocal pulled
        for pulled in range(1, LONG + 1):
            yield pulled - 1

    with peer.open(Wish()) as pool:
        warm(pool)
        next(pool.stream(tasks.slow_first, numbers()))
        tell(word=f"{pulled:,}", left=True)
        os._exit(0)  # nobody waits for the rest


def hold(peer: Peer, fault: str) -> None:
    """Keep both workers at work, until somebody ends this process."""
    port = int(sys.argv[3])
    fn = partial(tasks.hold, port, fault.removeprefix("left-"))
    with peer.open(Wish()) as pool:
        list(pool.each(fn, range(WORKERS)))
        tasks.call_home(port).recv(1)  # all have done their work and are idle


QUESTIONS: dict[str, Callable[[Peer, str], None]] = {
    "initializer": initializer,
    "left-idle": hold,
    "left-sleep": hold,
    "left-c-code": hold,
    "frames": frames,
    "names": names,
    "bounded": bounded,
}
"""Faults that are not one bad call among eight."""


def main() -> None:
    """Run the cell that the command line names."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no files from those who die
    name, fault = sys.argv[1:3]
    try:
        QUESTIONS.get(fault, one_of_eight)(PEERS[name], fault)
    except BaseException as error:
        tell(failed=f"{type(error).__name__}: {error}")
        raise
    tell(left=True)


if __name__ == "__main__":
    main()
