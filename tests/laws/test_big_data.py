"""Laws L1, L6 and L8 for what is big: it is what it would be if it were small."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laws.functions import echo
from laws.strategies import CHUNKSIZES
from rig.executors import START_METHODS
from taskpar import Executor, ProcessExecutor, QueueExecutor, SharedCounter, WorkerDiedError
from taskpar._engine.tally import HEAVY

np = pytest.importorskip("numpy", reason="needs numpy")

KILO = 1 << 10
SIZES = (1, 63 * KILO, 64 * KILO, 65 * KILO, 300 * KILO, 17 << 20)
"""Bytes: on either side of what is laid down beside the channel, and of what is mapped."""

MAKES: dict[str, Callable[[int], Any]] = {
    "array": lambda size: np.arange(size, dtype="u1"),
    "fortran": lambda size: np.asfortranarray(np.arange(size // 8 * 8, dtype="i2").reshape(-1, 8)),
    "strided": lambda size: np.arange(2 * size, dtype="u1")[::2],
    "objects": lambda size: np.array(["x" * size, None, [1]], dtype=object),
    "bytes": lambda size: b"x" * size,
    "bytearray": lambda size: bytearray(b"y" * size),
    "text": lambda size: "z" * size,
    "nested": lambda size: {"a": [np.ones(size, "u1"), b"x" * size], "size": size},
}


def frozen(size: int) -> Any:
    """An array that nobody may write to."""
    array = np.ones(size, "u1")
    array.flags.writeable = False
    return array


def shown(thing: Any) -> Any:
    """What can be compared of a thing that holds arrays."""
    if isinstance(thing, np.ndarray):
        content = [*thing] if thing.dtype == object else thing.tobytes()
        return thing.dtype, thing.shape, thing.flags.writeable, content
    if isinstance(thing, dict):
        return {key: shown(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing), [shown(value) for value in thing]
    return type(thing), thing


@pytest.fixture(params=[None, 0, 200 * KILO], ids="shared-{}".format)
def an_executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Some have memory for what is big, some have none, some have too little."""
    with QueueExecutor(2, max_shared_bytes=request.param) as executor:
        yield executor


def test_what_is_big_comes_and_goes_as_what_is_small(an_executor: Executor) -> None:
    """Of every type and every size, also where the memory for it is too small, or missing."""
    makes = [
        partial(make, size)
        for name, make in MAKES.items()
        for size in SIZES
        if size < 1 << 20 or name in ("array", "bytes")
    ]
    things, again = [make() for make in makes], [make() for make in makes]
    assert [shown(thing) for thing in an_executor.map(echo, things)] == [
        shown(thing) for thing in map(echo, again)
    ]
    for thing, other in zip(things, again, strict=True):
        assert shown(an_executor.submit(echo, thing).result()) == shown(other)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.sampled_from(SIZES[:-1]), max_size=8),
    chunksize=st.sampled_from(CHUNKSIZES),
    star=st.booleans(),
)
def test_small_and_big_ones_may_share_a_batch(
    an_executor: Executor, sizes: list[int], chunksize: int | None, star: bool
) -> None:
    """In any order, one or two to a call."""
    arrays = [np.full(size, number, "u1") for number, size in enumerate(sizes)]
    if star:
        pairs = [(array, array[::-1]) for array in arrays]
        found = an_executor.starmap(joined, pairs, chunksize=chunksize)
        expected = [joined(*pair) for pair in pairs]
    else:
        found = an_executor.map(echo, arrays, chunksize=chunksize)
        expected = arrays
    assert [shown(each) for each in found] == [shown(each) for each in expected]


def joined(one: Any, other: Any) -> Any:
    """Return both arrays as one, of which there is another one in it."""
    return [np.concatenate([one, other]), one]


def add_one(array: Any) -> Any:
    """Write to the argument, and return it."""
    array += 1
    return array


def test_nobody_sees_what_another_writes(an_executor: Executor) -> None:
    """Not the caller, not the next call with the same array, not who looks at the result twice."""
    for size in SIZES:
        array = np.zeros(size, "u1")
        results = list(an_executor.map(add_one, repeat(array, 6), chunksize=3))
        for number, result in enumerate(results, 1):
            assert result.min() == result.max() == number  # those before have been added to
            for later in range(number, 6):
                results[later] += 1
        assert not array.any()
        future = an_executor.submit(add_one, array)
        assert future.result() is future.result()


OWN: dict[int, Any] = {}


def written_over(size: int, number: int) -> Any:
    """Return the same array for each call, with another content."""
    array = OWN.setdefault(size, np.zeros(size, "u1"))
    array[:] = number
    return array


def test_a_result_is_what_it_was_when_the_call_returned(an_executor: Executor) -> None:
    """Also where the worker uses one array for all of its results, in one batch or in several."""
    for size in SIZES:
        for chunksize in (None, 1, 4):
            results = an_executor.map(partial(written_over, size), range(8), chunksize=chunksize)
            assert [(each.min(), each.max()) for each in results] == [(n, n) for n in range(8)]


def test_what_may_not_be_written_to_stays_so(an_executor: Executor) -> None:
    """A read-only array is read-only there and here, as it is in a serial run."""
    for size in SIZES:
        (there,) = an_executor.map(is_writable, [frozen(size)])
        (here,) = an_executor.map(echo, [frozen(size)])
        assert (there, here.flags.writeable) == (False, False)


def is_writable(array: Any) -> bool:
    """Whether it is."""
    return bool(array.flags.writeable)


KEPT: list[Any] = []


def keep(array: Any) -> list[int]:
    """Keep every array there ever was, and return what all of them are now."""
    KEPT.append(array)
    return [int(each.max()) for each in KEPT if each.min() == each.max()]


@pytest.mark.parametrize("size", SIZES)
def test_what_a_task_keeps_stays_as_it_is(size: int) -> None:
    """Whatever is sent to its worker later: memory is used again only when nobody has it."""
    with QueueExecutor(1) as executor:
        count = 4 if size > 1 << 20 else 30
        arrays = (np.full(size, number, "u1") for number in range(count))
        for number, kept in enumerate(executor.map(keep, arrays)):
            assert kept == list(range(number + 1))


def test_results_outlive_their_executor() -> None:
    """And are the caller's own to write to."""
    with QueueExecutor(2) as executor:
        results = list(executor.map(np.ones, SIZES))
    assert [(len(result), result.sum()) for result in results] == [(size, size) for size in SIZES]
    for number in range(len(results)):
        results[number] += 1
        assert results[number].max() == 2


@pytest.mark.parametrize("method", START_METHODS)
@pytest.mark.parametrize("kind", [QueueExecutor, ProcessExecutor])
def test_big_ones_cross_under_every_start_method(kind: type[Any], method: str) -> None:
    """And while workers are being made and leave after every call."""
    arrays = [np.full(300 * KILO, number, "u1") for number in range(4)]
    with kind(2, method, max_tasks_per_child=1) as executor:
        for array, result in zip(arrays, executor.map(add_one, arrays), strict=True):
            assert (result == array + 1).all()


def test_the_matrix_is_cut_and_not_listed(an_executor: Executor) -> None:
    """Rows of any size, of the same type as in a loop, each call's own."""
    matrix = np.arange(20 * 50_000).reshape(20, 50_000)
    expected = matrix + 1
    for found, row in zip(an_executor.map(add_one, matrix.copy()), expected, strict=True):
        assert (found == row).all()
    assert list(an_executor.map(np.dot, matrix, matrix)) == list(map(np.dot, matrix, matrix))


def test_arguments_of_calls_that_are_not_wanted_make_room_again() -> None:
    """Closed maps, cancelled calls, calls whose worker has died: nothing stays lent."""
    with QueueExecutor(2, max_shared_bytes=64 * 300 * KILO) as executor:
        arrays = [np.zeros(300 * KILO, "u1")] * 20
        for _ in range(5):
            executor.map(echo, arrays).close()
            with pytest.raises(WorkerDiedError):
                executor.submit(exit_with, arrays[0]).result()
            [future.cancel() for future in [executor.submit(echo, array) for array in arrays]]
        counter = SharedCounter()
        assert len(list(executor.map(partial(count, counter), arrays))) == counter.value == 20
        del arrays
        arena = executor._core.engine.backend._arena  # type: ignore[attr-defined]
        assert arena is not None
        assert arena.put(bytes(30 * 300 * KILO)) is not None


def exit_with(array: Any) -> None:
    """End the worker, whatever the array."""
    import os

    os._exit(len(array) % 7)


def count(counter: SharedCounter, array: Any) -> int:
    """Count the call."""
    counter.add()
    return len(array)


@pytest.mark.parametrize("chunksize", [None, 9])
def test_a_message_carries_a_few_big_arguments_or_as_many_as_it_is_told_to(
    chunksize: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is used again and again then, however quick the calls are; also by the next map."""
    each, lent = 4 << 20, list[int]()
    with QueueExecutor(2) as executor:
        send = executor._core.engine.backend.send

        def noted(ticket: int, parcel: Any) -> None:
            lent.append(sum(size for _, _, size in parcel.loan.pieces) // each)
            send(ticket, parcel)

        monkeypatch.setattr(executor._core.engine.backend, "send", noted)
        for _ in range(2):
            arrays = [np.full(each, number, "u1") for number in range(20)]
            assert [*executor.map(np.max, arrays, chunksize=chunksize)] == [*range(20)]
            if chunksize is not None:
                assert sorted(lent) == [2, 9, 9]
            else:
                assert sum(lent) >= 20  # what a worker gives back is sent again
                assert max(lent) <= HEAVY // each
            lent.clear()
