"""In a worker that sees nothing of our memory: what is bound to a function comes once, by itself.

`run_afar` is what any engine's worker calls; here it is called in this process.
"""

import sys
import threading
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from taskpar._engine import afar, constant, place, relay, wire
from taskpar._engine.afar import MISSING, run_afar
from taskpar._engine.constant import Constants, apart
from taskpar._engine.reply import read_reply

BIG = 10 * constant.SMALL


@pytest.fixture(autouse=True)
def fresh_worker(monkeypatch):
    """A worker that has met nothing yet."""
    monkeypatch.setattr(afar, "_kept", type(afar._kept)())
    monkeypatch.setattr(constant, "_kept", type(constant._kept)())
    yield
    afar._kept.clear()
    constant._kept.clear()


class Batch:
    """A batch of calls of a function, as it goes to a distant worker."""

    def __init__(self, function, items, relay=None):
        self.reference = Constants().reference(function)
        self.apart = apart(self.reference)
        calls = wire.Calls(function, "one", items, 0, wire.Manner(whole=True, relay=relay))
        self.payload = wire.pack(calls, self.reference, distant=True)
        self.key = self.apart and self.apart.key
        self.data = self.apart and bytes(self.apart.segment.memory)

    def run(self, *, whole=False):
        """Have it run; whole: with what is bound to its function."""
        reply = run_afar(self.payload, self.key, self.data if whole else None)
        return MISSING if reply == MISSING else read_reply(reply).outcomes(0)


def put_and_sum(numbers, number):
    """Write to what is bound, and look at all of it."""
    numbers[0] += number
    return sum(numbers)


def test_a_small_function_is_in_the_batch():
    """There is nothing to miss."""
    batch = Batch(partial(pow, 2), range(4))
    assert batch.apart is None
    assert batch.run() == [1, 2, 4, 8]


def test_a_worker_misses_what_it_has_not_got_and_then_keeps_it():
    """It runs nothing before it has it, and needs it once."""
    batch = Batch(partial(len_and, bytes(BIG)), [1, 2])
    assert len(batch.payload) < 1000 < BIG <= len(batch.data)
    assert batch.run() == MISSING
    assert batch.run(whole=True) == [BIG + 1, BIG + 2]
    assert batch.run() == [BIG + 1, BIG + 2]


def len_and(data, number):
    """Add a number to a length."""
    return len(data) + number


def test_what_a_call_writes_to_it_no_other_call_sees():
    """Neither in the same batch nor in the next (laws L6 and L8)."""
    batch = Batch(partial(put_and_sum, array("q", bytes(BIG))), [1, 2])
    assert batch.run(whole=True) == [1, 2]
    assert batch.run() == [1, 2]


def test_two_constants_are_never_taken_for_each_other():
    """However equal they look, and whichever process made them."""
    one, other = (Batch(partial(len_and, bytes(BIG + n)), [0]) for n in (1, 2))
    assert one.key != other.key
    assert len(one.key[0]) == 8  # drawn once for a program: process numbers are a machine's own
    assert one.run(whole=True) == [BIG + 1]
    assert other.run() == MISSING
    assert other.run(whole=True) == [BIG + 2]


def test_a_worker_keeps_so_much_and_no_more(monkeypatch):
    """What it met last, and the newest whatever its size."""
    monkeypatch.setattr(afar, "KEPT_BYTES", 3 * BIG)
    batches = [Batch(partial(len_and, bytes(BIG)), [number]) for number in range(4)]
    for batch in batches:
        batch.run(whole=True)
    assert batches[0].run() == MISSING
    assert batches[3].run() == [BIG + 3]
    huge = Batch(partial(len_and, bytes(9 * BIG)), [0])
    huge.run(whole=True)
    assert huge.run() == [9 * BIG]
    assert len(afar._kept) == 1


def test_several_threads_of_a_worker_may_run_batches_at_once():
    """Each constant is laid down once, and each call gets its own."""
    batches = [Batch(partial(put_and_sum, array("q", bytes(BIG))), [n]) for n in range(4)]
    found = {}

    def work(number):
        for _ in range(10):
            found[number] = batches[number].run(whole=True)
            assert found[number] == [number]

    threads = [threading.Thread(target=work, args=(number % 4,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [number] for number in range(4)}


def where_parallel_functions_run(_):
    """Tell whether this place is a worker."""
    return place.inside_worker()


def test_who_calls_a_parallel_function_there_is_a_worker():
    """So it runs serially, and not once more on all processors."""
    assert Batch(where_parallel_functions_run, [0]).run() == [True]
    assert not where_parallel_functions_run(0)


def say(word, number):
    """Print, and stay for a moment."""
    print(word)
    time.sleep(0.001)
    return number


def test_what_several_threads_print_at_once_goes_with_the_calls_that_printed_it(capsys):
    """Where it is captured; and everything is back afterwards."""
    told = ("all", relay.settings())
    batches = [Batch(partial(say, word), [1], told) for word in ("one", "two")]

    def work(batch, word):
        for _ in range(30):
            run(batch, word)

    def run(batch, word):
        reply = read_reply(run_afar(batch.payload))
        assert reply.outcomes(0) == [1]
        _, _, captured = reply._loaded()
        assert [data for _, _, data in captured] == [f"{word}\n".encode()]

    before = sys.stdout
    with ThreadPoolExecutor(2) as threads:
        pairs = zip(batches, ("one", "two"), strict=True)
        for done in [threads.submit(work, *each) for each in pairs]:
            done.result()
    assert sys.stdout is before
    assert capsys.readouterr().out == ""
