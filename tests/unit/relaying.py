"""A worker for the tests of the relay, what it is given to do, and who is told."""

import contextlib
import io
import logging
import multiprocessing
import pickle
import warnings

from taskpar._engine import pickling, place, relay
from taskpar._engine.capture import capturing


class Worker:
    """A process that runs batches of calls."""

    def __init__(self, method):
        context = multiprocessing.get_context(method)
        self.ours, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        self.pid = self.process.pid
        theirs.close()

    def run(self, function, *args, kind="log"):
        """Call a function with each argument there, replay it here; return what came back."""
        self.ours.send_bytes(pickling.dumps((kind, relay.settings(), function, args)))
        results, items, printed = self.ours.recv()
        assert printed == ("", ""), "the worker itself has printed"
        relay.replay(items, self.pid)
        return results

    def stop(self):
        """Let it go."""
        self.ours.send_bytes(b"")
        self.process.join()
        self.process.close()
        self.ours.close()


def serve(connection):
    """Run batches until there are no more; what is not captured goes to streams of its own."""
    place.given_filters[:] = warnings.filters  # as a worker does that has its caller's filters
    with connection:
        while data := connection.recv_bytes():
            kind, told, function, args = pickle.loads(data)
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                results, items = run_here(kind, told, function, *args)
            results = [repr(each) if isinstance(each, Exception) else each for each in results]
            connection.send((results, items, (out.getvalue(), err.getvalue())))


def run_here(kind, told, function, *args):
    """Do what a worker does with a batch."""
    results = []
    with capturing(kind, told) as captured:
        for index, arg in enumerate(args):
            captured.call(index)
            try:
                results.append(function(arg))
            except Exception as error:
                results.append(error)
        return results, captured.take()


def relayed(function, *args, kind="log"):
    """Run a batch in this process, and replay it as if it came from process 7."""
    results, items = run_here(kind, relay.settings(), function, *args)
    relay.replay(pickle.loads(pickle.dumps(items)), 7)
    return results


class Collector(logging.Handler):
    """Keeps the records that it gets."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        """Keep a record."""
        self.records.append(record)

    def told(self, *names):
        """What the records say, without what depends on the moment; then they are forgotten."""
        names = names or ("name", "levelname", "message", "funcName", "lineno", "pathname")
        found = []
        for record in self.records:
            record.message = record.getMessage()
            found.append(tuple(getattr(record, name) for name in names))
        self.records.clear()
        return found


def log_much(number):
    """Log at many levels, by several loggers."""
    log = logging.getLogger("tested.much")
    log.debug("debug %d", number)
    log.info("info %s of %s", number, [number])
    logging.getLogger("tested").warning("warn %(n)d", {"n": number})
    logging.getLogger().error("root %s", number)
    return number


def log_at_tested(number):
    """Log one warning."""
    logging.getLogger("tested").warning("warn %d", number)
