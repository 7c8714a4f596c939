"""Where a thing that is gone may have gone to: its new module, its new name, its new wording."""

import difflib
import re
from collections.abc import Iterable, Mapping

from stack.upgrade.held import squeezed
from stack.upgrade.symbols import Found
from stack.upgrade.trees import Place, Tree

_ALIKE = 0.5


def moved(tree: Tree, name: str, was: Found | None) -> Place | None:
    """Where a version defines a top-level name, if in one module alone or in one named as it was.

    `name` is empty for a module, which is looked for by its file's name.
    """
    if not name:
        return None
    top = name.partition(".")[0]
    defines = re.compile(
        rf"^(?:class|def|async def) {re.escape(top)}\b|^{re.escape(top)}\b.*=", re.M
    )
    found = [
        Place(module.path, module.text.count("\n", 0, match.start()) + 1)
        for module in tree.having(f"class {top}", f"def {top}", f"\n{top}")
        if (match := defines.search(module.text))
    ]
    same = [each for each in found if was and _last(each.path) == _last(was.module.path)]
    best = found if len(found) == 1 else same
    return best[0] if len(best) == 1 else None


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def renamed(name: str, old: Iterable[str], new: Mapping[str, Place]) -> str | None:
    """The name that came in its stead: of those that are new the one most like it."""
    fresh = sorted(set(new) - set(old))
    near = difflib.get_close_matches(name, fresh, 1, _ALIKE)
    return near[0] if near else None


def reworded(code: str, found: Found) -> Place | None:
    """The line of a definition that says the code, or what is most like it."""
    lines = [(number, squeezed(text)) for number, text in enumerate(found.text.splitlines())]
    wanted = squeezed(code)
    start = found.first
    for number, text in lines:
        if text and (wanted in text or (len(text) > 8 and wanted.startswith(text))):
            return Place(found.module.path, start + number)
    near = difflib.get_close_matches(wanted, [text for _, text in lines], 1, 0.6)
    hits = [number for number, text in lines if near and text == near[0]]
    return Place(found.module.path, start + hits[0]) if hits else None
