"""What `@parallel` is put on is the plain call, and runs in parallel on every executor."""

import itertools

import pytest
from decorated import CASES, PARALLEL, Fine, power, root, square
from hypothesis import given
from hypothesis import strategies as st

from rig.executors import benches
from taskpar import use

each = pytest.mark.parametrize(("function", "plain"), CASES.values(), ids=CASES)


@pytest.fixture(scope="module", params=benches(), ids=str)
def used(request, shared):
    """Decorated functions run on each executor, under each start method."""
    with use(shared.of(request.param)) as executor:
        yield executor


@each
def test_the_plain_call_is_what_it_was(serial, function, plain):
    """Decorating takes nothing away."""
    assert [function(x) for x in range(5)] == [plain(x) for x in range(5)]


def test_every_decorated_function_is_mapped_by_every_executor(used):
    """It crosses to the workers, whatever else is around it, and is the plain call there."""
    results = {name: used.map(function, [2, 3]) for name, (function, _) in CASES.items()}
    found = {name: list(result) for name, result in results.items()}
    assert found == {name: [plain(2), plain(3)] for name, (_, plain) in CASES.items()}


def test_every_decorated_function_maps_itself_on_every_executor(used):
    """The methods of a decorated function are those of the executor."""
    results = {name: function.map([2, 3]) for name, (function, _) in PARALLEL.items()}
    found = {name: list(result) for name, result in results.items()}
    assert found == {name: [plain(2), plain(3)] for name, (_, plain) in PARALLEL.items()}


def test_all_methods_run_on_the_executor_in_use(used):
    """Each is the method of that name of the executor, with the function in the first place."""
    pairs = [(2, 2), (4, 3), (5, 5)]
    assert list(power.starmap(pairs)) == [4, 64, 3125]
    assert list(power.map([2, 4, 5], (2, 3, 5))) == [4, 64, 3125]
    assert sorted(power.map_unordered([2, 4, 5], (2, 3, 5))) == [4, 64, 3125]
    assert sorted(power.starmap_unordered(pairs)) == [4, 64, 3125]
    assert power.submit(2, 3, plus=1).result() == 9
    assert used.run([power.task(2, 3, plus=1), square.task(5)]) == [9, 25]


def test_an_exception_comes_from_where_it_came_without_us(used):
    """`map` goes on after it, as the builtin does."""
    results = root.map([4.0, -1.0, 9.0])
    assert next(results) == 2.0
    with pytest.raises(ValueError, match="negative") as caught:
        next(results)
    assert caught.value.args == ("negative", -1.0)
    assert next(results) == 3.0
    with pytest.raises(StopIteration):
        next(results)


def test_an_object_may_use_its_own_parallel_methods(used):
    """Also inside a worker, where they run serially."""
    assert Fine(2).all_times([1, 2]) == [-2, -4]
    assert used.submit(Fine(2).all_times, [1, 2]).result() == [-2, -4]


@given(st.lists(st.integers() | st.none()))
def test_map_is_the_builtin(serial, xs):
    """Law L1, through the decorator: values and exceptions, position by position."""

    def outcomes(results):
        for _ in range(len(xs) + 2):
            try:
                yield next(results)
            except Exception as error:
                yield type(error), error.args

    assert list(outcomes(square.map(xs))) == list(outcomes(map(square.__wrapped__, xs)))


def test_an_endless_input_is_read_only_as_far_as_it_must_be(serial):
    """Keywords go to the executor's method."""
    results = square.map(itertools.count(), buffersize=2, timeout=60)
    assert list(itertools.islice(results, 3)) == [0, 1, 4]
    results.close()


def test_wrong_keywords_are_refused_by_the_executor(serial):
    """And with the executor's own words."""
    with pytest.raises(ValueError, match="chunksize must be a positive integer"):
        square.map([1], chunksize=0)
    with pytest.raises(TypeError, match="buffer"):
        square.map([1], buffer=1)
    with pytest.raises(TypeError):
        square.map()
