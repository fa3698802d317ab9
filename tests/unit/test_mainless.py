"""Processes that do not import the caller's ``__main__``: started in every way, from anywhere."""

import multiprocessing
import sys
import threading
from multiprocessing import Pipe, spawn

import pytest

from rig.executors import START_METHODS
from rig.scripts import run_script
from taskpar._system import mainless as module
from taskpar._system.mainless import mainless

WITHIN = 30.0  # seconds: a bound, not a measure


class Reporter(multiprocessing.Process):
    """A process class as a user might write it, with arguments of its own."""

    def __init__(self, writer, *, number, **words):
        super().__init__(**words)
        self.writer = writer
        self.number = number

    def run(self):
        """Report who this is."""
        self.writer.send(
            {
                "number": self.number,
                "name": multiprocessing.current_process().name,
                "class": type(self).__mro__[0].__name__,
                "is one": isinstance(self, Reporter),
            }
        )


def told_by(start, **words):
    """What a `Reporter` reports."""
    cls = mainless(multiprocessing.get_context(start), Reporter)
    reader, writer = Pipe(duplex=False)
    process = cls(writer, number=7, name="its name", **words)
    assert isinstance(process, Reporter)
    process.start()
    writer.close()
    with reader:
        assert reader.poll(WITHIN)
        told = reader.recv()
    process.join(WITHIN)
    assert process.exitcode == 0
    process.close()
    return told


@pytest.mark.parametrize("start", START_METHODS)
def test_a_process_is_of_the_class_that_was_asked_for(start):
    """With its attributes and its name, however it is started."""
    told = told_by(start)
    assert (told["number"], told["name"]) == (7, "its name")
    assert told["class"] == "Reporter"
    assert told["is one"]


@pytest.mark.parametrize("start", START_METHODS)
def test_main_is_not_imported_and_looks_the_same_afterwards(start, monkeypatch, tmp_path):
    """The caller's main module is a script that would end whoever imports it."""
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit('imported')")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", str(script), raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    assert told_by(start)
    assert main.__file__ == str(script)
    assert main.__spec__ is None


class Bystander:
    """Looks, while the process that holds it is being started, at what another thread sees."""

    def __init__(self):
        self.seen = []

    def __reduce__(self):
        thread = threading.Thread(target=self.look)
        thread.start()
        thread.join()
        return (Bystander, ())

    def look(self):
        """Note where ``__main__`` is, and what a process of another library would be told."""
        self.seen.append((sys.modules["__main__"].__file__, spawn.get_preparation_data("other")))


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_other_threads_see_main_as_it_is_while_a_process_starts(start, monkeypatch):
    """And the processes that they start import it, as they always do."""
    if start not in START_METHODS:
        pytest.skip("no such start method here")
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "__file__", "/there.py", raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    bystander = Bystander()
    process = mainless(multiprocessing.get_context(start))(target=len, args=((bystander,),))
    process.start()
    process.join(WITHIN)
    (place, told), *_ = bystander.seen
    assert place == "/there.py"
    assert told["init_main_from_path"].endswith("there.py")
    assert process.exitcode == 0
    process.close()


@pytest.mark.parametrize("start", ["spawn", "forkserver"])
def test_a_start_that_fails_leaves_main_as_it_was(start):
    """What cannot be pickled cannot be sent to the new process."""
    if start not in START_METHODS:
        pytest.skip("no such start method here")
    main = sys.modules["__main__"]
    before = {name: getattr(main, name, "none") for name in ("__file__", "__spec__")}
    process = mainless(multiprocessing.get_context(start), Reporter)(lambda: None, number=1)
    with pytest.raises(Exception, match="lambda"):
        process.start()
    assert {name: getattr(main, name, "none") for name in before} == before
    free = []

    def look():
        if module._starting.acquire(blocking=False):
            module._starting.release()
            free.append(True)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert free == [True]


def test_a_main_without_a_file_gets_none():
    """As in the REPL, or under a debugger, which takes away where it comes from."""
    main = type(sys)("__main__")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "__main__", main)
        vars(main).pop("__spec__", None)
        assert told_by("spawn")
        assert not hasattr(main, "__file__")


def test_the_contexts_own_process_class_will_do():
    """Without a class of one's own, as the pool needs it."""
    context = multiprocessing.get_context("spawn")
    process = mainless(context)(target=print)
    assert isinstance(process, context.Process)


@pytest.mark.parametrize("start", START_METHODS)
def test_a_class_of_main_runs_without_main(start, tmp_path):
    """A script without a guard, with a class of its own, ends; its top runs once."""
    done = run_script(
        f"""
        import multiprocessing
        from taskpar._system.mainless import mainless
        print("top", flush=True)
        SHIFT = 3

        class Own(multiprocessing.Process):
            def __init__(self, number):
                super().__init__()
                self.number = number

            def run(self):
                print("ran", self.number + SHIFT, flush=True)

        process = mainless(multiprocessing.get_context({start!r}), Own)(4)
        process.start()
        process.join()
        print("code", process.exitcode)
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("top\nran 7\ncode 0\n", "")


@pytest.mark.parametrize("start", START_METHODS)
def test_a_process_may_start_processes_of_its_own(start, tmp_path):
    """A forked child is not kept waiting by what its parent was doing."""
    done = run_script(
        f"""
        import multiprocessing
        from taskpar._system.mainless import mainless

        class Inner(multiprocessing.Process):
            def run(self):
                print("inner", flush=True)

        class Outer(multiprocessing.Process):
            def run(self):
                from taskpar._system.mainless import mainless
                process = mainless(multiprocessing.get_context({start!r}), Inner)()
                process.start()
                process.join(30)
                print("outer", process.exitcode, flush=True)

        process = mainless(multiprocessing.get_context({start!r}), Outer)()
        process.start()
        process.join(30)
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("inner\nouter 0\n", "")
