"""The options of `@parallel` go to the executor; what is wrong is refused with advice."""

import asyncio
import functools
import sys

import pytest
from decorated import Scale, power, square

from taskpar import SerialExecutor, Task, parallel, record_of, use

BEFORE_3_13 = sys.version_info < (3, 13)


def test_options_go_to_the_executor(serial):
    """A chunk or buffer size given to the decorator holds for each `map`, a name for each task."""
    assert power.task(2).name == "powers"
    assert square.task(2).name == "square"
    assert parallel(square, name="other").task(2).name == "other"
    seen = []
    inputs = (seen.append(x) or x for x in range(100))
    results = power.map(inputs)
    assert next(results) == 0
    assert len(seen) <= 6
    results.close()


def test_options_that_speak_of_errors_hold_for_calls_that_are_sent_and_for_no_plain_call(serial):
    """The function raises; its parallel calls are tried again, and their errors come as asked."""

    @parallel(retries=2, on_error="return")
    def inverse(number):
        return 1 / number

    zero, half = inverse.map([0, 2])
    assert (type(zero), half) == (ZeroDivisionError, 0.5)
    assert record_of(zero).attempt == 3
    assert type(inverse.submit(0).result()) is ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        inverse(0)


def test_a_task_is_that_of_the_decorated_function():
    """`f.task(...)` is `Task(f, ...)`: equal, and running it is the plain call."""
    assert square.task(3) == Task(square, 3)
    scale = Scale(3)
    assert scale.times.task(3) == Task(scale.times, 3) != Task(Scale(3).times, 3)
    assert square.task(3)() == 9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"chunksize": 0}, ValueError, "^chunksize must be a positive integer or None, not 0$"),
        ({"buffersize": "x"}, TypeError, "^buffersize must be a positive integer or None"),
        ({"name": 1}, TypeError, "^name must be a string or None, not 1$"),
        ({"retries": -1}, ValueError, "^retries must be an integer of at least 0 or None, not -1$"),
        ({"on_error": "log"}, ValueError, "^on_error must be one of 'raise', 'return', 'skip'"),
        ({"workers": 1}, TypeError, "no option 'workers': there are name, chunksize"),
    ],
)
def test_wrong_options_are_refused_before_there_is_a_function(options, error, message):
    """The line with the mistake is the one in the traceback."""
    with pytest.raises(error, match=message):
        parallel(**options)


@pytest.mark.parametrize("wrong", [None, 3, "f", property(len)])
def test_only_functions_can_be_decorated(wrong):
    """The argument is named."""
    with pytest.raises(TypeError, match=r"^fn must be callable, not "):
        parallel(wrong)
    with pytest.raises(TypeError, match=r"^fn must be callable, not "):
        parallel(chunksize=1)(wrong)


def test_an_async_function_is_refused():
    """It would only return a coroutine, which cannot cross; the message tells what to do."""

    async def work(x):
        return x

    async def many(x):
        yield x

    for wrong in (work, many, staticmethod(work), classmethod(work), functools.partial(work).func):
        with pytest.raises(TypeError, match=r"^fn must be a plain function, not an async def"):
            parallel(wrong)


def test_the_advice_for_async_functions_works(shared):
    """A coroutine awaits the plain function's future."""

    async def main():
        with use(SerialExecutor()):
            return await asyncio.wrap_future(square.submit(3))

    assert asyncio.run(main()) == 9


@pytest.mark.skipif(BEFORE_3_13, reason="classmethod still asks what it wraps to bind itself")
def test_below_classmethod_the_methods_are_refused_with_advice(serial):
    """From Python 3.13 on, the class cannot be learned there: rather an error than a wrong one."""
    for attempt in (Scale.below_class.map, Scale.below_class.submit, Scale.below_class.task):
        with pytest.raises(TypeError, match="write @parallel above @classmethod"):
            attempt([1])
