"""The shape of the source: arrows go down only, and everything stays small.

Imports are read, not run: every import statement counts, also inside functions and under
``TYPE_CHECKING``, and so does a module that is named in a string.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# Each may import itself and what stands before it.
LAYERS = [
    "errors",
    "_system",
    "_model",
    "_engine",
    "backends",
    "asynchronous",
    "async_parallel",
    "executor",
    "executors",
    "engines",
    "opening",
    "ambient",
    "decorator",
]

# The modules that know which backends there are: ours, and those in front of others' engines.
REGISTRY = {"taskpar.executors", "taskpar.engines"}

# The ledger decides from events and the given time alone: it, what it keeps its books in, and its
# language. They can neither wait nor reach out, and know nothing else of taskpar.
LEDGER = {f"taskpar._engine.{name}" for name in ("book", "events", "ledger", "lengths", "waiting")}
IMPURE = {"multiprocessing", "os", "pickle", "queue", "random", "threading", "time"}

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 7

# "module:function" -> why it may have more parameters.
MANY_PARAMETERS: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the source."""

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def package(self) -> list[str]:
        """The package that relative imports start from."""
        parts = self.name.split(".")
        return parts if self.path.name == "__init__.py" else parts[:-1]


@cache
def modules() -> dict[str, Module]:
    """All modules of taskpar by name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found[name] = Module(name, path, ast.parse(text, str(path)), len(text.splitlines()))
    return found


def imports(module: Module) -> Iterator[str]:
    """The modules that a module imports, by full name."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = module.package[: len(module.package) - node.level + 1] if node.level else []
            origin = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in modules() else origin
        elif isinstance(node, ast.Constant) and node.value in modules() and "." in node.value:
            yield node.value  # import_module("taskpar.executor"), or a table of such names


def layer(name: str) -> str:
    """The layer of a module: the first name below taskpar, or "" for taskpar itself."""
    return ".".join(name.split(".")[1:2])


def inner_imports(module: Module) -> set[str]:
    """The modules of taskpar that a module imports."""
    return {name for name in imports(module) if name.split(".")[0] == "taskpar"} - {module.name}


def functions() -> Iterator[tuple[str, Function]]:
    """All functions, also the inner ones, as ("module:function", its node)."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield f"{module.name}:{node.name}", node


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters, without that of the object it is called on."""
    args = function.args
    named = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    if named[:1] in (["self"], ["cls"]):
        named = named[1:]
    return named + [arg.arg for arg in (args.vararg, args.kwarg) if arg]


def test_there_is_source_to_read():
    """The other tests of this file read something."""
    assert "taskpar.errors" in modules()


def test_every_module_belongs_to_a_layer():
    """A new module has its place in the list before it is written."""
    strangers = [name for name in modules() if layer(name) not in ["", *LAYERS]]
    assert not strangers, f"add them to LAYERS, where they belong: {strangers}"


def test_arrows_go_down_only():
    """A module imports from its own layer and those before it, and never the top package."""
    wrong = [
        f"{module.name} imports {name}"
        for module in modules().values()
        if layer(module.name) in LAYERS
        for name in sorted(inner_imports(module))
        if layer(name) not in LAYERS[: LAYERS.index(layer(module.name)) + 1]
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle():
    """Within a layer too, there is an order in which the modules can be read."""
    TopologicalSorter({m.name: inner_imports(m) for m in modules().values()}).prepare()


def test_nobody_but_the_registry_imports_a_backend():
    """A backend is known in one place, so that adding one changes one file."""
    wrong = [
        f"{module.name} imports {name}"
        for module in modules().values()
        if module.name not in REGISTRY and layer(module.name) != "backends"
        for name in sorted(inner_imports(module))
        if layer(name) == "backends"
    ]
    assert not wrong, "\n".join(wrong)


def test_the_ledger_is_pure():
    """The ledger cannot wait, look at a clock, start anything, pickle anything or throw dice."""
    if not modules().keys() >= LEDGER:
        pytest.fail(f"{LEDGER - modules().keys()}: tell this test where the ledger went")
    parts = [modules()[name] for name in LEDGER]
    impure = {name for part in parts for name in imports(part) if name.split(".")[0] in IMPURE}
    assert not impure, f"the ledger imports {impure}"
    others = {name for part in parts for name in inner_imports(part)} - LEDGER
    assert others <= {"taskpar._engine"}, f"the ledger imports {others}"


def test_files_are_short():
    """A file can be read in one sitting."""
    long = {m.name: m.lines for m in modules().values() if m.lines > MAX_FILE_LINES}
    assert not long, f"over {MAX_FILE_LINES} lines: {long}"


def test_functions_are_short():
    """A function, its docstring included, fits on a screen."""
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions()}
    long = {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES}
    assert not long, f"over {MAX_FUNCTION_LINES} lines: {long}"


def test_functions_have_few_parameters():
    """What grows goes into Options, not into one more parameter."""
    many = {name: len(parameters(f)) for name, f in functions() if name not in MANY_PARAMETERS}
    many = {name: count for name, count in many.items() if count > MAX_PARAMETERS}
    assert not many, f"over {MAX_PARAMETERS} parameters: {many}"
