"""Decorated functions and methods can be pickled, by their names where these lead to them."""

import copy
import inspect
import pickle

import cloudpickle
import pytest
from decorated import (
    Fine,
    Scale,
    above_cache,
    above_wraps,
    below_cache,
    below_wraps,
    fibonacci,
    power,
    root,
    square,
    twice,
)

from taskpar import Options, parallel

OF_THE_MODULE = [square, power, fibonacci, above_wraps, below_wraps.__wrapped__, above_cache]
OF_THE_MODULE += [below_cache.__wrapped__, twice, Scale.times, Scale.above_static]
OF_THE_MODULE += [Scale.below_static, vars(Scale)["above_class"], twice.__wrapped__]


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps], ids=["pickle", "cloudpickle"])
@pytest.mark.parametrize("function", OF_THE_MODULE, ids=repr)
def test_a_function_with_a_name_crosses_as_its_name(function, dumps):
    """It comes back as the same object, below whatever other decorators it lies; as does a copy."""
    data = dumps(function)
    assert pickle.loads(data) is function
    assert len(data) < 200
    assert copy.deepcopy(function) is function


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_function_crosses_under_every_protocol(protocol):
    """Old ones too."""
    assert pickle.loads(pickle.dumps(square, protocol)) is square
    assert pickle.loads(pickle.dumps(Scale.times, protocol)) is Scale.times


@pytest.mark.parametrize(
    "method",
    [Scale(3).times, Fine(3).times, super(Fine, Fine(3)).times, Fine.above_class, Fine(3).cached],
    ids=repr,
)
def test_a_bound_method_crosses_with_what_it_is_bound_to(serial, method):
    """Exactly this method: that of the parent is not exchanged for the one that overrides it."""
    found, owner = pickle.loads(pickle.dumps((method, method.__wrapped__.__self__)))
    assert found.__wrapped__.__self__ is owner
    assert found(2) == method(2)
    assert found.__wrapped__.__func__ is method.__wrapped__.__func__
    assert inspect.signature(found) == inspect.signature(method)


def test_a_function_without_a_name_crosses_with_what_is_in_it():
    """A local function is rebuilt at the other side, with its options; it may refer to itself."""

    @parallel(name="local", chunksize=3)
    def factorial(n):
        """Recursive, and local."""
        return 1 if n < 2 else n * factorial(n - 1)

    found = pickle.loads(cloudpickle.dumps(factorial))
    assert found is not factorial
    assert found(5) == 120
    assert (found.__name__, found.__doc__) == ("factorial", "Recursive, and local.")
    assert found._options == Options(name="local", chunksize=3)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(factorial)


def test_a_function_whose_name_leads_elsewhere_crosses_with_what_is_in_it():
    """The name is used only where it leads back to the function."""
    again = parallel(square.__wrapped__)
    found = pickle.loads(cloudpickle.dumps(again))
    assert found is not square
    assert found(3) == 9
    other = parallel(root.__wrapped__, name="roots")
    assert pickle.loads(cloudpickle.dumps(other)).task(4).name == "roots"


def test_the_methods_of_a_local_class_cross():
    """The class is rebuilt at the other side, with its decorated methods."""

    class Local:
        @parallel
        def plus(self, x):
            return x + 1

        @parallel
        @classmethod
        def name(cls, x):
            return cls.__name__ * x

        @parallel
        @staticmethod
        def minus(x):
            return x - 1

    found = pickle.loads(cloudpickle.dumps([Local().plus, Local.name, Local.minus]))
    assert [function(2) for function in found] == [3, "LocalLocal", 1]
