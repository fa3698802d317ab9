"""Pieces of an arena: never written to while somebody looks, used again when nobody does."""

import os
import pickle
import signal
import sys
import threading
from itertools import count
from mmap import mmap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segments import posix

from taskpar._system import arena as module
from taskpar._system.arena import (
    ALWAYS_MAPPED,
    KEPT,
    MAPPED,
    MOST_MAPPED,
    Arena,
    Loan,
    Piece,
    Shelf,
    forking_a_worker,
)
from taskpar._system.shared_file import nameless_memory

pytestmark = pytest.mark.skipif(not nameless_memory(), reason="needs memory files")

PAGE = 4096


def sides(size: int = 1 << 20) -> tuple[Arena, Shelf]:
    """Both sides of an arena, in this one process."""
    arena = Arena.made(size)
    assert arena is not None
    return arena, Shelf(arena.segment)


def put(arena: Arena, data: bytes) -> Piece:
    """Lay data down."""
    piece = arena.put(data)
    assert piece is not None
    return piece


def memory_of(arena: Arena) -> int:
    """How many bytes it takes."""
    return os.fstat(arena.segment.descriptor).st_blocks * 512


@pytest.mark.parametrize("size", [0, 1, PAGE, PAGE + 1, 100_000, MAPPED - 1, MAPPED, MAPPED + 1])
def test_what_is_laid_down_is_there(size: int) -> None:
    """Byte for byte, as it was then, and each look gives bytes of the looker's own."""
    arena, shelf = sides(MAPPED + 2 * PAGE)
    data = bytearray(os.urandom(min(size, 1000)).ljust(size, b"."))
    lease = shelf.lease(put(arena, memoryview(data)))  # type: ignore[arg-type]
    before = bytes(data)
    data[:] = bytes(size)
    one, other = lease.view(), lease.view()
    assert bytes(one) == bytes(other) == before
    if size:
        one[0] ^= 255
        assert bytes(other) == before == bytes(lease.view())


@given(data=st.data())
def test_no_piece_is_written_to_while_somebody_looks(data: st.DataObject) -> None:
    """Whatever is laid down, looked at and let go, in any order, mapped or not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MAPPED", PAGE)
        patch.setattr(module, "ALWAYS_MAPPED", 3 * PAGE)
        patch.setattr(module, "KEPT", 3 * PAGE)
        arena, shelf = sides(10 * PAGE)
        there: list[tuple[Any, bytes]] = []
        for number in range(data.draw(st.integers(1, 40))):
            if there and data.draw(st.booleans()):
                there.pop(data.draw(st.integers(0, len(there) - 1)))
            size = data.draw(st.integers(1, 4 * PAGE))
            content = bytes([number]) * size
            if (piece := arena.put(content)) is not None:
                lease = shelf.lease(piece)
                there.append((lease.view() if data.draw(st.booleans()) else lease, content))
            for thing, expected in there:
                assert bytes(thing.view() if hasattr(thing, "view") else thing) == expected
        there.clear()
        thing = lease = None
        assert arena.put(bytes(10 * PAGE)) is not None, "all of it is free again"


def test_memory_is_used_again() -> None:
    """What was given back is where the next piece goes."""
    arena, shelf = sides()
    places = set()
    for _ in range(100):
        piece = put(arena, bytes(300_000))
        places.add(piece[1])
        shelf.lease(piece).view()
    assert len(places) == 1


def written_anew(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where is written without a mapping, as to memory that was not used before."""
    places: list[int] = []
    write = arena.segment.write

    def noted(data: "memoryview | bytes", first: int) -> None:
        places.append(first)
        write(data, first)

    monkeypatch.setattr(arena.segment, "write", noted)
    return places


def lent(arena: Arena) -> tuple[Loan, Piece]:
    """Lay data down for a message."""
    loan = Loan(arena)
    piece = loan.put(bytes(300_000))
    assert piece is not None
    return loan, piece


def test_memory_that_is_used_again_is_written_through_a_mapping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which is quicker; where the system has it back it is new."""
    arena, shelf = sides()
    anew = written_anew(arena, monkeypatch)
    for _ in range(3):
        shelf.lease(put(arena, bytes(300_000))).view()
    assert len(anew) == 1
    monkeypatch.setattr(module, "KEPT", 0)
    shelf.lease(put(arena, bytes(300_000)))
    assert len(anew) == 1
    shelf.lease(put(arena, bytes(300_000)))
    assert len(anew) == 2


def test_what_was_given_back_before_its_loan_was_let_go_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As are all of them while nobody dies."""
    arena, shelf = sides()
    anew = written_anew(arena, monkeypatch)
    for _ in range(3):
        loan, piece = lent(arena)
        shelf.lease(piece)
        assert not loan.is_out()
        del loan
    assert len(anew) == 1


def test_what_a_dead_reader_had_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """He may have given the memory back to the system, and died before he said so."""
    arena, _ = sides()
    anew = written_anew(arena, monkeypatch)
    for _ in range(2):
        loan, piece = lent(arena)
        arena.segment.forget(piece[1], 300_000)
        del loan
    assert len(anew) == 2


def test_what_has_no_room_is_refused_until_there_is_some() -> None:
    """Nothing is overwritten, and nothing raises."""
    arena, shelf = sides(2 * PAGE)
    leases = [shelf.lease(put(arena, bytes(PAGE))) for _ in range(2)]
    assert arena.put(b"x") is None
    leases.pop()
    assert arena.put(b"x") is not None
    assert arena.put(bytes(3 * PAGE)) is None


@pytest.mark.parametrize("size", [MAPPED, ALWAYS_MAPPED])
def test_a_mapped_view_keeps_its_piece(size: int) -> None:
    """Also when the lease and all other views have gone."""
    arena, shelf = sides(4 * size)
    lease = shelf.lease(put(arena, bytes(size)))
    rest = put(arena, bytes(3 * size))
    view = memoryview(lease.view())[5:10]
    del lease
    assert arena.put(b"x") is None
    assert bytes(view) == bytes(5)
    del view
    assert arena.put(b"x") is not None
    arena.take_back([rest])


def kinds_of(shelf: Shelf, arena: Arena, count: int) -> list[type]:
    """Look at so many pieces at once, and say how each is looked at."""
    views = [shelf.lease(put(arena, bytes([i]) * MAPPED)).view() for i in range(count)]
    assert all(view[0] == view[-1] == i for i, view in enumerate(views))
    return [bytearray if type(view) is bytearray else mmap for view in views]


def test_no_more_than_some_small_pieces_are_mapped_at_once() -> None:
    """Each takes a descriptor, of which a process may have few."""
    arena, shelf = sides(8 * MOST_MAPPED * MAPPED)
    expected = [mmap] * MOST_MAPPED + [bytearray] * 5
    for _ in range(2):
        assert kinds_of(shelf, arena, MOST_MAPPED + 5) == expected


def test_mapped_pieces_leave_room_for_others() -> None:
    """Who keeps all results has them where they take nobody's room."""
    arena, shelf = sides(16 * MAPPED)
    for _ in range(2):
        assert kinds_of(shelf, arena, 16) == [mmap] * 4 + [bytearray] * 12


@pytest.mark.skipif(os.name != "posix", reason="a bound for descriptors")
@pytest.mark.parametrize("size", [MAPPED, ALWAYS_MAPPED])
def test_where_no_descriptor_is_left_a_piece_is_copied(size: int) -> None:
    """It is there all the same."""
    import resource

    arena, shelf = sides(8 * size)
    lease = shelf.lease(put(arena, b"x" * size))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)  # all below are in use
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        view = lease.view()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert type(view) is bytearray
    assert bytes(view[:3]) == b"xxx"
    assert type(lease.view()) is not bytearray


def test_memory_that_is_not_needed_goes_back_to_the_system() -> None:
    """A certain amount stays, to be used again."""
    arena, shelf = sides(4 * KEPT)
    leases = [shelf.lease(put(arena, bytes(KEPT // 8))) for _ in range(24)]
    assert memory_of(arena) >= 3 * KEPT
    leases.clear()
    assert KEPT // 2 <= memory_of(arena) <= KEPT + KEPT // 4


def test_a_loan_that_is_let_go_takes_back_what_the_reader_has_not() -> None:
    """The message was not sent, or its reader has died; what the reader gave back is another's."""
    arena, shelf = sides(2 * PAGE)
    loan = Loan(arena)
    assert not loan.is_out()
    assert loan.put(bytes(PAGE))
    read, unread = loan.pieces[0], loan.put(bytes(PAGE))
    assert unread
    assert loan.is_out()
    shelf.lease(read)
    assert loan.is_out()
    again = put(arena, b"another's")
    assert again[:2] == read[:2]
    del loan
    assert arena.is_lent(again)
    assert bytes(shelf.lease(again).view()) == b"another's"
    assert arena.put(bytes(2 * PAGE)) is not None


def test_part_of_a_loan_can_be_taken_back() -> None:
    """As it is not sent."""
    arena, _ = sides(2 * PAGE)
    loan = Loan(arena)
    kept, other = loan.put(b"kept"), loan.put(b"other")
    assert kept
    assert other
    loan.take_back([other])
    assert loan.pieces == [kept]
    assert arena.put(b"x") is not None


def test_there_may_be_more_pieces_than_bytes_that_tell_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then there is no room, whatever the memory."""
    monkeypatch.setattr(module, "_SLOTS", PAGE)
    arena, shelf = sides(1 << 26)
    leases = [shelf.lease(put(arena, b"x")) for _ in range(PAGE)]
    assert arena.put(b"x") is None
    leases.pop()
    assert arena.put(b"x") is not None


@posix
def test_a_forked_process_may_look_as_long_as_it_likes() -> None:
    """What was there at the fork is not used again; the fork of a worker of ours does not count."""
    arena, shelf = sides(3 * PAGE)
    with forking_a_worker():
        ours = shelf.lease(put(arena, b"ours"))
        _fork_and_end()
    del ours
    theirs = shelf.lease(put(arena, b"theirs"))
    place = theirs._piece[1]  # where it is, is what this is about
    _fork_and_end()
    assert bytes(theirs.view()) == b"theirs"
    del theirs
    later = [put(arena, b"later") for _ in range(2)]
    assert place not in {piece[1] for piece in later}
    assert arena.put(b"x") is None


@posix
def test_what_a_forked_process_lets_go_is_not_given_back() -> None:
    """Its copy of a lease ends with it; the lease here does not."""
    arena, shelf = sides(PAGE)
    with forking_a_worker():
        lease = [shelf.lease(put(arena, b"here"))]
        _fork_and_end(lease.clear)
    assert arena.put(b"x") is None
    assert bytes(lease[0].view()) == b"here"


def _fork_and_end(do: Any = int) -> None:
    pid = os.fork()
    if not pid:
        do()
        os._exit(0)
    os.waitpid(pid, 0)


@posix
def test_a_child_that_was_forked_with_the_lock_held_does_not_wait_for_it() -> None:
    """Its holder is a thread of the parent: it looks at a piece, and lets it go, all the same."""
    arena, shelf = sides(8 * MAPPED)
    lease = shelf.lease(put(arena, b"x" * MAPPED))
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with shelf._lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        seen = bytes(lease.view()[:3])
        del lease
        os._exit(seen != b"xxx")
    done.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_closed_arena_has_no_room() -> None:
    """What was lent stays where it is, as long as the reader has it."""
    arena, _ = sides(MAPPED + PAGE)
    shelf = Shelf(pickle.loads(pickle.dumps(arena.segment)))  # as another process has it
    loan = Loan(arena)
    piece = loan.put(b"small")
    assert piece
    leases = shelf.lease(piece), shelf.lease(put(arena, b"x" * MAPPED))
    view = leases[1].view()
    arena.close()
    assert arena.put(b"x") is None
    assert not loan.is_out()
    del loan, leases
    assert bytes(view[:3]) == b"xxx"


def test_there_is_none_where_there_are_no_memory_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on a disk is no memory: what is big goes through the channel."""
    monkeypatch.setenv("TASKPAR_NO_MEMFD", "1")
    assert Arena.made(1 << 20) is None


def test_there_is_none_where_none_is_wanted() -> None:
    """No bytes, no arena."""
    assert Arena.made(0) is None


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_an_arena_takes_hardly_any_address_space() -> None:
    """A bound on that is a common one, and an arena may be as big as the memory."""

    def mapped() -> int:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[0]) * PAGE

    before = mapped()
    arena, shelf = sides(1 << 40)
    lease = shelf.lease(put(arena, bytes(100)))
    assert mapped() - before < KEPT + (1 << 24)
    assert bytes(lease.view()) == bytes(100)
    assert memory_of(arena) < 1 << 20


def test_views_are_numbered_apart() -> None:
    """Many at once, of many sizes: each is its own."""
    arena, shelf = sides(1 << 24)
    numbers = count()
    leases = [
        (n, shelf.lease(put(arena, b"%d" % n * 1000)))
        for n, _ in zip(numbers, range(500), strict=False)
    ]
    assert all(bytes(lease.view()) == b"%d" % n * 1000 for n, lease in leases)
