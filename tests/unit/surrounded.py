"""Workers that have surroundings, and answer what they are asked."""

import multiprocessing
import os
from contextlib import contextmanager

import pytest

from taskpar.backends.child import become_worker
from taskpar.backends.surroundings import Surroundings

WITHIN = 30.0  # seconds: a bound, not a measure
NUMERIC = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
]

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def answer(pipe, surroundings):
    """As a worker: call what comes, and send what it returns."""
    become_worker(surroundings)
    while (asked := pipe.recv()) is not None:
        function, *args = asked
        pipe.send(function(*args))


@contextmanager
def worker(start, surroundings):
    """A worker with such surroundings, and a function that asks it."""
    context = multiprocessing.get_context(start)
    ours, theirs = context.Pipe()
    process = context.Process(target=answer, args=(theirs, surroundings))
    process.start()
    theirs.close()

    def ask(*call):
        ours.send(call)
        assert ours.poll(WITHIN)
        return ours.recv()

    try:
        yield ask, process
    finally:
        if process.is_alive():
            ours.send(None)
        ours.close()
        process.join(WITHIN)
        process.close()


def seen_by(start, function, *args, slots=2):
    """What a function returns in one of so many workers, started here and now."""
    with worker(start, Surroundings.here(slots)) as (ask, _):
        return ask(function, *args)
