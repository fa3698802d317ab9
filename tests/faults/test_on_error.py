"""What becomes of errors: ``on_error`` on every method of every executor.

The oracle is the builtin: what ``next`` gives on ``map`` or ``itertools.starmap``, time after time.
"""

from concurrent.futures import wait
from functools import partial
from itertools import starmap

import pytest
from deeds import FailedError, decorated, killed, work
from hypothesis import given
from hypothesis import strategies as st
from places import WITHIN, each_kind_in_processes, everywhere, outcomes, told

from rig.executors import KINDS, quick
from taskpar import CrossingError, Task, TaskTimeoutError, WorkerDiedError, record_of, use

METHODS = ["map", "map_unordered", "starmap", "starmap_unordered"]
POLICIES = [None, "raise", "return", "skip", "group"]


INPUTS = st.lists(st.integers(0, 9) | st.sampled_from(["bad", "worse", "exit"]), max_size=12)


def serially(method, inputs):
    """The outcomes of the builtin."""
    if method.startswith("star"):
        return outcomes(starmap(work, [(each,) for each in inputs]))
    return outcomes(map(work, inputs))


def treated(policy, seen):
    """What a policy makes of outcomes, by its definition."""
    errors = [each for each in seen if isinstance(each, BaseException)]
    values = [each for each in seen if not isinstance(each, BaseException)]
    if policy in (None, "raise"):
        return list(map(told, seen))
    if policy == "return":
        return [("value", told(each)) for each in seen]
    return [("value", each) for each in values] + (
        [("group", list(map(told, errors)))] if policy == "group" and errors else []
    )


def as_read(policy, results):
    """What was read, in the same words."""
    read = []
    while True:
        try:
            value = next(results)
        except StopIteration:
            return read
        except BaseExceptionGroup as group:
            read.append(("group", list(map(told, group.exceptions))))
        except BaseException as error:
            read.append(told(error))
        else:
            read.append(value if policy in (None, "raise") else ("value", told(value)))


@given(inputs=INPUTS)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_policy_makes_of_the_outcomes_of_the_builtin_what_it_says(
    kind, method, policy, inputs, shared
):
    """Whatever fails, wherever it stands."""
    executor = shared.of(quick(kind)).options(on_error=policy)
    rows = [(each,) for each in inputs] if method.startswith("star") else inputs
    seen = as_read(policy, getattr(executor, method)(work, rows))
    wanted = treated(policy, serially(method, inputs))
    if method.endswith("unordered"):
        seen, wanted = _sorted(seen), _sorted(wanted)
    assert seen == wanted


def _sorted(read):
    return sorted(repr(_in_order(each)) for each in read)


def _in_order(each):
    grouped = isinstance(each, tuple) and each[0] == "group"
    return ("group", sorted(map(repr, each[1]))) if grouped else each


@pytest.mark.parametrize("policy", POLICIES)
def test_run_obeys_the_policy(executor, policy):
    """A list of what there is, or the error, or all errors in one group."""
    tasks = [Task(work, what) for what in (1, "bad", 2, "worse")]
    wanting = executor.options(on_error=policy)
    if policy == "return":
        assert list(map(told, wanting.run(tasks))) == [
            10,
            (FailedError, ("bad",)),
            20,
            (FailedError, ("worse",)),
        ]
    elif policy == "skip":
        assert wanting.run(tasks) == [10, 20]
    elif policy == "group":
        with pytest.raises(ExceptionGroup) as group:
            wanting.run(tasks)
        assert [told(each)[1] for each in group.value.exceptions] == [("bad",), ("worse",)]
        assert [record_of(each).index for each in group.value.exceptions] == [1, 3]
    else:
        with pytest.raises(FailedError, match="bad"):
            wanting.run(tasks)
    assert wanting.run([Task(work, 1)]) == [10]
    assert wanting.run([]) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_submit_obeys_the_policy(executor, policy):
    """A future has its error as its exception, as its result, or in a group of one."""
    wanting = executor.options(on_error=policy)
    if policy == "skip":
        with pytest.raises(ValueError, match="skip"):
            wanting.submit(work, 1)
        return
    good, bad = wanting.submit(work, 1), wanting.submit(work, "bad")
    wait([good, bad], WITHIN)
    assert good.result() == 10
    if policy == "return":
        assert told(bad.result()) == (FailedError, ("bad",))
    elif policy == "group":
        (error,) = bad.exception().exceptions
        assert told(error) == (FailedError, ("bad",))
    else:
        assert told(bad.exception()) == (FailedError, ("bad",))
    assert record_of(bad).name == "work"


def test_a_group_of_ordinary_errors_is_caught_as_an_ordinary_error(executor):
    """And by ``except*``; one with a `SystemExit` in it is not."""
    wanting = executor.options(on_error="group")
    seen = []
    try:
        wanting.run([Task(work, "bad"), Task(work, 1)])
    except* FailedError as group:
        seen = list(map(told, group.exceptions))
    assert seen == [(FailedError, ("bad",))]
    with pytest.raises(BaseExceptionGroup) as raised:
        wanting.run([Task(work, "exit")])
    assert not isinstance(raised.value, Exception)


@pytest.mark.parametrize("policy", POLICIES)
def test_what_the_input_raises_is_no_calls_error(executor, policy):
    """It is raised in its place, whatever is to become of the errors of calls."""

    def numbers():
        yield 1
        yield "bad"
        raise KeyError("the input")

    results = executor.options(on_error=policy).map(work, numbers())
    seen = as_read(policy, results)
    assert (KeyError, ("the input",)) in seen
    assert sum((FailedError, ("bad",)) in (each, each[-1]) for each in seen if each != 10) == (
        policy in (None, "raise", "return")
    )


class Refuses:
    """Cannot be pickled."""

    def __reduce__(self):
        raise ValueError("not me")


def misbehave(what):
    """Fail in each way that is not an exception of the task's."""
    if what == "dies":
        killed()
    elif what == "stays":
        import time

        time.sleep(60)
    elif what == "result":
        return Refuses()
    return what


@each_kind_in_processes
@pytest.mark.parametrize("policy", ["return", "skip", "group"])
def test_what_happens_around_a_call_obeys_the_policy_too(bench, policy):
    """The death of its worker, its time limit, and what cannot cross."""
    wanted = {"dies": WorkerDiedError, "stays": TaskTimeoutError, "result": CrossingError}
    with bench.make() as executor:
        wanting = executor.options(on_error=policy, time_limit=1.5)
        read = as_read(policy, wanting.map(misbehave, [1, "dies", 2, "stays", 3, "result", 4]))
        values = [told(each[1]) for each in read if each[0] == "value"]
        assert [each for each in values if isinstance(each, int)] == [1, 2, 3, 4]
        errors = [each[0] for each in values if not isinstance(each, int)]
        if policy == "group":
            errors = [cls for cls, _ in read[-1][1]]
        assert errors == ([] if policy == "skip" else list(wanted.values()))


@everywhere
def test_a_policy_is_refused_that_there_is_not(bench):
    """With those that there are."""
    with bench.make() as executor:
        with pytest.raises(ValueError, match=r"raise.*return.*skip.*group"):
            executor.options(on_error="ignore")
        assert (
            executor.options(on_error="skip").options(on_error=None).submit(abs, -1).result() == 1
        )


def test_a_decorated_function_has_a_policy_of_its_own(executor):
    """For its calls in parallel; called plainly, it raises."""
    with use(executor):
        assert [told(each) for each in decorated.map([1, "bad"])] == [10, (FailedError, ("bad",))]
    with pytest.raises(FailedError):
        decorated("bad")


def test_a_policy_holds_for_a_view_alone(executor):
    """The executor that it was made of goes on as before."""
    lenient = executor.options(on_error="return")
    assert told(next(lenient.map(work, ["bad"]))) == (FailedError, ("bad",))
    with pytest.raises(FailedError):
        next(executor.map(partial(work), ["bad"]))
