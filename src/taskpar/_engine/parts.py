"""What an object is made of, as far as pickle follows it, and how each part is reached.

Read from what the object itself tells pickle, so that what is looked into is what would travel;
only functions, classes and bound arguments, which travel by value, are taken apart here.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copyreg import dispatch_table
from types import BuiltinMethodType, CodeType, FunctionType, MemberDescriptorType, MethodType
from typing import Any, cast

from taskpar._engine import pickling
from taskpar._engine.exceptions import is_ctrl_c
from taskpar._model.checks import short
from taskpar._model.task import Task

Part = tuple[object, str, object]
"""A part, how it is reached, and by which key, index or name: that goes where the ``{}`` is."""

ITEM = "[{}]"
ATTRIBUTE = ".{}"
ARGUMENT = " argument {}"

MOST = 1 << 20
"""Parts of one object that are looked at: some may have no end."""

_PLAIN = frozenset((int, float, complex, bool, str, bytes, type(None)))
"""What is no culprit, and is not even tried."""

_REDUCED = f".__reduce_ex__({pickling.PROTOCOL})"


def parts_of(thing: object) -> list[Part]:
    """Return the parts of a thing, but for plain ones; never raises, whatever the thing does.

    Raises:
        KeyboardInterrupt: The user's own.
    """
    found: list[Part] = []
    try:
        for number, part in enumerate(_look_for(thing)(thing)):
            if number == MOST:
                break
            if type(part[0]) not in _PLAIN:
                found.append(part)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
    return found


def reached_by(form: str, key: object) -> str:
    """Return a step of a path, as a text to be put behind the others."""
    if form != ATTRIBUTE:
        return form.replace("{}", shown(key))
    named = type(key) is str and key.isidentifier()
    return f".{key}" if named else f".__dict__[{shown(key)}]"


def shown(thing: object, show: Callable[[Any], str] = short) -> str:
    """Show a thing in a short text, whatever happens in its ``__repr__``.

    Raises:
        KeyboardInterrupt: The user's own.
    """
    try:
        return str.__getitem__(show(thing), slice(300))  # a plain string, also of a subclass
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return f"<{type(thing).__qualname__}>"


def arguments(
    function: object, args: Sequence[object], kwargs: Mapping[str, object]
) -> Iterator[Part]:
    """Find the arguments of a call, each with its parameter's name; where it has none, its number.

    Args:
        function: What would be called.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
    """
    names = parameters(function)
    for number, arg in enumerate(args):
        yield arg, ARGUMENT, names[number] if number < len(names) else number
    for name, arg in kwargs.items():
        yield arg, ARGUMENT, name


def parameters(function: object) -> list[str]:
    """Name the parameters that take positional arguments; none, where nobody can tell.

    Raises:
        KeyboardInterrupt: The user's own.
    """
    import inspect  # here, as it is big and rarely needed

    try:
        signature = inspect.signature(cast("Callable[..., object]", function))
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [each.name for each in signature.parameters.values() if each.kind in kinds]
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return []


# ------------------------------------------------------------------------------ kinds of things
def _look_for(thing: object) -> Callable[[Any], Iterable[Part]]:
    """Choose how to look into a thing; its type is asked, as its ``__class__`` may say anything."""
    kind = type(thing)
    if kind in _LOOKS:
        return _LOOKS[kind]
    for wider in (functools.partial, Task, type):
        if issubclass(kind, wider):
            return _LOOKS[wider]
    return _of_others


def _of_row(row: Iterable[object]) -> Iterator[Part]:
    return ((item, ITEM, index) for index, item in enumerate(row))


def _of_set(members: Iterable[object]) -> Iterator[Part]:
    return ((member, " member {}", member) for member in members)


def _of_dict(pairs: Mapping[object, object]) -> Iterator[Part]:
    for key, value in pairs.items():
        yield key, " key {}", key
        yield value, ITEM, key


def _of_function(function: FunctionType) -> Iterator[Part]:
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield cell.cell_contents, " captured variable {}", name
        except ValueError:  # not set yet
            continue
    defaults = function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    for name, value in (
        *zip(names, defaults, strict=True),
        *(function.__kwdefaults__ or {}).items(),
    ):
        yield value, " default of {}", name
    yield from ((value, ATTRIBUTE, name) for name, value in vars(function).items())
    for name in _global_names(code):
        if name in function.__globals__:
            yield function.__globals__[name], " global variable {}", name


def _global_names(code: CodeType) -> dict[str, None]:
    """Name the global variables that a function reads, and those within it: they travel too."""
    import dis  # here, as it is big and rarely needed

    steps = dis.get_instructions(code)
    names = dict.fromkeys(step.argval for step in steps if step.opname == "LOAD_GLOBAL")
    for inner in code.co_consts:
        if type(inner) is CodeType:
            names.update(_global_names(inner))
    return names


def _of_method(method: MethodType | BuiltinMethodType) -> Iterator[Part]:
    yield method.__self__, ".__self__", None
    if type(method) is MethodType:
        yield method.__func__, ".__func__", None


def _of_partial(bound: functools.partial[object]) -> Iterator[Part]:
    yield bound.func, ".func", None
    yield from arguments(bound.func, bound.args, bound.keywords)
    yield from ((value, ATTRIBUTE, name) for name, value in vars(bound).items())


def _of_task(task: Task[object]) -> Iterator[Part]:
    yield task.fn, ".fn", None
    yield from arguments(task.fn, task.args, task.kwargs)


def _of_class(cls: type) -> Iterator[Part]:
    """Look into a class that travels by value, with all that was defined in it."""
    for name, value in vars(cls).items():
        if name not in {"__dict__", "__weakref__"}:  # which every class gets anew
            yield value, ATTRIBUTE, name
    yield from ((part, ".__bases__[{}]", index) for index, part in enumerate(cls.__bases__))


_LOOKS: dict[type, Callable[[Any], Iterable[Part]]] = {
    list: _of_row,
    tuple: _of_row,
    set: _of_set,
    frozenset: _of_set,
    dict: _of_dict,
    FunctionType: _of_function,
    MethodType: _of_method,
    BuiltinMethodType: _of_method,
    functools.partial: _of_partial,
    Task: _of_task,
    type: _of_class,
}


# -------------------------------------------------------------------------------- all other things
def _of_others(thing: Any) -> Iterator[Part]:
    """Look at what a thing tells pickle: what makes it, with which arguments, and its state."""
    if hasattr(type(thing), "__taskpar_parts__"):  # a decorated function is what is inside
        yield from ((part, "", None) for part in thing.__taskpar_parts__())
    reduced = _reduced(thing)
    if isinstance(reduced, str):
        return
    make, args, state, items, pairs = (*reduced, None, None, None)[:5]
    names = _names(thing)
    yield make, *names.get(id(make), (f"{_REDUCED}[0]", None))
    error = issubclass(type(thing), BaseException)
    for index, arg in enumerate(args or ()):
        form = ".args[{}]" if error else f"{_REDUCED}[1][{{}}]"
        yield arg, *names.get(id(arg), (form, index))
    yield from _of_state(state, names)
    yield from _of_row(items or ())
    for key, value in pairs or ():
        yield key, " key {}", key
        yield value, ITEM, key


def _reduced(thing: Any) -> Any:
    reducers = cast("Mapping[type, Callable[[Any], Any]]", pickling.pickler_class().dispatch_table)
    reduce = reducers.get(type(thing)) or dispatch_table.get(type(thing))
    return thing.__reduce_ex__(pickling.PROTOCOL) if reduce is None else reduce(thing)


def _of_state(state: Any, names: dict[int, tuple[str, object]]) -> Iterator[Part]:
    if type(state) is dict:
        yield from ((value, ATTRIBUTE, name) for name, value in state.items())
    elif type(state) is tuple and len(state) == 2 and type(state[1]) is dict:  # with slots
        for half in state:
            yield from _of_state(half, names)
    elif type(state) in (list, tuple):
        for index, value in enumerate(state):
            yield value, *names.get(id(value), (f"{_REDUCED}[2][{{}}]", index))
    else:
        yield state, f"{_REDUCED}[2]", None


def _names(thing: object) -> dict[int, tuple[str, object]]:
    """Find how what a thing holds is called, by identity: its attributes, slots and fields."""
    kind = type(thing)
    held: dict[int, tuple[str, object]] = {}
    for part in reversed(kind.__mro__):
        for name, descriptor in vars(part).items():
            if type(descriptor) is MemberDescriptorType or name in getattr(kind, "_fields", ()):
                try:
                    held[id(descriptor.__get__(thing))] = ATTRIBUTE, name
                except AttributeError:  # a slot that is not set
                    continue
    attributes = getattr(thing, "__dict__", None)
    if type(attributes) is dict:
        held[id(attributes)] = ".__dict__", None
        held.update((id(value), (ATTRIBUTE, name)) for name, value in attributes.items())
    held[id(kind)] = ".__class__", None
    return held
