"""Holds what we need of vLLM against another version: what breaks, what changed, what is new."""

import ast
import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stack.upgrade import guesses, held, ours, symbols, theirs
from stack.upgrade.ours import Uses
from stack.upgrade.seam import Seam
from stack.upgrade.symbols import Found
from stack.upgrade.theirs import Offer
from stack.upgrade.trees import Place, Tree


@dataclass(slots=True)
class Break:
    """One thing that would not hold: where we use it, where it was, and where it is now."""

    what: str
    ours: list[Place]
    before: Place | None
    after: Place | None
    hint: str = ""


@dataclass(slots=True)
class Result:
    """All that was found; `again` changed inside and is still as we hold it, `new` is theirs."""

    breaks: list[Break] = field(default_factory=list)
    again: list[tuple[str, Place, Place, Place]] = field(default_factory=list)
    new: dict[str, list[Offer]] = field(default_factory=dict)


class Comparison:
    """Two versions, beside the checkout at `repo` that uses the old one."""

    def __init__(self, repo: Path, old: Tree, new: Tree) -> None:
        self._repo, self._old, self._new = repo, old, new
        self.result = Result()

    def hold(self, seam: Seam) -> None:
        """Whether the new version is what a seam needs."""
        was = symbols.find(self._old, seam.module, seam.name)
        use = ours.line(self._repo, seam.file, seam.needle)
        found = held.gaps(self._new, seam)
        for gap in found:
            broken = Break(gap.says, [use], was.place if was else None, gap.at)
            if gap.says == held.gone(seam.where):
                self._follow(seam, was, broken)
            elif gap.name and was:
                broken.ours = [ours.line(self._repo, seam.file, gap.name, seam.needle)]
                self._of_member(gap.name, seam, was, broken)
            elif gap.code and was:
                self._of_code(gap.code, seam, was, broken)
            self.result.breaks.append(broken)
        if was and not found:
            self._note_change(seam, use, was)

    def _follow(self, seam: Seam, was: Found | None, broken: Break) -> None:
        """Where what is gone may be found, and whether it is there as we hold it."""
        owner, _, last = seam.name.rpartition(".")
        above = symbols.find(self._new, seam.module, owner) if owner else None
        if above is not None:
            old = symbols.find(self._old, seam.module, owner)
            self._guess(last, old, above, broken)
            return
        place = guesses.moved(self._new, seam.name, was)
        if place is None:
            self._guess_top(seam, broken)
            return
        broken.after = place
        module = place.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        there = held.gaps(self._new, dataclasses.replace(seam, where=f"{module}:{seam.name}"))
        same = "and is there as we hold it" if not there else f"where {there[0].says}"
        broken.hint = f"it moved to {place.path}, {same}"

    def _guess_top(self, seam: Seam, broken: Break) -> None:
        old, new = self._old.module(seam.module), self._new.module(seam.module)
        if old is not None and new is not None and "." not in seam.name:
            places = {name: new.place(node) for name, node in new.bound.items()}
            better = guesses.renamed(seam.name, old.bound, places)
            if better:
                broken.after, broken.hint = places[better], f"`{better}` is new there"

    def _of_member(self, name: str, seam: Seam, was: Found, broken: Break) -> None:
        broken.before = _member(self._old, was, name) or broken.before
        now = symbols.find(self._new, seam.module, seam.name)
        if now is not None:
            self._guess(name, was, now, broken)

    def _guess(self, name: str, was: Found | None, now: Found, broken: Break) -> None:
        known = symbols.members(self._old, was) if was else {}
        places = {each: found.place for each, found in symbols.members(self._new, now).items()}
        better = guesses.renamed(name, known, places)
        if better and name not in places:
            broken.after, broken.hint = places[better], f"`{better}` is new there"

    def _of_code(self, code: str, seam: Seam, was: Found, broken: Break) -> None:
        now = symbols.find(self._new, seam.module, seam.name)
        broken.before = guesses.reworded(code, was) or broken.before
        broken.after = (guesses.reworded(code, now) if now else None) or broken.after

    def _note_change(self, seam: Seam, use: Place, was: Found) -> None:
        now = symbols.find(self._new, seam.module, seam.name)
        if now and _is_function(was) and _body(was) != _body(now):
            self.result.again.append((seam.where, use, was.place, now.place))

    def imports(self) -> None:
        """Whether what we import, and ask of what is imported, is still to be found."""
        for where, places in ours.imports(self._repo).items():
            seam = Seam(where, f"{places[0].path}:")
            was = symbols.find(self._old, seam.module, seam.name)
            # What the installed one has not either is beyond reading: nothing is said of it.
            if was is None or symbols.find(self._new, seam.module, seam.name) is not None:
                continue
            broken = Break(
                held.gone(where), list(places), was.place, held.gaps(self._new, seam)[0].at
            )
            self._follow(seam, was, broken)
            self.result.breaks.append(broken)

    def names(
        self, what: str, uses: Uses, old: Mapping[str, Offer], new: Mapping[str, Offer]
    ) -> None:
        """Whether what we use by name is offered under it, and made as it was."""
        places = {name: offer.place for name, offer in new.items()}
        for name in sorted(uses.keys() & old.keys()):
            was, now = old[name], new.get(name)
            # What is only read by name is made no more.
            if now is None or (was.shape and not now.shape):
                better = guesses.renamed(name, old, places)
                hint = f"`{better}` is new" if better else ""
                after = places[better] if better else None
                broken = Break(f"{what} {name} is gone", uses[name], was.place, after, hint)
            elif now.shape != was.shape:
                says = f"{what} {name} is made as `{now.shape}`, no longer as `{was.shape}`"
                broken = Break(says, uses[name], was.place, now.place)
            else:
                continue
            self.result.breaks.append(broken)


def _member(tree: Tree, owner: Found, name: str) -> Place | None:
    found = symbols.members(tree, owner).get(name)
    return found.place if found else None


def _is_function(found: Found) -> bool:
    return isinstance(found.node, ast.FunctionDef | ast.AsyncFunctionDef)


def _body(found: Found) -> str:
    return ast.dump(found.node) if found.node else ""


def _merged(breaks: Iterable[Break]) -> list[Break]:
    """One for each thing that is said, with all our places, the server's first."""
    found: dict[str, Break] = {}
    for each in breaks:
        first = found.setdefault(each.what, dataclasses.replace(each, ours=[]))
        first.ours.extend(place for place in each.ours if place not in first.ours)
        first.hint = first.hint or each.hint
    for each in found.values():
        each.ours.sort(key=lambda place: place.path.startswith("tests/"))
    return list(found.values())


def compare(repo: Path, old: Tree, new: Tree, seams: Iterable[Seam]) -> Result:
    """Compare two versions in all that the checkout at `repo` uses of the old one."""
    comparison = Comparison(repo, old, new)
    for seam in seams:
        comparison.hold(seam)
    comparison.imports()
    metrics, routes = (
        (theirs.metrics(old), theirs.metrics(new)),
        (theirs.routes(old), theirs.routes(new)),
    )
    comparison.names("metric", ours.metrics(repo, metrics[0]), *metrics)
    comparison.names("route", ours.routes(repo), *routes)
    comparison.names("flag", ours.flags(repo), theirs.flags(old), theirs.flags(new))
    variables = theirs.variables(old), theirs.variables(new)
    comparison.names("variable", ours.variables(repo), *variables)
    result = comparison.result
    result.breaks = _merged(result.breaks)
    for what, (was, now) in (("metrics", metrics), ("routes", routes)):
        result.new[what] = [now[name] for name in sorted(now.keys() - was.keys())]
    return result
