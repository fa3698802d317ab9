"""The two ways between a parent and a worker: whole messages, whatever the pipes do with them.

Both ends are in this process here. A pipe whose other end is closed plays the sentinel of a worker
that has died.
"""

import os
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from multiprocessing import Pipe

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig.waiting import eventually
from taskpar._system.channel import ParentEnd, wait

WITHIN = 20.0  # seconds: a bound, not a measure
BIG = 50 * 1024 * 1024


class Sentinel:
    """Becomes readable when the worker dies, as that of a process does."""

    def __init__(self):
        self.reader, self._writer = Pipe(duplex=False)

    def fileno(self):
        """The descriptor to wait for."""
        return self.reader.fileno()

    def die(self):
        """End the worker."""
        self._writer.close()

    def close(self):
        """Clean up."""
        self.reader.close()
        self._writer.close()


class Line:
    """A channel with both its ends, and a worker that lives until it is said to die."""

    def __init__(self):
        self.parent = ParentEnd()
        self.worker = self.parent.worker_end
        self.sentinel = Sentinel()

    def send(self, message):
        """Let the parent write."""
        self.parent.write(message, self.sentinel.fileno())

    def close(self):
        """Close what is still open."""
        self.parent.close()
        self.worker.close()
        self.sentinel.close()

    def received(self, count):
        """What the parent gets, waiting for so many messages."""
        messages = []
        while len(messages) < count:
            assert wait([self.parent.reader], WITHIN), "nothing comes"
            messages += self.parent.messages()
        return [bytes(message) for message in messages]


@pytest.fixture(params=["frames", "fallback"])
def line(request, monkeypatch):
    """A channel: with frames of our own where that is possible, and as it is where it is not."""
    if request.param == "fallback":
        monkeypatch.setenv("TASKPAR_NO_NONBLOCK", "1")
    elif os.name != "posix":
        pytest.skip("no such pipes here")
    line = Line()
    yield line
    line.close()


@pytest.fixture
def aside():
    """Runs what has to wait while the test goes on."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit


MESSAGES = [b"", b"x", b"stop", bytes(4095), bytes(4096), bytes(4097), bytes(range(256)) * 100]


def test_messages_arrive_whole_and_in_order(line):
    """Also empty ones: the stop word is one."""
    for message in MESSAGES:
        line.send(message)
        assert line.worker.read() == message
        line.worker.write(message)
        assert line.received(1) == [message]


def test_messages_that_have_piled_up_are_not_mixed_up(line):
    """A slow reader finds them one after the other."""
    for message in MESSAGES[:4]:
        line.send(message)
        line.worker.write(message)
    assert [line.worker.read() for _ in range(4)] == MESSAGES[:4]
    assert line.received(4) == MESSAGES[:4]


def test_asking_for_messages_never_waits(line):
    """Nothing there is an empty list."""
    assert line.parent.messages() == []
    line.worker.write(b"x")
    assert line.received(1) == [b"x"]
    assert line.parent.messages() == []


def test_one_message_after_the_other_is_answered(line, aside):
    """Whether the worker looks for the next one or sleeps; also what comes in pieces."""
    messages = [bytes([number]) * size for number in range(50) for size in (1, 100, 70_000)]

    def echo():
        for _ in messages:
            line.worker.write(bytes(line.worker.read()))

    answering = aside(echo)
    for message in messages:
        line.send(message)
        assert line.received(1) == [message]
    answering.result(WITHIN)


def test_a_look_of_the_worker_never_waits():
    """There may be nothing for ever."""
    line = Line()
    try:
        assert not line.worker._look()
        line.send(b"here")
        assert line.worker._look()
        assert line.worker.read() == b"here"
    finally:
        line.close()


def test_big_messages_go_both_ways(line, aside):
    """Far more than a pipe holds."""
    big = os.urandom(1 << 20) * (BIG >> 20)
    sent = aside(line.send, big)
    assert line.worker.read() == big
    sent.result(WITHIN)
    sent = aside(line.worker.write, big)
    assert line.received(1) == [big]
    sent.result(WITHIN)


def test_a_worker_hears_when_its_parent_has_gone(line):
    """What was sent before is read first."""
    line.send(b"last words")
    line.parent.close()
    assert line.worker.read() == b"last words"
    with pytest.raises(EOFError):
        line.worker.read()
    with pytest.raises(OSError):  # noqa: PT011  # which one is the system's business
        line.worker.write(bytes(BIG))


def test_a_parent_hears_when_the_worker_has_closed_its_end(line):
    """What was sent before is read first."""
    line.worker.write(b"one")
    line.worker.write(b"two")
    line.worker.close()
    assert line.received(2) == [b"one", b"two"]
    with pytest.raises((EOFError, OSError)):
        line.parent.messages()


def test_writing_to_a_worker_whose_end_is_closed_is_an_error(line):
    """It does not wait, nor end the program by a signal."""
    line.worker.close()
    line.sentinel.die()
    with pytest.raises(OSError):  # noqa: PT011  # as above
        line.send(b"x")


def test_a_worker_that_dies_while_it_is_written_to_is_an_error(line, aside):
    """The pipe is full, and nobody will ever empty it."""
    sent = aside(line.send, bytes(BIG))
    assert wait([line.worker._reader], WITHIN), "the parent has begun"
    assert not sent.done()
    line.worker.close()
    line.sentinel.die()
    assert isinstance(sent.exception(WITHIN), OSError)


# ------------------------------------------------------------------------------ frames of our own
posix = pytest.mark.skipif(os.name != "posix", reason="no such pipes here")


@posix
def test_a_death_is_seen_although_somebody_else_holds_the_pipe(monkeypatch, aside):
    """Under fork, siblings have inherited the dead worker's end: only the sentinel tells."""
    monkeypatch.delenv("TASKPAR_NO_NONBLOCK", raising=False)
    line = Line()
    try:
        sent = aside(line.send, bytes(BIG))
        assert wait([line.worker._reader], WITHIN)
        line.sentinel.die()
        assert isinstance(sent.exception(WITHIN), BrokenPipeError)
    finally:
        line.close()


def framed(messages):
    """Messages as they are on the pipe."""
    return b"".join(struct.pack("!Q", len(message)) + message for message in messages)


messages_of_all_sizes = st.lists(
    st.binary(max_size=20) | st.integers(0, 9000).map(bytes), min_size=1, max_size=5
)


@posix
@given(messages=messages_of_all_sizes, cuts=st.lists(st.floats(0, 1), max_size=8))
def test_frames_may_be_cut_anywhere(messages, cuts):
    """However the bytes trickle in, a message is there when its last byte is, and not before."""
    data = framed(messages)
    borders = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    line = Line()
    try:
        got = []
        for start, stop in pairwise(borders):
            os.write(line.worker._writer.fileno(), data[start:stop])
            got += map(bytes, line.parent.messages())
            assert framed(got) == data[: len(framed(got))]
            whole = [n for n in range(len(messages) + 1) if len(framed(messages[:n])) <= stop]
            assert len(got) == max(whole)
        assert got == messages
        for start, stop in pairwise(borders):
            os.write(line.parent._writer.fileno(), data[start:stop])
        assert [line.worker.read() for _ in messages] == messages
    finally:
        line.close()


@posix
@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 11])
def test_a_message_that_was_cut_off_by_a_death_is_no_message(cut):
    """Those before it count, and then there is an end."""
    line = Line()
    try:
        os.write(line.worker._writer.fileno(), framed([b"whole"]) + framed([b"cut off"])[:cut])
        line.worker.close()
        assert line.received(1) == [b"whole"]
        with pytest.raises(EOFError):
            line.parent.messages()
    finally:
        line.close()


@posix
def test_a_slow_reader_makes_the_writer_wait_not_spin(aside):
    """While the pipe is full, the writer sleeps until there is room."""
    line = Line()
    try:
        used = []

        def send():
            before = time.thread_time()
            line.send(bytes(BIG // 10))
            used.append(time.thread_time() - before)

        sent = aside(send)
        assert wait([line.worker._reader], WITHIN)
        assert not eventually(sent.done, within=0.5)
        assert line.worker.read() == bytes(BIG // 10)
        sent.result(WITHIN)
        assert used[0] < 0.3
    finally:
        line.close()


def test_many_lines_are_independent(line):
    """Two threads, two channels: nobody gets another's messages."""
    other = Line()
    try:
        threads = [
            threading.Thread(target=each.send, args=(text,))
            for each, text in ((line, b"a" * 10_000), (other, b"b" * 10_000))
        ]
        for thread in threads:
            thread.start()
        assert line.worker.read() == b"a" * 10_000
        assert other.worker.read() == b"b" * 10_000
        for thread in threads:
            thread.join()
    finally:
        other.close()
