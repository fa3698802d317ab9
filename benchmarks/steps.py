"""What one `submit`, and one batch of a `map`, cost step by step, in this process alone.

Each step is done over and over by itself, and the least time counts: what else the machine does
only ever adds. Pipes are written and read by the same thread, so no wake-up is in the figures; it
is what is left between their sum and a round trip as measured by ``make bench``.

    python benchmarks/steps.py
"""

import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from taskpar._engine import events, running, wire
from taskpar._engine.constant import Constants
from taskpar._engine.engine import Engine
from taskpar._engine.futures import HeardFuture
from taskpar._engine.ledger import Ledger
from taskpar._engine.reply import read_reply
from taskpar._engine.submissions import reference_to
from taskpar._engine.treatment import rules_of
from taskpar._model.options import Options
from taskpar.backends.serial import SerialBackend

if TYPE_CHECKING:
    from concurrent.futures import Future

ROUNDS = 30
ITEMS = 25_000  # in a batch that takes a worker about a slice of time


def square(x: int) -> int:
    """Do hardly anything."""
    return x * x


def least(step: Callable[[], object], times: int) -> float:
    """Return the least microseconds that a step took, of so many at a time."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(times):
            step()
        found.append((time.perf_counter() - began) / times)
    return min(found) * 1e6


def there_and_back(message: bytes) -> Callable[[], object]:
    """Return what writes a message to a pipe, and reads it."""
    reader, writer = os.pipe()

    def step() -> None:
        os.write(writer, message)
        os.read(reader, len(message))

    return step


def ledger_steps() -> Callable[[], object]:
    """Return what takes one call through the ledger."""
    ledger, rules = Ledger(2), rules_of(Options(), fail_fast=False)
    call = 0

    def step() -> None:
        nonlocal call
        (send,) = ledger.handle(events.Submitted(1, call, call + 1, rules), 0.0)
        assert isinstance(send, events.Send)
        ledger.handle(events.Done(send.ticket, 1, 0.0, ()), 0.0)
        call += 1

    return step


def of_one_call(engine: Engine) -> Iterator[tuple[str, float]]:
    """Measure the steps of one submit."""
    constants = Constants()
    calls = wire.Calls(abs, "call", [((-1,), {})], 0)
    reference = reference_to(abs, constants)
    payload = wire.pack(calls, reference)
    reply = running.run(payload)

    def settled() -> None:
        future: Future[None] = HeardFuture(engine)
        future.set_result(None)
        future.result()

    yield "a future, its result set and read", least(settled, 300)
    yield "the ledger: submitted, sent, done, settled", least(ledger_steps(), 300)
    yield "pack the call", least(lambda: wire.pack(calls, reference_to(abs, constants)), 300)
    yield "write and read it (a pipe, one thread)", least(there_and_back(payload), 300)
    yield "unpack it, run it, pack the result", least(lambda: running.run(payload), 300)
    yield "write and read that", least(there_and_back(reply), 300)
    yield "unpack the result", least(lambda: read_reply(reply).outcomes(0), 300)


def of_a_batch() -> Iterator[tuple[str, float]]:
    """Measure the steps of one batch, for each of its calls."""
    calls = wire.Calls(square, "one", range(ITEMS), 0, wire.Manner(whole=True))
    reference = reference_to(square, Constants())
    payload = wire.pack(calls, reference)
    reply = running.run(payload)

    def outcomes() -> list[object]:
        return read_reply(reply).outcomes(0)

    floor = least(lambda: [square(x) for x in range(ITEMS)], 1)
    yield "the calls alone, as a comprehension", floor / ITEMS
    yield "pack the batch", least(lambda: wire.pack(calls, reference), 100) / ITEMS
    ran = least(lambda: running.run(payload), 1) - floor
    yield "besides the calls: note each, look at the time, pack results", ran / ITEMS
    yield "unpack the results", least(outcomes, 10) / ITEMS


def main() -> None:
    """Print both tables."""
    print("| one `submit` | µs |\n|---|---|")
    for name, microseconds in of_one_call(Engine(SerialBackend(None, ()))):
        print(f"| {name} | {microseconds:.2f} |")
    print(f"\n| a batch of {ITEMS:,}, each call | µs |\n|---|---|")
    for name, microseconds in of_a_batch():
        print(f"| {name} | {microseconds:.4f} |")


if __name__ == "__main__":
    main()
