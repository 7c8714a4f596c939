"""One cell of the matrix, and whether it is what is expected."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """One client and one feature: what is wrong of how many requests, or why it was not asked."""

    client: str
    feature: str
    requests: int = 0
    faults: tuple[str, ...] = ()
    unasked: str = ""

    @property
    def as_expected(self) -> bool:
        """False for a cell that was asked and has a fault."""
        return bool(self.unasked) or not self.faults
