"""Schedules from their beginning to their end, each replayed by its seed.

As a program: ``python tests/unit/ledger_play.py 0 100000`` plays these seeds, and tells what
happened in them. It does not need hypothesis.
"""

import sys
from collections import Counter
from math import inf
from random import Random
from time import perf_counter

from ledger_accounts import DROPPED, HOME
from ledger_moves import MOVES, Draw, a_question_is_answered, begin, one_of, run_all
from ledger_world import World

MOST_MOVES = 120


def play(seed: int) -> World:
    """Play the schedule of a seed."""
    random = Random(seed)

    def draw(n: int) -> int:
        return int(random.random() * n)

    try:
        world = begin(draw)
        for move in random.choices([*MOVES], [*MOVES.values()], k=draw(MOST_MOVES)):
            move(world, draw)
        come_to_an_end(world, draw)
    except Exception as error:
        error.add_note(f"This is the schedule of seed {seed}.")
        raise
    return world


def come_to_an_end(world: World, draw: Draw) -> None:
    """When all is answered and time passes, all comes home, and the workers are let go."""
    if draw(2):
        world.shut_down(cancel=draw(3) == 1, kill=draw(3) == 1)
    calls = sum(len(job.where) for job in world.jobs.values())
    for _ in range(100 + 40 * calls):
        if not step_towards_the_end(world, draw):
            break
    else:
        raise AssertionError("it never ends")
    if not world.closing:
        world.shut_down()
    assert world.stopped, "the workers were not let go"
    for number, job in world.jobs.items():
        for index, place in enumerate(job.where):
            assert place in (HOME, DROPPED) or job.closed, f"{number, index} is {place}"
    for waiting in world.ledger._jobs.values():
        notes = waiting.attempts or waiting.fresh or waiting.unwanted or waiting.asked
        assert not notes, "something is still known of single calls that are home"


def step_towards_the_end(world: World, draw: Draw) -> bool:
    """Do what somebody waits for; tell whether there was something."""
    ticket = one_of(world.out, draw)
    fences = [(number, index) for number, job in world.jobs.items() for index in job.fences]
    if world.kills:
        world.kill()
    elif world.views:
        world.looked()
    elif world.looks:
        world.look()
    elif world.questions:
        a_question_is_answered(world, draw)
    elif ticket is not None:
        work_towards_the_end(world, ticket, draw)
    elif world.slots == 0 and any(job.startable for job in world.jobs.values()):
        world.want(None, None)
    elif fences:
        world.read(*fences[0])
    elif world.ledger.due < inf:
        world.until_due()
    else:
        return False
    return True


def work_towards_the_end(world: World, ticket: int, draw: Draw) -> None:
    """A worker runs its batch; or it hangs, if a time limit can help."""
    batch = world.out[ticket]
    limit = world.jobs[batch.job].rules.time_limit
    if batch.condemned:
        world.die(ticket)
    elif batch.lent or limit is None or batch.ran == batch.stop or draw(3):
        run_all(world, ticket)
    elif batch.since is None:
        world.begin(ticket)
    else:
        world.until_due()


def main(first: int, stop: int) -> None:
    """Play seeds, and tell what happened in them."""
    begun, counts = perf_counter(), Counter[str]()
    for seed in range(first, stop):
        world = play(seed)
        for job in world.jobs.values():
            counts["calls"] += len(job.where)
            counts["calls started"] += job.starts.total()
        counts.update(f"was told {type(event).__name__}" for event, _ in world.story)
        counts.update(f"said {name}" for name in world.names)
    print(f"{stop - first:,} schedules in {perf_counter() - begun:.0f} s, without a fault")
    for name, number in counts.most_common():
        print(f"{number:12,} {name}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
