"""Functions and methods under ``@parallel``, in every order with other decorators.

They have a module of their own, as every new worker imports it: it imports next to nothing.
"""

import functools
import sys

from taskpar import parallel


def counted(function):
    """A decorator as everybody writes them."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        wrapper.calls += 1
        return function(*args, **kwargs)

    wrapper.calls = 0
    return wrapper


@parallel
def square(x: int) -> int:
    """Multiply by itself."""
    return x * x


@parallel(name="powers", chunksize=2, buffersize=5)
def power(x: int, n: int = 2, /, *, plus: int = 0) -> int:
    """Multiply by itself, n times."""
    return x**n + plus


@parallel
def fibonacci(n: int) -> int:
    """A recursive function that runs in parallel itself."""
    return n if n < 2 else sum(fibonacci.map([n - 1, n - 2]))


@parallel
def root(x: float) -> float:
    """Raises for what is negative."""
    if x < 0:
        raise ValueError("negative", x)
    return x**0.5


@parallel
@counted
def above_wraps(x: int) -> int:
    """A decorated function, decorated."""
    return x + 1


@counted
@parallel
def below_wraps(x: int) -> int:
    """A parallel function, decorated."""
    return x + 2


@parallel
@functools.lru_cache(maxsize=10)
def above_cache(x: int) -> int:
    """A cached function, decorated."""
    return x + 3


@functools.lru_cache(maxsize=10)
@parallel
def below_cache(x: int) -> int:
    """A parallel function, cached."""
    return x + 4


@parallel(chunksize=1)
@parallel
def twice(x: int) -> int:
    """Decorated twice."""
    return x + 5


class Scale:
    """Has methods of all kinds."""

    unit = 10

    def __init__(self, factor):
        self.factor = factor

    @parallel
    def times(self, x: int) -> int:
        """Multiply."""
        return self.factor * x

    @parallel(chunksize=1)
    @functools.lru_cache  # noqa: B019  # an odd thing to do, but it is done
    def cached(self, x: int) -> int:
        """Multiply, but remember."""
        return self.factor * x

    @parallel
    @staticmethod
    def above_static(x: int) -> int:
        """A static method, decorated."""
        return x + 1

    @staticmethod
    @parallel
    def below_static(x: int) -> int:
        """A parallel function as a static method."""
        return x + 2

    @parallel
    @classmethod
    def above_class(cls, x: int) -> int:
        """A class method, decorated."""
        return cls.unit * x

    @classmethod
    @parallel
    def below_class(cls, x: int) -> int:
        """A parallel function as a class method."""
        return cls.unit * x

    def all_times(self, xs):
        """Use one's own parallel method."""
        return list(self.times.map(xs))

    def __eq__(self, other):
        return isinstance(other, Scale) and self.factor == other.factor

    def __hash__(self):
        return hash(self.factor)


class Fine(Scale):
    """Overrides and inherits."""

    unit = 1000

    @parallel
    def times(self, x: int) -> int:
        """Go through the method of the parent, in parallel again."""
        (product,) = super().times.map([x])
        return -product


# The parallel functions, and the plain ones that they must equal.
CASES = {
    "function": (square, lambda x: x * x),
    "with options": (power, lambda x: x**2),
    "recursive": (fibonacci, [0, 1, 1, 2, 3, 5, 8].__getitem__),
    "above wraps": (above_wraps, lambda x: x + 1),
    "below wraps": (below_wraps.__wrapped__, lambda x: x + 2),
    "above lru_cache": (above_cache, lambda x: x + 3),
    "below lru_cache": (below_cache.__wrapped__, lambda x: x + 4),
    "twice": (twice, lambda x: x + 5),
    "builtin": (parallel(abs), abs),
    "lambda": (parallel(lambda x: x + 6), lambda x: x + 6),
    "method": (Scale(3).times, lambda x: 3 * x),
    "method of the class": (functools.partial(Scale.times, Scale(3)), lambda x: 3 * x),
    "overridden method": (Fine(3).times, lambda x: -3 * x),
    "method of the parent": (super(Fine, Fine(3)).times, lambda x: 3 * x),
    "cached method": (Scale(3).cached, lambda x: 3 * x),
    "above staticmethod": (Scale.above_static, lambda x: x + 1),
    "above staticmethod, of an instance": (Fine(3).above_static, lambda x: x + 1),
    "below staticmethod": (Scale.below_static, lambda x: x + 2),
    "below staticmethod, of an instance": (Fine(3).below_static, lambda x: x + 2),
    "above classmethod": (Scale.above_class, lambda x: 10 * x),
    "above classmethod, inherited": (Fine.above_class, lambda x: 1000 * x),
    "above classmethod, of an instance": (Fine(3).above_class, lambda x: 1000 * x),
    "below classmethod": (Scale.below_class, lambda x: 10 * x),
    "below classmethod, inherited": (Fine.below_class, lambda x: 1000 * x),
}

# Those that have the methods themselves.
PARALLEL = {
    name: case
    for name, case in CASES.items()
    if name != "method of the class"
    and (sys.version_info < (3, 13) or not name.startswith("below classmethod"))
}
