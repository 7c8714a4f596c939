"""One cell of the matrix, and whether it is what is expected."""

from dataclasses import dataclass

from clients import rows


@dataclass(frozen=True)
class Cell:
    """One client and one feature: what is wrong of how many requests, or why it was not asked."""

    client: str
    feature: str
    requests: int = 0
    faults: tuple[str, ...] = ()
    unasked: str = ""

    @property
    def known(self) -> str:
        """What is known to differ here, empty where nothing is."""
        return rows.KNOWN.get((self.client, self.feature), "")

    @property
    def as_expected(self) -> bool:
        """False for a fault that nobody knows, and for a known one that is gone."""
        return bool(self.unasked) or bool(self.faults) is bool(self.known)
