"""Functions that tests send to workers, in a module that a worker can import."""

import os
import time
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

from taskpar import SharedCounter


class TwoArgumentsError(Exception):
    """An error whose ``args`` are not what its ``__init__`` takes, so plain pickle fails."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{what} number {number}")
        self.what = what
        self.number = number


class FalsyError(ValueError):
    """An error that is false where it is asked for its truth."""

    def __len__(self) -> int:
        return 0


class RefusalError(ValueError):
    """An error of the tests' own."""


def _with_notes() -> NoReturn:
    error = ValueError("with notes", 1)
    error.add_note("first note")
    error.add_note("second note")
    raise error


def _with_cause() -> NoReturn:
    try:
        raise KeyError("the cause")
    except KeyError as cause:
        raise RefusalError("refused") from cause


def _with_context() -> NoReturn:
    try:
        _with_cause()
    except RefusalError:
        raise TypeError("while handling that") from None


def _two_arguments() -> NoReturn:
    raise TwoArgumentsError("item", 7)


def _group() -> NoReturn:
    raise ExceptionGroup("several", [ValueError("a"), ExceptionGroup("in it", [OSError(2, "b")])])


def _key_error() -> NoReturn:
    raise KeyError(("a", 1))


def _os_error() -> NoReturn:
    raise FileNotFoundError(2, "No such file", "name")


def _unicode_error() -> NoReturn:
    b"\xff".decode()
    raise AssertionError


def _exit() -> NoReturn:
    raise SystemExit(3)


def _no_arguments() -> NoReturn:
    raise RefusalError


def raise_falsy(_: object = None) -> NoReturn:
    """Raise an error that whoever asks ``if error:`` overlooks."""
    raise FalsyError("false")


def _stop() -> NoReturn:
    raise StopIteration("enough")


ERRORS = {
    function.__name__: function
    for function in (
        _with_notes,
        _with_cause,
        _with_context,
        _two_arguments,
        _group,
        _key_error,
        _os_error,
        _unicode_error,
        _exit,
        _no_arguments,
    )
}
STOP = _stop.__name__


class Raise:
    """An argument that makes ``follow`` raise the error of this name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Raise({self.name!r})"


def follow(*orders: Any) -> tuple[Any, ...]:
    """Return the arguments, or raise what the first order among them says."""
    for order in orders:
        if isinstance(order, Raise):
            (_stop if order.name == STOP else ERRORS[order.name])()
    return orders


def echo(value: Any) -> Any:
    """Return the argument."""
    return value


def kind_and_value(value: Any, **words: Any) -> tuple[str, Any, dict[str, Any]]:
    """Return the arguments, and the first one's type by name."""
    return type(value).__name__, value, words


def inverse(number: float) -> float:
    """Divide by the argument, which may be zero."""
    return 1 / number


def blob(size: int) -> bytes:
    """So many bytes, unlike their neighbours."""
    return bytes(range(251)) * (size // 251) + bytes(size % 251)


def size_and_sum(data: bytes) -> tuple[int, int]:
    """Look at every byte."""
    return len(data), sum(data)


def append_and_copy(items: list[Any], value: Any = None) -> list[Any]:
    """Change the argument, and return what it holds then."""
    items.append(value)
    return list(items)


def bury(box: dict[str, Any]) -> int:
    """Change an argument deep inside."""
    box["deep"][0]["er"].append("changed")
    box["new"] = 1
    return len(box["deep"][0]["er"])


GLOBAL_LIST = [1, 2, 3]


def extend_the_global(value: int) -> None:
    """Change what belongs to the module."""
    GLOBAL_LIST.append(value)


def fill(array: Any) -> tuple[bool, float]:
    """Write to a whole array; tell whether that was allowed, and the sum before."""
    before = float(array.sum())
    writeable = bool(array.flags.writeable)
    array[...] = -1
    return writeable, before


def add_to(counter: SharedCounter, amount: int = 1) -> int:
    """Add once."""
    counter.add(amount)
    return amount


def add_many(counter: SharedCounter, times: int) -> None:
    """Add one at a time."""
    for _ in range(times):
        counter.add()


def add_for_ever(counter: SharedCounter) -> NoReturn:
    """Add until killed."""
    while True:
        counter.add()


def own_pid(_: object = None) -> int:
    """Tell which process runs this."""
    return os.getpid()


def save(folder: Path, name: str) -> str:
    """Write a file, which is there when the call has run."""
    (folder / name).write_text(name)
    return name


def wait_for_file(path: Path, answer: str) -> str:
    """Return the answer once the file is there; at once when there is no path."""
    deadline = time.monotonic() + 30
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.005)
    return answer


class Costly:
    """A constant that counts how often it is taken apart here, and put together anywhere."""

    packed = 0  # in this process

    def __init__(self, value: Any, unpacked: SharedCounter) -> None:
        self.value = value
        self.unpacked = unpacked

    def __reduce__(self) -> tuple[Any, ...]:
        type(self).packed += 1
        return _put_together, (type(self), self.value, self.unpacked)


class StableCostly(Costly):
    """The same, and it says that nothing in it is ever written to."""

    __taskpar_stable__ = True


def _put_together(cls: type[Costly], value: Any, unpacked: SharedCounter) -> Costly:
    unpacked.add()
    return cls(value, unpacked)


def with_costly(costly: Costly, number: int) -> Any:
    """Use the bound argument."""
    return costly.value + number


def partial_arguments(*args: Any, **words: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return all arguments."""
    return args, words


def stop_asynchronously(number: int) -> int:
    """End the loop at 1, as far as Python is concerned."""
    if number == 1:
        raise StopAsyncIteration("enough")
    return number


def nap(number: int) -> int:
    """Take a while."""
    time.sleep(0.05)
    return number


LEVEL: ContextVar[int] = ContextVar("LEVEL", default=0)


def level(_: object) -> int:
    """Tell what a call sees."""
    return LEVEL.get()
