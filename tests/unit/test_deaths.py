"""What a call is told whose worker died, or was stopped."""

import pickle
import signal

import pytest

from taskpar import TaskTimeoutError, WorkerDiedError
from taskpar._engine import deaths
from taskpar._engine.backend import Death

MEBIBYTE = 2**20


def test_all_that_is_known_of_a_death_is_told():
    """In words, and as attributes."""
    known = Death("its worker Worker-1 (pid 7)", 3, 7, -signal.SIGKILL, 12.345, 300 * MEBIBYTE)
    error = deaths.died(5, known)
    assert type(error) is WorkerDiedError
    assert str(error) == (
        "call 5: its worker Worker-1 (pid 7) was killed by SIGKILL (often the out-of-memory "
        "killer), 12.3 s after the call began; when last looked at, it had used up to 300 MiB of "
        "memory"
    )
    assert (error.index, error.pid, error.exitcode, error.signal) == (5, 7, -9, "SIGKILL")
    assert (error.seconds, error.peak_memory) == (12.345, 300 * MEBIBYTE)


def test_what_is_not_known_is_not_told():
    """Why alone will do."""
    error = deaths.died(0, Death("its worker died"))
    assert str(error) == "call 0: its worker died"
    known = (error.pid, error.exitcode, error.signal, error.seconds, error.peak_memory)
    assert known == (None,) * 5


@pytest.mark.parametrize(
    ("code", "name", "words"),
    [
        (0, None, "ended with exit code 0"),
        (7, None, "ended with exit code 7"),
        (-signal.SIGSEGV, "SIGSEGV", "was killed by SIGSEGV (a crash in C code, "),
        (-signal.SIGABRT, "SIGABRT", "was killed by SIGABRT (C code that gave up, "),
        (-signal.SIGTERM, "SIGTERM", "was killed by SIGTERM (somebody asked it to end)"),
        (-signal.SIGINT, "SIGINT", "was killed by SIGINT"),
        (-99, "signal 99", "was killed by signal 99"),
    ],
)
def test_an_exit_code_is_told_in_words(code, name, words):
    """The signal by its name, with what it often means; else the number."""
    error = deaths.died(1, Death("its worker", exitcode=code))
    assert str(error).startswith(f"call 1: its worker {words}")
    assert (error.exitcode, error.signal) == (code, name)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (1, "1 bytes"),
        (1023, "1.02e+03 bytes"),
        (1024, "1 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (2**31, "2 GiB"),
        (2**40, "1 TiB"),
        (2**52, "4.1e+03 TiB"),
    ],
)
def test_memory_is_told_in_the_unit_that_fits(count, words):
    """Three digits are enough."""
    text = str(deaths.died(0, Death("its worker", peak_memory=count)))
    assert text.endswith(f"when last looked at, it had used up to {words} of memory")


def test_a_call_that_took_too_long_is_told_how_long_it_had_been_running():
    """How its worker ended is no news: it was us."""
    known = Death("its worker Worker-1 (pid 7)", 0, 7, -signal.SIGTERM, 2.5, MEBIBYTE)
    error = deaths.late(4, known)
    assert type(error) is TaskTimeoutError
    assert isinstance(error, TimeoutError)
    assert (error.index, error.pid, error.seconds) == (4, 7, 2.5)
    assert str(error) == (
        "call 4 ran longer than its time limit: its worker was stopped, after 2.5 s"
    )
    unknown = str(deaths.late(4, Death("its worker")))
    assert unknown == "call 4 ran longer than its time limit: its worker was stopped"


@pytest.mark.parametrize("make", [deaths.died, deaths.late])
def test_such_an_error_is_whole_when_it_has_travelled(make):
    """As a task may raise what its own executor has raised."""
    error = make(4, Death("its worker", 1, 7, -9, 2.5, 100))
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))
