"""The calls: ordinary ones, and one which misbehaves. They run in workers, found by their name."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import NoReturn

BAD = 3  # the item, and its position, at which a call misbehaves
ITEMS = 8
MARKED = 73_459_310  # a number that is in no message unless the argument itself is told
REST = 60.0  # seconds: longer than any cell may take


class Unpicklable(Exception):  # noqa: N818  # its name says what is wrong with it
    """An exception that cannot be sent."""

    def __init__(self) -> None:
        super().__init__(threading.Lock())


class Unrebuildable(Exception):  # noqa: N818
    """An exception that can be sent, but not be made again: pickle calls it with one argument."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")


class NotReady(Exception):  # noqa: N818
    """What the initializer raises."""


def double(item: int) -> int:
    """Do the work of an ordinary call, long enough that all eight do not run at once."""
    time.sleep(0.02)
    return 2 * item


def plain(item: int) -> int:
    """Do nearly nothing."""
    return item


def slow_first(item: int) -> int:
    """Let the reader wait for the first result, while all others are quick."""
    if item == 0:
        time.sleep(1)
    return item


def whole(item: object) -> object:
    """Take any argument: what is wrong with it is on the way."""
    time.sleep(0.02)
    return 2 * item if isinstance(item, int) else None


def misbehave(how: str, item: int) -> object:
    """Be an ordinary call, except for one item."""
    return MISDEEDS[how]() if item == BAD else double(item)


def fail_within(item: int) -> int:
    """Raise from deep below, with a cause, at one item."""
    if item == MARKED:
        _outer()
    return double(item)


def _outer() -> NoReturn:
    try:
        deepest()
    except KeyError as error:
        raise ValueError("no price for it") from error


def deepest() -> NoReturn:
    """Raise what becomes the cause."""
    raise KeyError("price")


def not_ready() -> NoReturn:
    """Be an initializer that fails."""
    raise NotReady("no licence")


def hold(port: int, how: str, item: int) -> int:
    """Tell the one who listens that this worker is at work, wait for its word, then work on."""
    line = call_home(port)
    line.recv(1)
    if how != "idle":
        MISDEEDS[how]()
    return item


def call_home(port: int) -> socket.socket:
    """Open a connection that ends with this process, whoever ends it and however."""
    line = socket.create_connection(("127.0.0.1", port))
    LINES.append(line)
    line.sendall(b"%d" % os.getpid())
    return line


LINES: list[socket.socket] = []
"""What holds the connection when the call is done and its worker waits for the next."""


def _hold_the_gil() -> object:
    return sum(range(10**11))  # one call into C, some minutes long, which looks at no signal


def _raise(error: Callable[[], BaseException]) -> NoReturn:
    raise error()


MISDEEDS: dict[str, Callable[[], object]] = {
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "sigsegv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "exit": lambda: os._exit(7),
    "sleep": lambda: time.sleep(REST),
    "c-code": _hold_the_gil,
    "result": threading.Lock,
    "exception-out": lambda: _raise(Unpicklable),
    "exception-back": lambda: _raise(lambda: Unrebuildable(404, "not there")),
    "system-exit": lambda: _raise(lambda: SystemExit(3)),
    "keyboard-interrupt": lambda: _raise(KeyboardInterrupt),
}
"""What a call may do, by the key of the fault."""

RAISED: dict[str, type[BaseException]] = {
    "exception-out": Unpicklable,
    "exception-back": Unrebuildable,
    "system-exit": SystemExit,
    "keyboard-interrupt": KeyboardInterrupt,
}
"""What a serial program would see, where the call raises."""
