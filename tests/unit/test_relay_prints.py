"""What tasks print comes to the caller's streams, each line with a tag, and nothing is lost."""

import io
import logging
import subprocess
import sys

import pytest
from relaying import relayed, run_here

from taskpar._engine import relay
from taskpar._engine.capture import capturing

pytestmark = pytest.mark.usefixtures("as_before")


def print_much(number):
    """Print to both streams, as text and as bytes, with and without an end."""
    print("one", number)
    print("err", file=sys.stderr)
    print("two", "three", sep="\n", end="")
    sys.stdout.buffer.write(b"-four\n\xc3\xa9\n")
    sys.stdout.write("open")


def test_prints_come_here_with_a_tag_before_each_line(worker, printed):
    """A line that a call leaves open ends with the call."""
    worker.run(print_much, 0, 1, kind="all")
    out, err = printed()
    lines = ["one {}", "two", "three-four", "é", "open"]
    tags = [f"[index {index}, pid {worker.pid}] " for index in (0, 1)]
    assert out == "".join(
        f"{tag}{line.format(i)}\n" for i, tag in enumerate(tags) for line in lines
    )
    assert err == "".join(f"{tag}err\n" for tag in tags)


def test_prints_are_left_alone_where_only_logs_are_asked_for(printed):
    """They go where they always went."""
    relayed(print_much, 0)
    assert printed()[1] == "err\n"


def test_prints_warnings_and_records_keep_their_order(printed):
    """Among each other, as on a terminal."""
    log, handler = logging.getLogger("tested"), logging.StreamHandler(sys.stdout)
    log.addHandler(handler)

    def run(number):
        print("a", end="")
        log.warning("b")
        print("c")
        log.warning("d")

    relayed(run, 0, kind="all")
    assert printed()[0] == "[index 0, pid 7] ab\nc\nd\n"


def test_a_call_without_an_index_is_tagged_by_its_process_alone(printed):
    """As there is none in a single submission, for one."""
    with capturing("all") as captured:
        captured.call(None)
        print("x")
        items = captured.take()
    relay.replay(items, 7)
    assert printed()[0] == "[pid 7] x\n"


def test_what_this_stream_cannot_write_is_escaped(monkeypatch):
    """Rather than lost with the results."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    relayed(lambda number: print("é", number), 1, kind="all")
    sys.stdout.flush()
    assert raw.getvalue() == b"[index 0, pid 7] \\xe9 1\n"


def test_bytes_that_are_no_text_come_through(monkeypatch):
    """Whatever is written is written here."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "utf-8", "surrogateescape"))
    relayed(lambda number: sys.stdout.buffer.write(b"\xff\xfe\n"), 1, kind="all")
    sys.stdout.flush()
    assert raw.getvalue() == b"[index 0, pid 7] \xff\xfe\n"


def test_a_stream_that_a_task_keeps_works_on_after_its_batch(printed):
    """It then writes where it would have written without a relay."""
    (stream,) = relayed(lambda number: sys.stdout, 0, kind="all")
    print("later", file=stream)
    assert printed() == ("later\n", "")


def test_child_processes_get_the_real_streams(capfd):
    """What they write is not captured, and not lost."""
    with capfd.disabled():
        expected = sys.stdout.fileno()

        def run(number):
            code = "print(end='')"
            subprocess.run([sys.executable, "-c", code], stdout=sys.stdout, check=True)
            return sys.stdout.fileno()

        assert relayed(run, 0, kind="all") == [expected]


def test_a_stream_that_is_closed_or_missing_loses_no_results(monkeypatch):
    """There is nowhere to print, and nothing is raised."""
    closed = io.StringIO()
    closed.close()
    _, items = run_here("all", relay.settings(), print_much, 0)
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        relay.replay(items, 7)
