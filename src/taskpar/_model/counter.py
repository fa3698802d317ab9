"""A number that many processes count up together, exactly.

Every thread that counts has a word of shared memory for itself, its *slot*, and adds to it without
asking anybody: nobody waits for another, in this process or elsewhere, and a process that is killed
leaves neither a lock nor half an addition (an aligned word is written whole or not at all). The
total is the sum of all slots.

Which slot belongs to which process, the kernel keeps: a process takes the first slot whose lock it
gets, and has it until it dies. Its successor goes on from the value that is there, so nothing is
lost and the slots are used again; so do threads, among those of their process.

The memory is words of 64 bits: a header (`_RESETS`, `_BASES`), then one record for each slot.
"""

import os
import threading
import weakref
from collections.abc import Callable
from operator import index
from typing import Any, ClassVar, SupportsIndex

from taskpar._system.segment import Locks, Segment

SLOTS = 1 << 16
"""Threads, of all processes, that can count at the same time: more than a machine runs. Only what
is used takes memory."""

_WORD = 8
_RECORD = 8  # words: a cache line each, or processors would take it from each other at every add
_CLAIMED = 1  # in a record, after the value: set once the slot has had an owner

_RESETS = 0  # how many resets there have been
_BASES = 1  # what is not to be counted, for an even and for an odd number of resets


class SharedCounter:
    """A number that any number of processes and threads count up (or down) together.

    **Law** (L10): `value` is `start` plus the sum of all `add`s that have returned since the last
    `reset`, whatever the interleaving, also after processes were killed. An `add` that is still
    under way, or was cut off, counts in full or not at all.

    It travels to other processes as an ordinary argument, in a partial or a closure, before or
    after they started, and is the same counter everywhere. It lives as long as somebody has it.

    Args:
        start: The first value.

    Raises:
        TypeError: `start` is not an integer.
        OverflowError: `start` does not fit in 64 bits.
        FileNotFoundError: At unpickling: the process that made the counter has let it go.

    Source: docs.python.org/3/library/multiprocessing.html, whose `Value` is no atomic counter.
    """

    __taskpar_stable__: ClassVar[bool] = True
    """The same object may serve many calls: what they write there is meant for all."""

    def __init__(self, start: SupportsIndex = 0) -> None:
        start = _integer("start", start)
        # One record more than there are slots: `_total` reads up to the first without an owner.
        segment = Segment((1 + SLOTS + 1) * _RECORD * _WORD)
        words = segment.memory.cast("q")
        try:
            words[_BASES] = -start
        except ValueError:
            raise OverflowError(f"start must fit in 64 bits, not {start}") from None
        locks = Locks()
        with _books.lock:
            self._share(segment, locks)

    def _share(self, segment: Segment, locks: Locks) -> None:
        """Become this process's counter on that memory; there is only one, for it has the slot."""
        self._segment = segment
        self._locks = locks
        self._words = segment.memory.cast("q")
        self._give_up_slots()
        _books.counters[segment.key] = self

    @classmethod
    def _on(cls, segment: Segment, locks: Locks) -> "SharedCounter":
        with _books.lock:
            self = _books.counters.get(segment.key)
            if self is None:
                self = cls.__new__(cls)
                self._share(segment, locks)
            return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _counter_on, (type(self), self._segment, self._locks)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value})"

    def add(self, n: SupportsIndex = 1) -> None:
        """Add `n`; it may be negative.

        **Law:** `add` never waits for another process, nor for another thread. It may be called
        from a signal handler.

        Raises:
            TypeError: `n` is not an integer.
            OverflowError: The sum of all that this thread added would not fit in 64 bits; nothing
                is added.
        """
        if type(n) is not int:
            n = _integer("n", n)
        try:
            self._own.word[0] += n  # no other thread writes there, so this needs no lock
        except (AttributeError, ValueError):  # no slot yet, or 64 bits are too few
            self._add_to_new_slot(n)

    def _add_to_new_slot(self, n: int) -> None:
        own = self._own
        if not hasattr(own, "word"):
            own.slot = _Slot(self._free, self._claimed)
            own.word = own.slot.word
        try:
            own.word[0] += n
        except ValueError:
            raise OverflowError(
                f"{own.word[0]} plus {n} does not fit in 64 bits; nothing was added"
            ) from None

    def _claimed(self) -> memoryview:
        """The word of the first slot that has no living owner; now it is ours."""
        with self._claiming:
            return self._claimed_by_one()

    def _claimed_by_one(self) -> memoryview:
        for number in range(SLOTS):
            if number not in self._ours and self._locks.try_lock(number):
                self._ours.add(number)
                # Also those before ours: their owners may not have come so far yet, and whoever
                # reads stops at the first slot without the mark.
                for at in range(_RECORD, (number + 2) * _RECORD, _RECORD):
                    self._words[at + _CLAIMED] = 1
                at = (number + 1) * _RECORD
                return self._words[at : at + 1]
        raise RuntimeError(f"more than {SLOTS} threads are counting with one SharedCounter")

    def _give_up_slots(self) -> None:
        """Have no slot: at first, and in a forked child, which must not write to its parent's."""
        self._own = threading.local()
        self._ours: set[int] = set()  # the kernel gives a process again what it has
        self._free: list[memoryview] = []
        # Reentrant: a signal handler that adds may have interrupted an `add` of the same thread.
        self._claiming = threading.RLock()

    @property
    def value(self) -> int:
        """The total, now.

        While others add, each `add` that returned before is in it, and none that starts after.
        """
        words = self._words
        while True:
            resets = words[_RESETS]
            total = self._total() - words[_BASES + resets % 2]
            if words[_RESETS] == resets:  # else a reset has come between: what was read is mixed
                return total

    def _total(self) -> int:
        words = self._words
        total = 0
        at = _RECORD
        while words[at + _CLAIMED]:
            total += words[at]
            at += _RECORD
        return total

    def reset(self) -> int:
        """Set the value to 0, and return what it was.

        **Law:** no `add` falls between two resets, and none is counted twice: what all resets
        returned and the `value` left make up the total.

        Raises:
            OverflowError: The total does not fit in 64 bits; nothing is reset.
        """
        with _books.resetting:
            try:
                self._locks.lock(SLOTS)
                return self._reset()
            finally:
                self._locks.unlock(SLOTS)

    def _reset(self) -> int:
        words = self._words
        resets = words[_RESETS]
        total = self._total()
        taken = total - words[_BASES + resets % 2]
        try:
            words[_BASES + (resets + 1) % 2] = total  # nobody looks at it yet
        except ValueError:
            raise OverflowError(f"{total} does not fit in 64 bits; nothing was reset") from None
        words[_RESETS] = resets + 1  # the reset happens here, or (killed before) not at all
        return taken


class _Slot:
    """A thread's hold on a slot of its process, until the thread ends.

    Args:
        free: Where the slots of threads that have ended are, and this one will be.
        claimed: Claims another one for the process.
    """

    def __init__(self, free: list[memoryview], claimed: Callable[[], memoryview]) -> None:
        self._free = free
        try:
            self.word = free.pop()
        except IndexError:
            self.word = claimed()

    def __del__(self) -> None:
        if hasattr(self, "word"):
            self._free.append(self.word)


def _counter_on(kind: type[SharedCounter], segment: Segment, locks: Locks) -> SharedCounter:
    # A function, as cloudpickle cannot name the method itself.
    return kind._on(segment, locks)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def _integer(name: str, value: SupportsIndex) -> int:
    """The value as an integer proper: arithmetic with numpy's would wrap around, or round."""
    try:
        return int(index(value))
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None


class _Books:
    """The counters that this process has, by the keys of their memory."""

    def __init__(self) -> None:
        self.counters = weakref.WeakValueDictionary[bytes, SharedCounter]()
        self._make_locks()

    def _make_locks(self) -> None:
        self.lock = threading.RLock()
        # One for all counters: while a process waits for the lock of one, it must not hold that
        # of another, or the kernel may take it for a deadlock.
        self.resetting = threading.Lock()

    def after_fork(self) -> None:
        """Forget, in a forked child, what belongs to its parent."""
        self._make_locks()
        for counter in list(self.counters.values()):
            counter._give_up_slots()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


_books = _Books()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_books.after_fork)
