"""The search for what cannot be pickled has an end, however much there is to search."""

import time

import pytest
from hiding import REFUSED, Thing

from taskpar._engine import culprit
from taskpar._engine.culprit import path_to_culprit
from taskpar._engine.pickling import dumps


class Counting:
    """Pickles, and counts how often."""

    def __init__(self):
        self.tries = 0

    def __call__(self, thing):
        """Pickle once more."""
        self.tries += 1
        return dumps(thing)


@pytest.mark.parametrize("place", [0, 4321, 99_999])
def test_one_among_very_many_takes_few_tries(place):
    """Of its own kind, it is found at once; among its like, by halves."""
    counting = Counting()
    things = [(number,) for number in range(100_000)]
    things[place] = REFUSED
    assert path_to_culprit(things, counting) == (f"[{place}]", REFUSED)
    assert counting.tries < 10
    counting = Counting()
    things[place] = (REFUSED,)
    assert path_to_culprit(things, counting) == (f"[{place}][0]", REFUSED)
    assert counting.tries < 100


def test_a_million_items_cost_no_more_than_the_bound():
    """Also where each has an attribute that is refused."""
    begin = time.monotonic()
    path, _ = path_to_culprit([(1, REFUSED)] * 1_000_000, dumps)
    assert path == "[0][1]"
    assert time.monotonic() - begin < 20  # a bound, not a measure


def test_what_leads_back_is_not_followed_again():
    """A cycle is no culprit, whichever way round it is met first."""
    first, second = Thing(), Thing()
    first.other, second.other = second, first
    first.lock = REFUSED
    assert path_to_culprit(first, dumps) == (".lock", REFUSED)
    assert path_to_culprit(second, dumps) == (".other.lock", REFUSED)
    itself = [1]
    itself += [itself, Thing(back=itself), {"lock": REFUSED}]
    assert path_to_culprit(itself, dumps) == ("[3]['lock']", REFUSED)


def test_a_net_of_many_that_all_lead_to_each_other_is_left_in_time():
    """Each is looked at once."""
    counting = Counting()
    net = [Thing() for _ in range(300)]
    for thing in net:
        thing.net = net
    net[-1].lock = REFUSED
    path, _ = path_to_culprit(net[0], counting)
    assert path.startswith(".net")
    assert counting.tries <= culprit.TRIES + 1


def test_what_is_nested_deeper_is_told_by_its_outer_part():
    """A path has an end."""
    thing = REFUSED
    for _ in range(200):
        thing = [thing]
    path, part = path_to_culprit(thing, dumps)
    assert path == "[0]" * culprit.DEEPEST
    assert type(part) is list


def test_a_search_that_takes_too_long_tells_what_it_has_found(monkeypatch):
    """The path so far."""
    monkeypatch.setattr(culprit, "SECONDS", 0.0)
    thing = Thing(a=[REFUSED])
    assert path_to_culprit(thing, dumps) == ("", thing)


def test_what_says_that_it_has_no_end_of_parts_is_left():
    """Its parts are not waited for."""
    thing = Endless()
    assert path_to_culprit([thing], refusing_endless) == ("[0]", thing)


class Endless:
    """Has items for ever."""

    def __reduce__(self):
        return Endless, (), None, iter(int, 1)


def refusing_endless(thing):
    """Refuse it, without trying: there would be no end."""
    if isinstance(thing, Endless) or (isinstance(thing, list) and Endless in map(type, thing)):
        raise TypeError("no end")
    return dumps(thing)
