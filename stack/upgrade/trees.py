"""vLLM's sources as they lie in an environment or in a wheel: read and parsed, never imported."""

import ast
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from stack.errors import Fault

PACKAGE = "vllm"


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A file, relative to its repository or its package's parent, and a line in it."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Files(Protocol):
    """Where texts are read from, by paths with slashes."""

    def names(self) -> list[str]:
        """Every Python file of the package."""

    def read(self, name: str) -> str:
        """The text of a file."""


class Folder:
    """The package as it is installed: `root` is the folder that `vllm/` lies in."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Every Python file of the package."""
        found = (self._root / PACKAGE).rglob("*.py")
        return sorted(str(path.relative_to(self._root)) for path in found)

    def read(self, name: str) -> str:
        """The text of a file."""
        return (self._root / name).read_text(encoding="utf-8")


class Wheel:
    """The package as it lies in a wheel, which is read where it is; raises Fault for a bad one."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise Fault(f"{path} is no wheel ({error})", "delete it, then try again") from error

    def names(self) -> list[str]:
        """Every Python file of the package."""
        own = f"{PACKAGE}/"
        return sorted(n for n in self._zip.namelist() if n.startswith(own) and n.endswith(".py"))

    def read(self, name: str) -> str:
        """The text of a file."""
        try:
            return self._zip.read(name).decode()
        except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
            said = f"{self._zip.filename}: {name} cannot be read ({error})"
            raise Fault(said, "delete the wheel, then try again") from error


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those of a body and of the ifs, trys and withs in it, but of no function or class."""
    for each in body:
        yield each
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from statements(getattr(each, part, []))
        for handler in getattr(each, "handlers", []):
            yield from statements(handler.body)


def names_bound(statement: ast.stmt) -> set[str]:
    """The names that a definition or an assignment gives a meaning."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {node.id for each in statement.targets for node in ast.walk(each)
                if isinstance(node, ast.Name)}  # fmt: skip
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return {statement.target.id}
    return set()


class Module:
    """One file: its text, and what Python's parser makes of it."""

    def __init__(self, name: str, path: str, text: str) -> None:
        self.name, self.path, self.text = name, path, text

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file; raises Fault for a syntax that this Python does not know."""
        try:
            return ast.parse(self.text)
        except SyntaxError as error:
            fix = "a newer Python can: make upgrade-check PYTHON=python3.14"
            raise Fault(f"{self.path}:{error.lineno} cannot be read ({error.msg})", fix) from error

    @cached_property
    def bound(self) -> dict[str, ast.stmt]:
        """What the file itself defines, by name: the first definition of each."""
        found: dict[str, ast.stmt] = {}
        for each in statements(self.tree.body):
            for name in names_bound(each):
                found.setdefault(name, each)
        return found

    @cached_property
    def imports(self) -> list[ast.ImportFrom | ast.Import]:
        """The import statements of the file."""
        found = statements(self.tree.body)
        return [each for each in found if isinstance(each, ast.ImportFrom | ast.Import)]

    @property
    def package(self) -> str:
        """What a relative import in it starts from."""
        is_package = self.path.endswith("/__init__.py")
        return self.name if is_package else self.name.rpartition(".")[0]

    def place(self, node: ast.AST | None) -> Place:
        """Where a node stands; the file's beginning without one."""
        return Place(self.path, getattr(node, "lineno", 1))


class Tree:
    """The modules of one version, each read and parsed when it is first asked for.

    Of another version's tree `like` it takes those whose text is the same, parsed as they are.
    """

    def __init__(self, files: Files, like: "Tree | None" = None) -> None:
        self._files = files
        self._like = like
        self._paths = frozenset(files.names())
        self._modules: dict[str, Module] = {}
        self.members: dict[str, dict[str, tuple[Module, ast.AST | None]]] = {}
        """Of each class that was asked for, by its place; symbols.members fills it."""
        if not self._paths:
            raise Fault("there is no vllm/ in it", "name a version of vLLM that has a wheel")

    def module(self, name: str) -> Module | None:
        """The module or package of a dotted name, None where there is none."""
        stem = name.replace(".", "/")
        found = [path for path in (f"{stem}.py", f"{stem}/__init__.py") if path in self._paths]
        return self._at(found[0]) if found else None

    def having(self, *needles: str, under: str = "") -> Iterator[Module]:
        """The modules below a folder whose text has one of the needles, by their paths."""
        for path in sorted(self._paths):
            if path.startswith(under):
                module = self._at(path)
                if any(needle in module.text for needle in needles):
                    yield module

    def _at(self, path: str) -> Module:
        if path not in self._modules:
            name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            own = Module(name, path, self._files.read(path))
            alike = self._like._at(path) if self._like and path in self._like._paths else own
            self._modules[path] = alike if alike.text == own.text else own
        return self._modules[path]
