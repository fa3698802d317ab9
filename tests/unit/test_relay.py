"""What tasks log, warn of and print: captured in the worker, told in the caller, once."""

import contextlib
import io
import logging
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import warnings

import pytest

from taskpar._engine import capture, pickling, relay
from taskpar._engine.capture import capturing

METHODS = [
    m for m in ("fork", "forkserver", "spawn") if m in multiprocessing.get_all_start_methods()
]


# ----------------------------------------------------------------------------------------- the rig
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


@pytest.fixture(scope="module", params=METHODS)
def worker(request, shared):
    """A worker of each start method, for all tests."""
    worker = Worker(request.param)
    yield worker
    worker.stop()


@pytest.fixture(scope="module")
def another(shared):
    """A second worker."""
    worker = Worker("spawn")
    yield worker
    worker.stop()


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


class Printing(logging.Handler):
    """Prints what it gets, at the moment."""

    def emit(self, record):
        """Print a record."""
        print(record.getMessage())


@pytest.fixture(autouse=True)
def as_before():
    """Logging and warnings of this process are as before, and so is what relay knows of them."""
    root = logging.getLogger()
    level, showing = root.level, warnings.showwarning
    handlers, logger_class = list(root.handlers), logging.getLoggerClass()
    with warnings.catch_warnings():
        yield
    assert warnings.showwarning is showing
    logging.disable(logging.NOTSET)
    logging.setLoggerClass(logger_class)
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("tested")]:
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.disabled, logger.propagate = False, True
        logger.handlers.clear()
        logger.filters.clear()


@pytest.fixture
def collector():
    """A handler at the root."""
    handler = Collector()
    logging.getLogger().addHandler(handler)
    return handler


@pytest.fixture
def printed(capsys):
    """What is printed, as a function that returns and forgets it."""
    return lambda: tuple(capsys.readouterr())


# ----------------------------------------------------------------------------------------- records
def log_much(number):
    """Log at many levels, by several loggers."""
    log = logging.getLogger("tested.much")
    log.debug("debug %d", number)
    log.info("info %s of %s", number, [number])
    logging.getLogger("tested").warning("warn %(n)d", {"n": number})
    logging.getLogger().error("root %s", number)
    return number


def test_records_are_handled_here_once_and_in_order_as_those_of_a_plain_call(worker, collector):
    """At the levels that are set here."""
    logging.getLogger("tested").setLevel(logging.INFO)
    for number in range(3):
        log_much(number)
    expected = collector.told()
    assert len(expected) == 9
    assert worker.run(log_much, 0, 1, 2) == [0, 1, 2]
    assert collector.told() == expected


@pytest.mark.skipif("fork" not in METHODS, reason="needs fork")
def test_handlers_and_levels_that_a_worker_has_inherited_do_not_count(collector):
    """It is told what counts now; and what it inherited writes nothing, as the rig checks."""
    log = logging.getLogger("tested.much")
    log.setLevel(logging.DEBUG)
    log.addHandler(Printing())
    log.propagate = False
    worker = Worker("fork")
    log.setLevel(logging.NOTSET)
    log.handlers.clear()
    log.propagate = True
    worker.run(log_much, 0)
    worker.stop()
    assert collector.told("message") == [("warn 0",), ("root 0",)]


def test_a_record_is_tagged_and_says_which_process_it_comes_from(worker, collector):
    """``process`` and ``processName`` are the worker's."""
    worker.run(log_much, 5, 6)
    tags = collector.told("taskpar_index", "taskpar_pid", "process", "processName")
    name = worker.process.name
    assert tags == [(index, worker.pid, worker.pid, name) for index in (0, 0, 1, 1)]


def test_a_level_that_changes_counts_from_the_next_batch_on(worker, collector):
    """Set, reset, disabled, and disabled for all."""

    def messages():
        worker.run(log_much, 0)
        return [message.split()[0] for (message,) in collector.told("message")]

    log = logging.getLogger("tested.much")
    log.setLevel(logging.DEBUG)
    assert messages() == ["debug", "info", "warn", "root"]
    log.setLevel(logging.NOTSET)
    assert messages() == ["warn", "root"]
    logging.getLogger().setLevel(logging.DEBUG)
    assert messages() == ["debug", "info", "warn", "root"]
    log.disabled = True
    assert messages() == ["warn", "root"]
    log.disabled = False
    logging.disable(logging.WARNING)
    assert messages() == ["root"]
    logging.disable(logging.NOTSET)
    assert messages() == ["debug", "info", "warn", "root"]


def test_settings_are_the_same_bytes_until_something_changes():
    """So a worker takes them over once."""
    before = relay.settings()
    assert relay.settings() is before
    logging.getLogger("tested.new").setLevel(logging.DEBUG)
    assert relay.settings() != before


def test_what_a_worker_alone_has_set_stays_set(worker, collector):
    """A library that is imported there only sets the level of its own logger."""
    worker.run(set_debug, "tested.there")
    logging.getLogger("tested.other").setLevel(logging.INFO)  # new settings for the worker
    worker.run(log_debug, "tested.there")
    assert collector.told("name", "message") == [("tested.there", "small")]


def set_debug(name):
    """Set a level."""
    logging.getLogger(name).setLevel(logging.DEBUG)


def log_debug(name):
    """Log something small."""
    logging.getLogger(name).debug("small")


def test_a_logger_of_its_own_class_is_not_made_in_its_place(collector):
    """Whoever makes it with the right class still can; then it has its level."""

    class Special(logging.Logger):
        """Can do more than others."""

        def special(self):
            self.debug("special")

    logging.setLoggerClass(Special)
    logging.getLogger("tested.special").setLevel(logging.DEBUG)
    logging.setLoggerClass(logging.Logger)
    told = relay.settings()
    del logging.root.manager.loggerDict["tested.special"]  # as in a worker that knows nothing of it

    def log(number):
        logging.setLoggerClass(Special)
        try:
            logging.getLogger("tested.special").special()
        finally:
            logging.setLoggerClass(logging.Logger)

    assert run_here("log", told, log, 0)[0] == [None]
    results, items = run_here("log", told, log, 0)
    assert (results, len(items)) == ([None], 1)


@pytest.mark.parametrize("name", ["tested.alone", "tested.alone.below"])
def test_loggers_that_do_not_propagate_are_relayed_to_their_own_handlers(name):
    """And to no others, as in a plain call."""
    alone, handler, root = logging.getLogger("tested.alone"), Collector(), Collector()
    alone.propagate = False
    alone.addHandler(handler)
    logging.getLogger().addHandler(root)
    relayed(lambda number: logging.getLogger(name).error("at %d", number), 1, 2)
    assert handler.told("message") == [("at 1",), ("at 2",)]
    assert root.records == []


def test_filters_run_here_alone(worker, collector):
    """A filter sees each record once, whatever it does to it."""
    seen = []

    def look(record):
        seen.append((record.getMessage(), os.getpid()))
        return "1" in record.getMessage()

    logging.getLogger("tested").addFilter(look)
    worker.run(log_at_tested, 0, 1)
    assert seen == [("warn 0", os.getpid()), ("warn 1", os.getpid())]
    assert collector.told("message") == [("warn 1",)]


def log_at_tested(number):
    """Log one warning."""
    logging.getLogger("tested").warning("warn %d", number)


def test_a_handler_that_a_call_attaches_is_served_in_the_worker_too(worker, collector, tmp_path):
    """Each call has a file of its own; its records come here as well."""
    worker.run(log_to_file, tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").read_text() == "to a\n"
    assert (tmp_path / "b").read_text() == "to b\n"
    assert collector.told("message") == [("to a",), ("to b",)]


def log_to_file(path):
    """Log to a file."""
    log, handler = logging.getLogger("tested.file"), logging.FileHandler(path)
    log.addHandler(handler)
    try:
        log.warning("to %s", path.name)
    finally:
        log.removeHandler(handler)
        handler.close()


def test_a_module_that_configures_logging_when_imported_does_not_double_records(
    worker, collector, tmp_path, printed
):
    """In the caller it is imported, too; the rig checks that the worker prints nothing."""
    (tmp_path / "configures.py").write_text(
        "import logging, sys\n"
        "handler = logging.StreamHandler(sys.stderr)\n"
        "logging.getLogger('tested.imported').addHandler(handler)\n"
        "logging.basicConfig()\n"
    )
    worker.run(import_and_log, tmp_path)
    assert collector.told("message") == [("imported",)]
    assert printed() == ("", "")


def import_and_log(folder):
    """Import a module that configures logging."""
    sys.path.insert(0, str(folder))
    try:
        import configures  # noqa: F401
    finally:
        sys.path.remove(str(folder))
    logging.getLogger("tested.imported").warning("imported")


def test_basic_config_in_a_task_does_nothing_as_where_logging_is_configured(worker, collector):
    """The rig checks that the worker prints nothing."""
    worker.run(configure_and_log, 1, 2)
    assert collector.told("message") == [("configured 1",), ("configured 2",)]


def configure_and_log(number):
    """Do what many functions do that are meant for workers."""
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("tested").error("configured %d", number)


def test_an_exception_that_is_logged_keeps_class_text_and_traceback(worker, collector):
    """Handlers get ``exc_info``, as from a plain call."""
    worker.run(log_exception, "key")
    (record,) = collector.records
    cls, error, trace = record.exc_info
    assert (cls, error.args, error.__traceback__) == (KeyError, ("key",), trace)
    assert "in log_exception" in logging.Formatter().format(record)
    assert isinstance(error.__cause__, ZeroDivisionError)


def log_exception(key):
    """Log an exception with a cause."""
    try:
        raise KeyError(key) from ZeroDivisionError()
    except KeyError:
        logging.getLogger("tested").exception("it failed")


class Awkward:
    """Can neither be pickled nor shown."""

    def __reduce__(self):
        raise SystemExit

    def __repr__(self):
        raise RuntimeError

    __str__ = __repr__


class Shy(Awkward):
    """Cannot be pickled."""

    def __repr__(self):
        return "shy"

    __str__ = __repr__


class Bomb:
    """Cannot be unpickled."""

    def __reduce__(self):
        return int, ("x",)


def test_what_belongs_to_a_record_crosses_as_far_as_it_can(collector):
    """What cannot is told as a text; nothing raises."""

    def log(number):
        extra = {"many": [number], "shy": Shy(), "awkward": Awkward(), "bomb": Bomb()}
        logging.getLogger("tested").warning("%s of %s", Shy(), lambda: 0, extra=extra)

    assert relayed(log, 3) == [None]
    (record,) = collector.records
    assert (record.many, record.shy, record.awkward) == ([3], "shy", "<Awkward>")
    assert record.bomb == "<cannot be unpickled: ValueError>"
    assert record.getMessage().startswith("shy of <function")


def test_plain_arguments_stay_beside_the_message(collector):
    """Handlers that group records by their template see what a plain call shows them."""
    relayed(lambda number: logging.getLogger("tested").warning("%s-%d", "a", number), 3)
    assert collector.told("msg", "args", "message") == [("%s-%d", ("a", 3), "a-3")]


@pytest.mark.parametrize("args", [("x",), (Shy(),), (Awkward(),), (1, 2)])
def test_a_message_that_cannot_be_written_is_reported_here_and_raises_nowhere(args, printed):
    """As logging itself does it."""
    logging.getLogger("tested").addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("tested").propagate = False  # pytest's handlers raise
    assert relayed(lambda number: logging.getLogger("tested").warning("%d", *args), 0) == [None]
    out, err = printed()
    assert out == ""
    assert err.count("--- Logging error ---") == 1


def test_names_of_levels_and_factories_of_records_count_here(collector):
    """The worker need not know of them."""
    _, items = run_here("log", relay.settings(), log_at_45, 0)
    before = logging.getLogRecordFactory()

    def make(*args, **kwargs):
        record = before(*args, **kwargs)
        record.made = "here"
        return record

    logging.setLogRecordFactory(make)
    logging.addLevelName(45, "LOUD")
    try:
        relay.replay(items, 7)
    finally:
        logging.setLogRecordFactory(before)
        logging.addLevelName(45, "Level 45")
    assert collector.told("levelname", "made") == [("LOUD", "here")]


def log_at_45(number):
    """Log at a level without a name."""
    logging.getLogger("tested").log(45, "loud")


def test_a_record_that_is_relayed_twice_keeps_its_first_tags(collector):
    """A worker may have workers of its own: the tags say where the record comes from."""
    _, items = run_here("log", relay.settings(), log_at_45, 0)

    def outer(number):
        relay.replay(items, 11)

    relayed(outer, 0, 1)
    assert collector.told("taskpar_index", "taskpar_pid") == [(0, 11), (0, 11)]


def test_threads_that_a_task_starts_are_relayed(worker, collector, printed):
    """As long as its call's batch lasts."""
    worker.run(log_in_thread, 1, kind="all")
    assert collector.told("message", "threadName") == [("in thread 1", "own")]
    assert printed() == (f"[index 0, pid {worker.pid}] thread 1\n", "")


def log_in_thread(number):
    """Log and print in a thread."""

    def run():
        logging.getLogger("tested").warning("in thread %d", number)
        print("thread", number)

    thread = threading.Thread(target=run, name="own")
    thread.start()
    thread.join()


# ----------------------------------------------------------------------------------------- warnings
class Special(UserWarning):
    """A warning with an attribute."""

    def __init__(self, text, number):
        super().__init__(text)
        self.number = number


def warn(number):
    """Warn, always in the same words."""
    warnings.warn("mind this", UserWarning, stacklevel=1)
    return number


def warn_each(number):
    """Warn in words of the call's own."""
    warnings.warn(Special(f"mind {number}", number), stacklevel=1)


def shown(run, action, **how):
    """Run with that filter and say which warnings were shown."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.filterwarnings(action, **how)
        run()
    return [(str(w.message), w.category, w.filename, w.lineno) for w in caught]


@pytest.mark.parametrize("action", ["default", "always", "once", "module", "ignore"])
@pytest.mark.parametrize("function", [warn, warn_each])
def test_warnings_are_shown_as_those_of_plain_calls(worker, another, action, function):
    """What is to be shown once is shown once, though two workers tell of it in several batches."""

    def plain():
        for number in range(6):
            function(number)

    workers = worker, another

    def parallel():
        for number in (0, 2, 4):
            workers[number % 4 // 2].run(function, number, number + 1)

    for _ in range(2):  # what was shown in a block that has ended is shown again
        assert shown(parallel, action) == shown(plain, action)


@pytest.mark.parametrize(
    "how",
    [
        {"category": Special},
        {"category": DeprecationWarning},
        {"message": "mind 1"},
        {"module": __name__ + "$"},
        {"module": "elsewhere"},
    ],
)
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_filters_count_in_the_worker_as_here(worker, action, how):
    """Also those that make a warning an error, which the call raises."""

    def outcomes(run):
        results = []

        def collect():
            results.extend(each and str(each) for each in run())

        with warnings.catch_warnings():
            warnings.simplefilter("always")
            seen = shown(collect, action, **how)
        return results, seen

    def plain():
        for number in range(3):
            try:
                yield warn_each(number)
            except Special as error:
                yield repr(error)

    assert outcomes(lambda: worker.run(warn_each, 0, 1, 2)) == outcomes(plain)


def test_filters_that_a_worker_has_set_stay_behind_those_of_the_caller(worker):
    """A library sets its own when it is imported."""

    def run():
        worker.run(ignore, "mind 1")
        warnings.filterwarnings("always", message="mind 2")  # new settings for the worker
        worker.run(warn_each, 1, 2)

    assert [text for text, *_ in shown(run, "always", message="mind 0")] == ["mind 2"]


def ignore(text):
    """Set a filter for good."""
    warnings.filterwarnings("ignore", message=text)


def test_a_warning_is_the_same_object_in_all_but_identity(worker):
    """It has its class and its attributes, and the tags; its text is what the task wrote."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        worker.run(warn_each, 7, 8)
    first, second = [w.message for w in caught]
    assert (type(first), first.number, second.number) == (Special, 7, 8)
    assert (first.taskpar_index, second.taskpar_index) == (0, 1)
    assert first.taskpar_pid == second.taskpar_pid == worker.pid


def test_a_warning_that_cannot_cross_is_still_told():
    """Its class is made up in a function; nothing raises."""

    class Local(UserWarning):
        def __reduce__(self):
            raise SystemExit

        def __init_subclass__(cls):
            raise SystemExit

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        relayed(lambda number: warnings.warn(Local("text"), stacklevel=1), 0)
    assert [str(w.message) for w in caught] == ["text"]


def test_a_warning_that_is_an_error_by_a_newer_filter_is_shown():
    """It is too late to raise it in the call, and it is not lost."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, items = run_here("log", relay.settings(), warn, 0)
        warnings.simplefilter("error")
        relay.replay(items, 7)
    assert [str(w.message) for w in caught] == ["mind this"]


def test_warnings_that_go_to_logging_go_there_once(collector):
    """``captureWarnings`` counts here."""
    logging.captureWarnings(True)
    try:
        warnings.simplefilter("always")
        relayed(warn, 0, 1)
    finally:
        logging.captureWarnings(False)
    assert collector.told("name") == [("py.warnings",), ("py.warnings",)]


def test_a_warning_that_is_written_to_a_file_is_not_relayed(monkeypatch):
    """Who names a file wants it there."""
    shown, file = [], io.StringIO()
    monkeypatch.setattr(warnings, "showwarning", lambda *args: shown.append(args))

    def show(number):
        warnings.showwarning("text", UserWarning, "some.py", 3, file)

    assert run_here("log", relay.settings(), show, 0) == ([None], [])
    assert shown == [("text", UserWarning, "some.py", 3, file, None)]
    monkeypatch.undo()


def test_a_warning_that_is_only_caught_by_the_task_is_not_relayed():
    """It is the task's own affair."""

    def run(number):
        with warnings.catch_warnings(record=True) as inner:
            warnings.simplefilter("always")
            warn(number)
        return len(inner)

    with warnings.catch_warnings(record=True) as caught:
        assert relayed(run, 0) == [1]
    assert caught == []


# ----------------------------------------------------------------------------------------- prints
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_a_task_forks_logs_warns_and_prints_for_itself(tmp_path):
    """Nobody would take what it captures."""
    path = tmp_path / "child"

    def fork(number):
        pid = os.fork()
        if not pid:
            sys.stderr.write("err\n")
            logging.getLogger("tested").warning("logged")
            warnings.warn("warned", stacklevel=1)
            os._exit(0)
        os.waitpid(pid, 0)

    log = logging.getLogger("tested")
    log.propagate = False
    log.addHandler(handler := logging.FileHandler(path.with_suffix(".log")))
    warnings.simplefilter("always")
    warnings.simplefilter("ignore", DeprecationWarning)  # that this process has threads
    with (
        path.open("w", buffering=1) as file,
        contextlib.redirect_stderr(file),
        warnings.catch_warnings(),
    ):
        warnings.showwarning = lambda message, *_: file.write(f"{message}\n")
        _, items = run_here("all", relay.settings(), fork, 0)
    handler.close()
    assert items == []
    assert path.read_text() == "err\nwarned\n"
    assert path.with_suffix(".log").read_text() == "logged\n"


# ----------------------------------------------------------------------------------------- around
def test_everything_is_as_before_after_a_batch_however_it_ends():
    """Loggers, warnings and streams."""

    def state():
        cls = logging.Logger
        handlers = list(logging.getLogger().handlers)
        return cls.handle, cls.addHandler, warnings.showwarning, sys.stdout, sys.stderr, handlers

    before = state()
    with capturing("all"):
        assert all(now is not then for now, then in zip(state(), before, strict=True))
    assert state() == before
    with pytest.raises(SystemExit), capturing("all"):
        sys.exit()
    assert state() == before


def test_nothing_is_captured_where_nothing_is_asked_for(printed, collector):
    """The block has the same means."""
    with capturing(None) as captured:
        captured.call(1)
        print("x")
        logging.getLogger("tested").error("y")
        assert captured.take() == []
    assert printed()[0] == "x\n"
    assert collector.told("message") == [("y",)]


def test_what_is_taken_is_taken_once(printed):
    """Parts of a batch go home one after the other."""
    with capturing("all") as captured:
        captured.call(0)
        print("a")
        first = captured.take()
        print("b")
        second = captured.take()
        assert captured.take() == []
    assert (first, second) == ([(0, "stdout", b"a\n")], [(0, "stdout", b"b\n")])


def test_a_handler_that_raises_is_reported_and_the_rest_still_comes(printed, collector):
    """Whatever it raises: results come behind this."""

    class Broken(logging.Handler):
        def emit(self, record):
            raise SystemExit("broken")

    broken = Broken()
    logging.getLogger("tested").addHandler(broken)

    def run(number):
        logging.getLogger("tested").error("x %d", number)
        print("y", number)
        logging.getLogger().error("z %d", number)

    relayed(run, 0, 1, kind="all")
    out, err = printed()
    assert out == "[index 0, pid 7] y 0\n[index 1, pid 7] y 1\n"
    assert err.count("SystemExit: broken") == 2
    assert collector.told("message") == [("z 0",), ("z 1",)]


def test_a_stream_that_is_closed_or_missing_loses_no_results(monkeypatch):
    """There is nowhere to print, and nothing is raised."""
    closed = io.StringIO()
    closed.close()
    _, items = run_here("all", relay.settings(), print_much, 0)
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        relay.replay(items, 7)


def test_what_is_replaced_is_replaced_in_these_places_only():
    """Names of the standard library that capture.py relies on."""
    assert callable(logging.Logger.handle)
    assert callable(logging.Logger.addHandler)
    assert isinstance(logging.root.manager.loggerDict, dict)
    assert isinstance(warnings.filters, list)
    assert capture._replaced is not None
