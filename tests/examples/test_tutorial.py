"""The seventeen programs of the tutorial print what they promise, on all executors that fit."""

import re

import pytest
from programs import EXAMPLES, Run

from rig.executors import KINDS, PROCESS_KINDS
from rig.leaks import can_see_processes

AT_ONCE = ("thread", *PROCESS_KINDS)  # where calls run beside the caller, and beside each other

everywhere = pytest.mark.parametrize("kind", KINDS)
in_processes = pytest.mark.parametrize("kind", PROCESS_KINDS)
at_once = pytest.mark.parametrize("kind", AT_ONCE)


def test_there_are_seventeen_and_each_says_what_it_shows() -> None:
    """Numbered from 1 to 17; each begins with a docstring; none has, or needs, a guard."""
    programs = sorted((EXAMPLES / "tutorial").glob("*.py"))
    assert [int(program.name[:2]) for program in programs] == list(range(1, 18))
    for program in programs:
        text = program.read_text(encoding="utf-8")
        assert text.startswith('"""')
        assert "__main__" not in text


@everywhere
def test_a_process_runs_a_function(run: Run, kind: str) -> None:
    """Program 1: what the child prints is there when the program ends."""
    assert run("tutorial/01_simple.py", on=kind) == ["hello Peter"]


@at_once
def test_joining_waits_and_not_joining_does_not(run: Run, kind: str) -> None:
    """Program 2: the result and the block wait; ``shutdown(wait=False)`` does not."""
    assert run("tutorial/02_joining.py", on=kind) == [
        "the parent goes on, the child is done: False",
        "result() waits: slept well",
        "the block has waited, the child is done: True",
        "shutdown(wait=False) has not, the child is done: False",
        "its result comes all the same: slept well",
    ]


@at_once
def test_three_children_overlap(run: Run, kind: str) -> None:
    """Program 3: 3, 2 and 1 units take about 3, not 6, unless each is joined before the next."""
    *joined, overlap, times, ratio = run("tutorial/03_join_order.py", on=kind)
    assert joined == [f"the child of {units} units is done" for units in (3, 2, 1)]
    assert overlap == "the last began before the first was done: True", times
    # Half on an idle machine; how long workers take to start is no matter of this test.
    assert float(ratio.removeprefix("ratio ")) > 0.3, times


def test_a_living_child_is_seen(run: Run) -> None:
    """Program 4: its future tells that it runs; its process has the task's name, and no exit code.

    When it is done, both are over.
    """
    assert run("tutorial/04_is_alive.py") == [
        "running: True done: False",
        "Sleeper alive: True exit code: None",
        "running: False done: True",
        "processes left: 0",
    ]


@in_processes
def test_process_ids_are_told_and_recorded(run: Run, kind: str) -> None:
    """Program 5: the child is another process; a spawned one is ours; the record tells which."""
    ours, child, record = run("tutorial/05_process_id.py", on=kind)
    our_pid, _ = map(int, re.findall(r"\d+", ours))
    its_pid, its_parent = map(int, re.findall(r"\d+", child))
    assert its_pid != our_pid
    assert record == f"call 0 of ids ran in process {its_pid}"
    if can_see_processes():  # elsewhere a launcher may stand between the two
        assert its_parent == our_pid


def test_processes_have_names(run: Run) -> None:
    """Program 6: those that tasks are given, else the function's; a worker that stays: a number."""
    assert run("tutorial/06_naming_workers.py") == [
        "Service 1 is working",
        "Service 2 is working",
        "service is working",
        "Worker-1 is working",
    ]


def test_the_process_class_may_be_subclassed(run: Run) -> None:
    """Program 7: the worker is set up once, keeps its state from task to task, is torn down."""
    assert sorted(run("tutorial/07_subclassing_process.py")) == [
        "Worker-1 has served 3",
        "['hello Peter', 'hello Lucy', 'hello Roger']",
    ]


def test_every_process_of_a_task_is_set_up_and_torn_down(run: Run) -> None:
    """Program 7 with a fresh process for each task: each has served one, under its task's name."""
    assert sorted(run("tutorial/07_subclassing_process.py", on="process")) == [
        "['hello Peter', 'hello Lucy', 'hello Roger']",
        *["greet has served 1"] * 3,
    ]


@everywhere
def test_a_pool_maps(run: Run, kind: str) -> None:
    """Program 8: the squares come in order."""
    squares, _ = run("tutorial/08_worker_pool.py", on=kind)
    assert squares == "[4, 16, 36, 64]"


@everywhere
def test_a_function_may_have_many_arguments(run: Run, kind: str) -> None:
    """Program 9: as a plain call, as rows, as columns."""
    lines = run("tutorial/09_multiple_arguments.py", on=kind)
    assert lines == ["1024", "[4, 64, 3125]", "[4, 64, 3125]"]


@everywhere
def test_unlike_functions_run_together(run: Run, kind: str) -> None:
    """Program 10: as tasks, as partials, as rows for `call`."""
    assert run("tutorial/10_multiple_functions.py", on=kind) == ["[5, 1, 7]"] * 3


@everywhere
def test_the_digits_of_pi_are_those_of_the_serial_run(run: Run, kind: str) -> None:
    """Program 11: and their ends are those that are known."""
    _, *digits, same = run("tutorial/11_pi_bbp.py", on=kind)
    assert digits == [
        "2000 digits: 3.14159265...7802759009",
        "1500 digits: 3.14159265...7509302955",
        "1000 digits: 3.14159265...2164201989",
    ]
    assert same == "the same digits: True"


@in_processes
def test_processes_have_their_own_memory(run: Run, kind: str) -> None:
    """Program 12: the worker's list grows; ours does not."""
    lines = run("tutorial/12_own_memory.py", on=kind)
    assert lines == ["the worker's list: [1, 2, 3, 4, 5]", "our list: [1, 2]"]


@everywhere
def test_thirty_processes_count_to_thirty(run: Run, kind: str) -> None:
    """Program 13: exactly."""
    assert run("tutorial/13_shared_counter.py", on=kind) == ["30"]


@everywhere
def test_results_come_as_they_are_ready(run: Run, kind: str) -> None:
    """Program 14: whatever the order, the drawings are the same."""
    *drawn, in_order = run("tutorial/14_simple_queue.py", on=kind)
    drawings = [(0, 68), (1, 8), (2, 24), (3, 24)]
    assert sorted(drawn) == [f"worker {number} has drawn {value}" for number, value in drawings]
    assert in_order == f"in order: {drawings}"


def test_four_workers_read_a_word_each(run: Run) -> None:
    """Program 15: nobody reads two while another is idle, and no word is read twice."""
    lines = [line.split(" reads ") for line in run("tutorial/15_queue_consumers.py")]
    assert sorted(worker for worker, _ in lines) == [f"Worker-{number}" for number in (1, 2, 3, 4)]
    assert sorted(word for _, word in lines) == ["cloud", "rock", "sky", "wolf"]


@everywhere
def test_results_are_put_back_in_order(run: Run, kind: str) -> None:
    """Program 16: in order by ``map``; a permutation of that by ``map_unordered``."""
    as_they_come, in_order = run("tutorial/16_queue_order.py", on=kind)
    assert in_order == "in order: [4, 16, 36, 9, 25, 64, 81, 49]"
    squares = sorted(map(int, re.findall(r"\d+", as_they_come)))
    assert squares == [4, 9, 16, 25, 36, 49, 64, 81]


@everywhere
@pytest.mark.parametrize("workers", [1, 3])
def test_the_estimate_of_pi_depends_on_the_seed_alone(run: Run, kind: str, workers: int) -> None:
    """Program 17: not on the executor, nor on the number of its workers."""
    (line,) = run("tutorial/17_pi_monte_carlo.py", on=f"{kind}:{workers}")
    assert line.startswith("pi is about 3.142904 (")
