"""What a comparison came to: a mark, a sentence, and the requests that it speaks of."""

from collections.abc import Sequence
from dataclasses import dataclass

AGREES, DIFFERS, UNTOLD, NOTE = "✓", "✗", "?", "·"
"""Held and equal; held and not equal; nothing that was read can tell; said, not compared."""
_SHOWN = 3


@dataclass(frozen=True)
class Remark:
    """One sentence with its mark; `cases` are the requests that it speaks of, a text each."""

    mark: str
    text: str
    cases: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """False where a run with this finding cannot be called exact."""
        return self.mark in (AGREES, NOTE)

    @property
    def line(self) -> str:
        """The finding on one line, with its first cases."""
        if not self.cases:
            return f"{self.mark} {self.text}"
        more = len(self.cases) - _SHOWN
        rest = f"; and {more:,} more" if more > 0 else ""
        return f"{self.mark} {self.text}: {'; '.join(self.cases[:_SHOWN])}{rest}"

    @property
    def page(self) -> str:
        """The finding with every case, a line each."""
        return "\n".join([f"{self.mark} {self.text}", *(f"    {case}" for case in self.cases)])


def held(what: str, whole: int, wrong: Sequence[str], more: str = "") -> Remark:
    """What holds of each of `whole` things, but for those in `wrong`."""
    if not whole:
        return Remark(NOTE, f"{what}: there are none")
    good = whole - len(wrong)
    text = f"{what}: {good:,} of {whole:,}{more}"
    return Remark(DIFFERS, f"{text}, not", tuple(wrong)) if wrong else Remark(AGREES, text)
