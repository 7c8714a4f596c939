"""What our own code asks of vLLM by name, read in it: nothing of this has to be listed."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from stack.upgrade.theirs import family, text_of
from stack.upgrade.trees import PACKAGE, Place

Uses: TypeAlias = dict[str, list[Place]]

_SUFFIX = re.compile(r"_(bucket|sum|count)$")
_METRIC = re.compile(r"vllm:[a-z]\w*")
_FLAG = re.compile(r"--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)")
_VARIABLE = re.compile(r"\bVLLM_[A-Z0-9_]+")
_MODULE = re.compile(r"vllm(\.[a-z_]\w*)+")
_METHODS = {"GET", "POST", "PUT", "DELETE", "PATCH"}
_NAMING_FLAGS = ("server/flags.py", "server/gateway/cors.py")
"""Files of ours in which a flag's name stands as a text."""
_CODE = ("server/**/*.py", "tests/unit/**/*.py")
_STARTS = ("server/**/*", "compose.yaml", "native/*", "stack/settings.py", "stack/drills/*.py",
           "stack/native/*.py")  # fmt: skip
_QUERIES = ("prometheus/**/*.yaml", "grafana/dashboards/*.py", "server/**/*.py", "loadtest/**/*.py",
            "stack/**/*.py", "alertmanager/**/*.py")  # fmt: skip


def _texts(repo: Path, patterns: Iterable[str]) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        for path in sorted(repo.glob(pattern)):
            # What this command itself is made of uses nothing of vLLM.
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".png":
                name = str(path.relative_to(repo))
                if not name.startswith("stack/upgrade/"):
                    yield name, path.read_text(encoding="utf-8", errors="replace")


def _note(uses: Uses, name: str, path: str, line: int) -> None:
    place = Place(path, line)
    if place not in uses.setdefault(name, []):
        uses[name].append(place)


def _matched(
    repo: Path, patterns: Iterable[str], pattern: re.Pattern[str], read: Callable[[str], str]
) -> Uses:
    uses: Uses = {}
    for path, text in _texts(repo, patterns):
        for number, line in enumerate(text.splitlines(), start=1):
            for match in pattern.finditer(line):
                _note(uses, read(match[pattern.groups]), path, number)
    return uses


def metrics(repo: Path, known: Iterable[str]) -> Uses:
    """By family, where one of vLLM's `known` ones stands in the catalogue or in a query."""
    families = {name.removeprefix("vllm:"): name for name in known}
    uses: Uses = {}
    for path, text in _texts(repo, ("server/catalogue/vllm*.py",)):
        nodes: Iterator[Any] = ast.walk(ast.parse(text))
        for node in nodes:
            name = families.get(family(text_of(node).removeprefix("vllm:")))
            if name:
                _note(uses, name, path, node.lineno)
    asked = _matched(repo, _QUERIES, _METRIC, lambda name: family(_SUFFIX.sub("", name)))
    for name, places in asked.items():
        for place in places:
            _note(uses, name, place.path, place.line)
    return uses


def variables(repo: Path) -> Uses:
    """Where a `VLLM_...` stands in what starts or runs the server."""
    return _matched(repo, _STARTS, _VARIABLE, str)


def flags(repo: Path) -> Uses:
    """Where a flag of `vllm serve` is given or read, by its name among the parsed arguments."""
    uses = _matched(repo, _STARTS, _FLAG, lambda name: name.replace("-", "_"))
    for path, text in _texts(repo, ("server/*.py", "server/gateway/cors.py")):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "args":
                _note(uses, node.attr, path, node.lineno)
            if isinstance(node, ast.Constant) and path in _NAMING_FLAGS:
                _note(uses, text_of(node), path, node.lineno)
    return uses


def routes(repo: Path) -> Uses:
    """Where a route stands in what callers can reach, as `POST /v1/completions`."""
    uses: Uses = {}
    for path, text in _texts(repo, ("server/gateway/routes*.py",)):
        tree = ast.parse(text)
        named = _named_texts(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple) and len(node.elts) == 2:
                method, route = (named.get(ast.unparse(each), text_of(each)) for each in node.elts)
                if method in _METHODS and route.startswith("/"):
                    _note(uses, f"{method} {route}", path, node.lineno)
    return uses


def _named_texts(tree: ast.Module) -> dict[str, str]:
    """The texts that have a name in a module, by it."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = zip(target.elts, value.elts, strict=False)
                found |= {ast.unparse(name): text_of(said) for name, said in pairs}
            else:
                found[ast.unparse(target)] = text_of(value)
    return found


def imports(repo: Path) -> Uses:
    """Where something of vLLM is imported or asked of what is, as `module:Name.member`."""
    uses: Uses = {}
    for path, text in _texts(repo, _CODE):
        if PACKAGE in text:
            _note_imports(uses, path, ast.parse(text))
    return uses


def _note_imports(uses: Uses, path: str, tree: ast.Module) -> None:
    named: dict[str, str] = {}
    for node in ast.walk(tree):
        for name, line in _imported(node, named):
            _note(uses, name, path, line)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = named.get(node.value.id)
            if owner is not None:
                _note(uses, f"{owner}{'.' if ':' in owner else ':'}{node.attr}", path, node.lineno)


def _imported(node: Any, named: dict[str, str]) -> Iterator[tuple[str, int]]:
    if isinstance(node, ast.ImportFrom) and _is_theirs(node.module or "") and not node.level:
        for alias in node.names:
            named[alias.asname or alias.name] = f"{node.module}:{alias.name}"
            yield f"{node.module}:{alias.name}", alias.lineno
    if isinstance(node, ast.Import):
        for alias in node.names:
            if _is_theirs(alias.name):
                named[alias.asname or alias.name] = alias.name
                yield alias.name, alias.lineno
    text = text_of(node)
    if text and _MODULE.fullmatch(text):
        yield text, node.lineno


def _is_theirs(module: str) -> bool:
    return module.split(".")[0] == PACKAGE


def line(repo: Path, path: str, *needles: str) -> Place:
    """The first line of a file that has the first needle that is in it, as words; else its 1st."""
    file = repo / path
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    for needle in needles:
        words = re.compile(rf"(?<!\w){re.escape(needle)}(?!\w)" if needle[-1:].isalnum()
                           else re.escape(needle))  # fmt: skip
        for number, text in enumerate(lines, start=1):
            if needle and words.search(text) and not text.lstrip().startswith(('"""', "#")):
                return Place(path, number)
    return Place(path, 1)
