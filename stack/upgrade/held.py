"""Whether one version of vLLM is what a seam needs, and where in it that is decided."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from stack.upgrade import symbols
from stack.upgrade.seam import Seam
from stack.upgrade.symbols import Found, Function
from stack.upgrade.trees import Place, Tree


@dataclass(frozen=True, slots=True)
class Gap:
    """What of a seam a version has not: of a class the member's `name`, of a source its `code`."""

    says: str
    at: Place | None
    name: str = ""
    code: str = ""


def gaps(tree: Tree, seam: Seam) -> list[Gap]:
    """Every way in which the version does not hold the seam; none where it holds."""
    found = symbols.find(tree, seam.module, seam.name)
    if found is None:
        return [_missing(tree, seam)]
    return [*_of_source(found, seam), *_of_class(tree, found, seam), *_of_function(found, seam)]


def gone(where: str) -> str:
    """What is said of a definition that is no longer where it was."""
    return f"{where} is gone"


def _missing(tree: Tree, seam: Seam) -> Gap:
    owner = seam.name.rpartition(".")[0]
    above = symbols.find(tree, seam.module, owner)
    return Gap(gone(seam.where), above.place if above else None)


def _of_source(found: Found, seam: Seam) -> Iterator[Gap]:
    text = squeezed(found.text)
    for each in seam.says:
        if squeezed(each) not in text:
            yield Gap(f"{seam.where} says no longer `{each}`", found.place, code=each)
    for each in seam.silent:
        if squeezed(each) in text:
            yield Gap(f"{seam.where} says `{each}` now", found.place)


def squeezed(code: str) -> str:
    """Code without white space, since a formatter may wrap it anew."""
    return "".join(code.split())


def _of_class(tree: Tree, found: Found, seam: Seam) -> Iterator[Gap]:
    if not (seam.has or seam.lacks or seam.abstract):
        return
    if not isinstance(found.node, ast.ClassDef):
        yield Gap(f"{seam.where} is no class", found.place)
        return
    known = symbols.members(tree, found)
    for each in seam.has:
        if each not in known:
            yield Gap(f"{seam.where} has no `{each}`", found.place, each)
    for each in seam.lacks:
        if each in known:
            yield Gap(f"{seam.where} has a `{each}` of its own now", known[each].place, each)
    abstract = {name for name, each in known.items() if symbols.is_abstract(each.node)}
    for each in sorted(abstract - {*seam.abstract} if seam.abstract else ()):
        yield Gap(f"{seam.where} wants a `{each}` of its subclasses", known[each].place)


def _of_function(found: Found, seam: Seam) -> Iterator[Gap]:
    if not (seam.kind or seam.only or seam.begins or seam.given or seam.takes):
        return
    if not isinstance(found.node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield Gap(f"{seam.where} is no function", found.place)
        return
    kind = symbols.kind(found.node)
    if seam.kind and kind != seam.kind:
        yield Gap(f"{seam.where} is {kind}, no longer {seam.kind}", found.place)
    for text in _of_parameters(found.node, seam):
        yield Gap(f"{seam.where} {text}", found.place)


def _of_parameters(function: Function, seam: Seam) -> Iterator[str]:
    have = symbols.parameters(function)
    shown = ", ".join(have)
    if seam.only and tuple(have) != seam.only:
        yield f"takes ({shown}), no longer ({', '.join(seam.only)})"
    if tuple(have[: len(seam.begins)]) != seam.begins:
        yield f"begins with ({', '.join(have[: len(seam.begins)])}), no longer " + (
            f"({', '.join(seam.begins)})"
        )
    for each in (*seam.given, *seam.takes):
        if each not in have and each not in ("self", "cls"):
            yield f"takes no `{each}`"
    more = symbols.required(function) - {*seam.given} if seam.given else set()
    for each in sorted(more):
        yield f"needs a `{each}`"
