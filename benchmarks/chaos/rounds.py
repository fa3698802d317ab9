"""One round: a map with random calls, workers killed at random, and what came of each call."""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import taskpar
from chaos.tasks import GUILTY, KINDS, LATE, LIMIT, Call, LethalArgument, starts, work
from taskpar import Executor

HANG_SECONDS = 90.0
WINDOW = 0.5
"""Seconds before its worker's end in which a call may have finished and yet be run again: the
slice of 10 ms of the documentation, and what a loaded machine makes of that."""

BIG_WINDOW = 5.0
"""The same where some of the results are big: handing them over takes as long as writing them."""


class Killer:
    """Kills workers of an executor at random moments, in a thread of its own.

    Args:
        executor: Whose.
        chance: Seconds between two kills, on the average.
        random: Where chance comes from.
    """

    def __init__(self, executor: Executor, chance: float, rng: random.Random) -> None:
        self.killed: dict[int, float] = {}
        self._executor = executor
        self._chance = chance
        self._random = rng
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="chaos-killer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(self._random.expovariate(1 / self._chance)):
            pids = [worker.pid for worker in self._executor.workers() if worker.alive]
            if pids and (pid := self._random.choice(pids)):
                self.killed[pid] = time.monotonic()
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def calls(log: str, count: int, rng: random.Random, *, limited: bool) -> list[Any]:
    """Draw arguments."""
    kinds = [kind for kind in KINDS if limited or kind not in LATE]
    drawn = rng.choices(kinds, [KINDS[kind] for kind in kinds], k=count)
    made: list[Any] = []
    for number, kind in enumerate(drawn):
        size = rng.randrange(1_000_000, 30_000_000) if kind == "big" else rng.randrange(200)
        call = Call(log, number, kind, size)
        made.append(LethalArgument(call) if kind == "lethal argument" else call)
    return made


def kind_of(argument: Call | LethalArgument) -> str:
    """Tell what a call does."""
    return "lethal argument" if isinstance(argument, LethalArgument) else argument.kind


class Round:
    """A map and its account.

    Args:
        executor: What runs it; used again afterwards.
        log: Where the starts are written down.
        rng: Where chance comes from.
        patience: Seconds in which a worker starts: more often than that, no kill makes sense.
    """

    def __init__(self, executor: Executor, log: Path, rng: random.Random, patience: float) -> None:
        self._patience = patience
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self._executor = executor
        self._log = str(log)
        self._random = rng

    def run(self) -> None:
        """Run it; what is wrong is found in `complaints`."""
        rng = self._random
        limited = rng.random() < 0.4
        arguments = calls(self._log, rng.randrange(20, 150), rng, limited=limited)
        view = self._executor.options(
            time_limit=LIMIT if limited else None, chunksize=rng.choice([None, None, None, 1, 4])
        )
        watch = threading.Timer(HANG_SECONDS, _hang, (self._log,))
        watch.daemon = True
        watch.start()
        killing = Killer(self._executor, self._patience * rng.choice([3, 10, 30]), rng)
        try:
            with killing:
                outcomes = self._read(view, arguments)
        finally:
            watch.cancel()
        self._account(arguments, outcomes, killing.killed, limited=limited)

    def _read(self, view: Executor, arguments: list[Any]) -> list[Any]:
        stream = iter(arguments) if self._random.random() < 0.3 else arguments
        results = view.options(on_error="return").map(work, stream)
        if self._random.random() < 0.1:  # a reader who goes away
            some = [next(results) for _ in range(len(arguments) // 3)]
            results.close()
            return some
        return list(results)

    def _account(
        self, arguments: list[Any], outcomes: list[Any], killed: dict[int, float], *, limited: bool
    ) -> None:
        began: dict[int, list[Any]] = {}
        for start in starts(self._log):
            began.setdefault(start.number, []).append(start)
        self.counts["calls"] += len(outcomes)
        self.counts["kills"] += len(killed)
        blamed = set()
        for number, outcome in enumerate(outcomes):
            kind = kind_of(arguments[number])
            what = self._judge(number, kind, arguments[number], outcome)
            if what is not None:
                self.counts[what] += 1
            if isinstance(outcome, taskpar.WorkerDiedError) and outcome.pid is not None:
                blamed.add(outcome.pid)
                if kind not in GUILTY and outcome.pid not in killed:
                    self._complain("lost", f"call {number} ({kind}) is blamed: {outcome}")
        if len(outcomes) not in (len(arguments), len(arguments) // 3):  # a third: who went away
            self._complain("lost", f"{len(arguments) - len(outcomes)} results did not come")
        self._look_for_duplicates(began, arguments, killed, limited=limited)

    def _judge(self, number: int, kind: str, argument: object, outcome: object) -> str | None:
        """Tell what became of a call; complain if that may not be."""
        if isinstance(outcome, taskpar.WorkerDiedError):
            if outcome.index != number:
                self._complain("lost", f"call {number} has the error of call {outcome.index}")
            return "worker deaths"
        if isinstance(outcome, taskpar.TaskTimeoutError):
            if kind not in LATE:  # a loaded machine may be as slow as that
                self.counts["slow"] += 1
            return "time-outs"
        if kind == "error" and isinstance(outcome, ValueError) and outcome.args == (number,):
            return "errors"
        if (
            kind in GUILTY
            or kind in LATE
            or kind == "error"
            or outcome != (number, b"x" * getattr(argument, "size", 0))
        ):
            self._complain("lost", f"call {number} ({kind}) came to {outcome!r:.200}")
        return "values"

    def _look_for_duplicates(
        self,
        began: dict[int, list[Any]],
        arguments: list[Any],
        killed: dict[int, float],
        *,
        limited: bool,
    ) -> None:
        """A call may begin again only if its worker died before it could hand over the result."""
        deadly = {
            start.pid: start.when
            for number, all_of_it in began.items()
            if kind_of(arguments[number]) in GUILTY
            for start in all_of_it
        }
        big = any(kind_of(argument) == "big" for argument in arguments)
        window = BIG_WINDOW if big else WINDOW
        for number, all_of_it in began.items():
            if len(all_of_it) < 2:
                continue
            self.counts["second starts"] += len(all_of_it) - 1
            for start in sorted(all_of_it, key=lambda each: each.when)[:-1]:
                end = killed.get(start.pid) or deadly.get(start.pid)
                if end is None and not limited:
                    self._complain("duplicated", f"call {number} began again: {all_of_it}")
                elif end is not None and end - start.when > window:
                    self._complain("duplicated", f"call {number} began again late: {all_of_it}")

    def _complain(self, what: str, text: str) -> None:
        self.counts[what] += 1
        self.complaints.append(text)


def _hang(log: str) -> None:
    """Tell where everybody is, and end the program: nothing can be trusted any more."""
    import faulthandler

    print(f"HANG: no end after {HANG_SECONDS} s of {log}", flush=True)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(2)
