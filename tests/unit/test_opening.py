"""Executors by words: each word of the table, and what is said of a word that is none."""

import importlib.util
import sys

import pytest

import taskpar
from rig.executors import CLASSES, KINDS
from taskpar import open_executor, parallel
from taskpar._model.words import COUNTED, JOINED, Word, word_of

TYPOS = {
    "Queue": "queue",
    "threads": "thread",
    "proces": "process",
    "dsk://host:8786": "dask",
    "interpreters:2": "interpreter",
    "xyzzy": None,
    "": None,
    ":2": None,
}
WRONG = [
    *(
        "thread:",
        "thread:0",
        "thread:-1",
        "thread:two",
        "thread:1.5",
        "queue:1:2",
        "queue://host:1",
    ),
    *("serial:\u0663", "dask:", "dask:4", "dask:/host:1", "dask://", "dask://a b", "ray:2", "ray "),
]


@pytest.mark.parametrize("kind", [*KINDS, "auto"])
def test_a_word_makes_the_executor_of_that_name(kind):
    """With the number of workers that follows it, and otherwise as many as that has by itself."""
    assert issubclass(CLASSES[kind], type(open_executor(kind)))
    with open_executor(f"{kind}:3") as executor:
        assert issubclass(CLASSES[kind], type(executor))
        assert kind == "serial" or executor._core.engine.backend.slots == 3
        assert list(executor.map(abs, [-1, 2])) == [1, 2]


def test_a_word_is_its_kind_and_what_follows():
    """What an engine takes for an address is the engine's matter."""
    assert [word_of("word", kind) for kind in COUNTED + JOINED] == [
        Word(kind, None, None) for kind in COUNTED + JOINED
    ]
    assert word_of("word", "interpreter:12") == Word("interpreter", 12, None)
    assert word_of("word", "dask://host:8786") == Word("dask", None, "host:8786")
    assert word_of("word", "dask://tls://host:8786") == Word("dask", None, "tls://host:8786")
    assert word_of("word", "ray://host:10001") == Word("ray", None, "host:10001")


@pytest.mark.parametrize(("typo", "meant"), TYPOS.items())
def test_a_typo_tells_which_names_there_are_and_which_one_was_meant(typo, meant):
    """If one is near."""
    with pytest.raises(ValueError, match=r"^word must be one of serial, thread, ") as caught:
        open_executor(typo)
    assert all(name in str(caught.value) for name in COUNTED + JOINED)
    hint = f", not {typo!r}" + (f": did you mean {meant!r}?" if meant else "")
    assert str(caught.value).endswith(hint)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_follows_a_word_is_told_if_it_may_not(wrong):
    """What is allowed, and what was found; nothing is guessed, as the name is a right one."""
    with pytest.raises(ValueError, match="for N workers \\(a positive integer\\)") as caught:
        open_executor(wrong)
    assert "alone or followed by ://host:port" in str(caught.value)
    assert str(caught.value).split(": did")[0].endswith(f", not {wrong!r}")
    with pytest.raises(ValueError, match=r"^executor must be one of serial, thread, "):
        parallel(executor=wrong)


@pytest.mark.parametrize("value", [None, 4, b"queue", taskpar.SerialExecutor])
def test_only_text_is_a_word(value):
    """An executor is none: it is open already."""
    with pytest.raises(TypeError, match=r"^word must be a string, not "):
        open_executor(value)


@pytest.mark.parametrize(
    ("word", "package"),
    [("dask", "distributed"), ("dask://host:1", "distributed"), ("ray://host:1", "ray")],
)
def test_what_is_not_installed_is_told_with_what_to_install(monkeypatch, word, package):
    """And under which name the word was given; a function that asks for it can be decorated."""
    monkeypatch.setitem(sys.modules, package, None)  # as Python marks what must not be imported
    says = f"is '{word}', which needs {package}: pip install 'taskpar\\[{word.split(':')[0]}\\]'$"
    with pytest.raises(ModuleNotFoundError, match=f"^word {says}") as caught:
        open_executor(word)
    assert caught.value.name == package
    monkeypatch.delenv("TASKPAR_EXECUTOR", raising=False)
    function = parallel(executor=word)(abs)
    assert function(-1) == 1
    with pytest.raises(ModuleNotFoundError, match=f"^executor {says}"):
        function.map([1])
    monkeypatch.setenv("TASKPAR_EXECUTOR", word)
    with pytest.raises(ModuleNotFoundError, match=f"^TASKPAR_EXECUTOR {says}"):
        parallel(abs).map([1])
    monkeypatch.setenv("TASKPAR_EXECUTOR", "serial")
    assert list(function.map([-1])) == [1]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="interpreters came with Python 3.14")
@pytest.mark.skipif(
    importlib.util.find_spec("taskpar.engines") is None, reason="there are no engines yet"
)
def test_interpreters_have_a_word():
    """As many of them as it says."""
    with open_executor("interpreter:2") as executor:
        assert type(executor).__name__ == "InterpreterExecutor"
        assert list(executor.map(abs, [-1, 2])) == [1, 2]
