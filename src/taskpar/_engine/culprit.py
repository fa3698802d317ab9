"""What in an object cannot be pickled, and how to say so: the path to it, and the ways out.

Asked for when pickling has failed, never before, so it may take some time, within bounds: an object
that is refused is taken apart, and its parts are tried, many at once; those that are refused again
by halves, down to the one.
"""

import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Literal, NamedTuple, cast

from taskpar._engine import pickling
from taskpar._engine.exceptions import is_ctrl_c
from taskpar._engine.parts import Part, arguments, parts_of, reached_by, shown
from taskpar._model.task import Task, call, name_of

DEEPEST = 50
"""Steps of a path: what is nested deeper is told by its outer part."""

TRIES = 1000
"""Enough for three steps through a million items each, or for hundreds of objects in a cycle."""

CROWD = 4096
"""Parts that are tried at once, at the most: some milliseconds' work."""

SECONDS = 3.0
"""Tries that take longer together end with what was found by then: big objects are slow to try."""

LONGEST = 200
"""Characters of a path that are shown: its end, which is what is to be looked at."""

FUNCTION = "the function"

Dumps = Callable[[object], object]
Found = tuple[str, object]
"""The path, and the part that it leads to."""


def path_to_culprit(thing: object, dumps: Dumps) -> Found | None:
    """Find the smallest part of a thing that cannot be pickled.

    Args:
        thing: What could not be pickled.
        dumps: Pickles, or raises.

    Returns:
        The path from the thing to the part (``".conn._sock"``, ``"['x'][3].a"``,
        ``" captured variable 'lock'"``; empty: it is the thing itself), and the part. None: the
        thing can be pickled.

    Raises:
        KeyboardInterrupt: The user's own; nothing else, whatever the objects do.
    """
    found = _first_culprit([(thing, "", None)], dumps) if _refuses(dumps, thing) else None
    return None if found is None else found[1]


def _refuses(dumps: Dumps, thing: object) -> bool:
    try:
        dumps(thing)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return True
    return False


def _first_culprit(parts: Sequence[Part], dumps: Dumps) -> tuple[Part, Found] | None:
    """Find the first part that cannot be pickled, and the path from it to the culprit.

    There is one: what is the only part is not tried.
    """
    search = _Search(dumps)
    part: Part | None = None
    try:
        for part in parts if len(parts) == 1 else search.refused(parts):
            return part, search.within("", part[0], DEEPEST) or ("", part[0])
    except BaseException as error:
        if is_ctrl_c(error):
            raise
    return None if part is None else (part, search.deepest)


class _EnoughError(Exception):
    """The search has taken as long as it may."""


class _Search:
    """A search through objects that may refer to each other in any way."""

    def __init__(self, dumps: Dumps) -> None:
        self._dumps = dumps
        self._tries = TRIES
        self._seconds = SECONDS
        self._seen: dict[int, object] = {}
        """All refused; they are kept, so that no other object gets the identity of one of them."""
        self.deepest: Found = "", None

    def within(self, path: str, thing: object, steps: int) -> Found | None:
        """Find the culprit in a thing that is refused; None: all leads back to what was seen."""
        self.deepest = path, thing
        self._seen[id(thing)] = thing
        parts = parts_of(thing) if steps else []
        fresh = [part for part in parts if id(part[0]) not in self._seen]
        innocent = len(fresh) < len(parts)
        for value, form, key in self.refused(fresh):
            innocent = True
            if id(value) not in self._seen:
                found = self.within(path + reached_by(form, key), value, steps - 1)
                if found is not None:
                    return found
        return None if innocent else (path, thing)

    def refused(self, parts: Sequence[Part]) -> Iterator[Part]:
        """Find, one after the other, the parts that cannot be pickled."""
        if len(parts) > CROWD:  # what is odd among many alike is likely it
            alike = Counter(type(value) for value, _, _ in parts)
            parts = sorted(parts, key=lambda part: alike[type(part[0])])
        start, size = 0, 1
        while start < len(parts):
            yield from self._among(parts[start : start + size])
            start, size = start + size, min(2 * size, CROWD)

    def _among(self, parts: Sequence[Part]) -> Iterator[Part]:
        if not self._refuses(parts):
            return
        if len(parts) == 1:
            yield parts[0]
            return
        middle = len(parts) // 2
        yield from self._among(parts[:middle])
        yield from self._among(parts[middle:])

    def _refuses(self, parts: Sequence[Part]) -> bool:
        """Tell whether there is a part among these that cannot be pickled."""
        if not self._tries or self._seconds <= 0.0:
            raise _EnoughError
        begin = monotonic()
        refused = _refuses(self._dumps, [value for value, _, _ in parts])
        self._tries -= 1
        self._seconds -= monotonic() - begin
        return refused


# ------------------------------------------------------------------------------------ messages
What = Literal["function", "argument", "result"]
Shape = Literal["one", "star", "call"]

_UNKNOWN = object()

_WAYS = {
    "there": "pass what it is made from and make it in the task; open it once per worker "
    "(Worker.setup, initializer=)",
    "back": "return what is needed of it as numbers, strings and lists",
    "deep": "hold its parts in a flat list, with numbers in place of references",
    "anew": "see to it that its module can be imported on both sides, or goes by value "
    "(cloudpickle.register_pickle_by_value), and that its class says how to make it anew "
    "(__reduce__)",
}


class Explanation(NamedTuple):
    """Why something of a call cannot cross: the message, but for the number of the call.

    Args:
        subject: What cannot cross.
        name: The function's name behind the number; empty where it is not the culprit.
        reason: What is the matter, and the ways out.
    """

    subject: str
    name: str
    reason: str

    def of(self, index: int) -> str:
        """Return the message for one call."""
        return f"{self.subject} of call {index}{self.name} {self.reason}"


def crossing_message(
    what: What,
    index: int,
    error: BaseException,
    *,
    thing: object = _UNKNOWN,
    function: object = None,
    shape: Shape = "one",
) -> str:
    """Say what of a call cannot cross, why, and what to do; the arguments are `explanation`'s."""
    return explanation(what, error, thing=thing, function=function, shape=shape).of(index)


def explanation(
    what: What,
    error: BaseException,
    *,
    thing: object = _UNKNOWN,
    function: object = None,
    shape: Shape = "one",
) -> Explanation:
    """Find out why something cannot cross.

    Args:
        what: What it is of a call.
        error: What pickling or unpickling raised.
        thing: What could not be pickled: the function, the call's item or its result. Without it:
            something could not be unpickled, so that there is nothing to look into.
        function: What is called, where it is known: it gives the arguments their names.
        shape: How it takes the item: ``f(x)``, ``f(*x)`` or ``f(*x[0], **x[1])``.

    Raises:
        KeyboardInterrupt: The user's own; nothing else, whatever the objects do.
    """
    parts = _parts_of_call(what, thing, function, shape)
    found = None
    if thing is _UNKNOWN:
        reason, way = f"unpickled: {shown(error, _named)}", "anew"
    elif _is_too_deep(error):
        reason, way = f"pickled, as it is nested too deeply: {_said(error)}", "deep"
    else:
        found = _first_culprit(parts, _pickled)
        reason, way = f"pickled: {_said(error)}", "back" if what == "result" else "there"
    part = parts[0] if len(parts) == 1 else (thing, "the arguments", None)
    if found is not None:
        part, (path, culprit) = found
        reason = f"pickled: {_placed(path, culprit)} ({_said(error)})"
    called, form, key = part
    name = f" ({shown(called, name_of)})" if form == FUNCTION and called is not _UNKNOWN else ""
    out = f"Ways out: {_WAYS[way]}; or use ThreadExecutor, which shares memory."
    return Explanation(reached_by(form, key).strip(), name, f"cannot be {reason}\n{out}")


def _parts_of_call(what: What, thing: object, function: object, shape: Shape) -> list[Part]:
    """Name what may be the culprit."""
    if what != "argument":
        return [(thing, FUNCTION if what == "function" else "the result", None)]
    args: Sequence[object] = (thing,)
    kwargs: Mapping[str, object] = {}
    if function is call and type(thing) is Task:  # as `Executor.run` does it
        own = arguments(thing.fn, thing.args, thing.kwargs)
        return [*own, (thing.fn, FUNCTION, None)]
    if shape != "one" and type(thing) not in (list, tuple):  # a row may be anything to be iterated
        return [(thing, "the arguments", None)]
    if shape == "star":
        args = cast("Sequence[object]", thing)
    elif shape == "call":
        args, kwargs = cast("tuple[Sequence[object], Mapping[str, object]]", thing)
    return list(arguments(function, args, kwargs))


def _pickled(thing: object) -> object:
    """Pickle without copying big buffers."""
    return pickling.dumps(thing, [])


def _is_too_deep(error: BaseException) -> bool:
    """Tell whether there was no stack left; cloudpickle says so in its own way."""
    if type(error) is pickle.PicklingError:
        return type(error.__cause__) is RecursionError
    return type(error) is RecursionError


def _said(error: BaseException) -> str:
    """Return what an error says; of what kind it is does not matter where pickle says it."""
    return shown(error, str if type(error) in (TypeError, pickle.PicklingError) else _named)


def _named(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {error}".removesuffix(": ")


def _placed(path: str, culprit: object) -> str:
    place = path.strip() or "it"
    if len(place) > LONGEST:
        place = f"...{place[-LONGEST:]}"
    return f"{place} is {shown(culprit, _kind)}"


def _kind(thing: object) -> str:
    """Tell what a thing is, with its article: ``a socket.socket``."""
    if issubclass(type(thing), type):
        return f"the class {_called(cast('type', thing))}"
    name = _called(type(thing))
    return f"{'an' if name.strip('_')[:1].lower() in 'aeiou' else 'a'} {name}"


def _called(cls: type) -> str:
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )
