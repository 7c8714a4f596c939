"""Finds what a dotted name stands for, through imports, base classes and lazy modules."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from stack.upgrade.trees import Module, Place, Tree, names_bound, statements

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_DEPTH = 12
"""Re-exports and bases that are followed; vLLM has chains of up to five."""


@dataclass(frozen=True, slots=True)
class Found:
    """A definition; `node` is None where a name is a whole module."""

    module: Module
    node: ast.AST | None

    @property
    def place(self) -> Place:
        """The file and line of the definition."""
        return self.module.place(self.node)

    @property
    def first(self) -> int:
        """The line that its source begins in, decorators included."""
        decorators: list[ast.expr] = getattr(self.node, "decorator_list", [])
        return min([each.lineno for each in decorators] + [self.place.line])

    @property
    def text(self) -> str:
        """Its source, decorators included; a whole file's for a module."""
        if self.node is None:
            return self.module.text
        return "\n".join(self.module.text.splitlines()[self.first - 1 : _last(self.node)])


def _last(node: ast.AST) -> int:
    last: int | None = getattr(node, "end_lineno", None)
    return last or 1


def find(tree: Tree, module: str, name: str, depth: int = _DEPTH) -> Found | None:
    """What `name` (dotted, or empty for the module) stands for in a module, None where nothing."""
    found = tree.module(module)
    if found is None or not name:
        return Found(found, None) if found else None
    first, _, rest = name.partition(".")
    owner = _top(tree, found, first, depth)
    if owner is None or not rest:
        return owner
    if isinstance(owner.node, ast.ClassDef):
        return members(tree, owner, depth).get(rest)
    return find(tree, owner.module.name, rest, depth - 1) if owner.node is None else None


def _top(tree: Tree, module: Module, name: str, depth: int) -> Found | None:
    if depth <= 0:
        return None
    if name in module.bound:
        return Found(module, module.bound[name])
    for each in module.imports:
        if isinstance(each, ast.ImportFrom):
            found = _imported(tree, module, each, name, depth)
        else:
            wholes = [a.name for a in each.names if (a.asname or a.name) == name]
            found = find(tree, wholes[0], "", depth - 1) if wholes else None
        if found is not None:
            return found
    return find(tree, f"{module.name}.{name}", "", depth - 1) or _lazy(module, name)


def _imported(
    tree: Tree, module: Module, statement: ast.ImportFrom, name: str, depth: int
) -> Found | None:
    source = origin(module, statement)
    for alias in statement.names:
        if alias.name == "*" or (alias.asname or alias.name) == name:
            wanted = name if alias.name == "*" else alias.name
            found = find(tree, source, wanted, depth - 1)
            if found is not None:
                return found
    return None


def origin(module: Module, statement: ast.ImportFrom) -> str:
    """The absolute name of the module that a statement imports from."""
    if not statement.level:
        return statement.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - statement.level + 1]
    return ".".join([*base, *([statement.module] if statement.module else [])])


def _lazy(module: Module, name: str) -> Found | None:
    # A module with __getattr__ names what it makes on demand in a text.
    if "__getattr__" not in module.bound:
        return None
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and node.value == name:
            return Found(module, node)
    return None


def members(tree: Tree, owner: Found, depth: int = _DEPTH) -> dict[str, Found]:
    """What a class and its bases define or assign on self, by name; the class itself wins.

    What a base only asks of its subclasses is not defined by it.
    """
    if not isinstance(owner.node, ast.ClassDef) or depth <= 0:
        return {}
    known = tree.members.get(str(owner.place))
    if known is None:
        known = tree.members[str(owner.place)] = _members(tree, owner.module, owner.node, depth)
    return {name: Found(*each) for name, each in known.items()}


def _members(
    tree: Tree, module: Module, owner: ast.ClassDef, depth: int
) -> dict[str, tuple[Module, ast.AST | None]]:
    found: dict[str, Found] = {}
    for base in reversed(owner.bases):
        above = base.value if isinstance(base, ast.Subscript) else base
        parent = find(tree, module.name, ast.unparse(above), depth - 1)
        if parent is not None:
            inherited = members(tree, parent, depth - 1).items()
            found |= {name: each for name, each in inherited if not is_abstract(each.node)}
    own: dict[str, ast.AST] = {}
    for each in statements(owner.body):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            own = dict(_on_self(each)) | own
    for each in statements(owner.body):
        own |= dict.fromkeys(names_bound(each), each)
    above_own = {name: (each.module, each.node) for name, each in found.items()}
    return above_own | {name: (module, node) for name, node in own.items()}


def is_abstract(node: ast.AST | None) -> bool:
    """True for a method that a subclass has to define."""
    marks = [ast.unparse(each) for each in getattr(node, "decorator_list", [])]
    return any(mark.endswith("abstractmethod") for mark in marks)


def _on_self(function: Function) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(function):
        is_stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if isinstance(node, ast.Attribute) and is_stored and ast.unparse(node.value) == "self":
            yield node.attr, node


def parameters(function: Function) -> list[str]:
    """The names of all parameters, in order."""
    args = function.args
    plain = [each.arg for each in (*args.posonlyargs, *args.args)]
    return plain + [each.arg for each in args.kwonlyargs]


def required(function: Function) -> set[str]:
    """The parameters that have no default, `self` and `cls` left out."""
    args = function.args
    plain = [each.arg for each in (*args.posonlyargs, *args.args)]
    plain = plain[: len(plain) - len(args.defaults)]
    named = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    return {*plain, *(arg.arg for arg, value in named if value is None)} - {"self", "cls"}


def kind(function: Function) -> str:
    """How it is called: `plain`, `async`, `generator` or `async generator`."""
    inside = list(_own_nodes(function))
    yields = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in inside)
    words = ["async"] * isinstance(function, ast.AsyncFunctionDef) + ["generator"] * yields
    return " ".join(words) or "plain"


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))
