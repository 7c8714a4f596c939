"""Label values are bounded sets: what is not known becomes `other`."""

from collections.abc import Iterable

from server.settings import SettingsError

OTHER = "other"
"""Whoever is unknown or beyond the bound; nobody may be called so."""
MAX_VALUES = 50
"""Distinct values of one label before the rest share `other`: /metrics stays below 4,500 series."""


def refuse_other(where: str, key: str, name: str) -> None:
    """Raise SettingsError for a name of an operator's that everybody's overflow is counted by."""
    if name == OTHER:
        fix = f"'{OTHER}' is where everything unknown is counted together: choose another name"
        raise SettingsError(where, key, fix)


class Bounded:
    """A set of at most MAX_VALUES label values."""

    def __init__(self, known: Iterable[str]) -> None:
        every = tuple(dict.fromkeys(known))
        self.values: tuple[str, ...] = every[:MAX_VALUES]
        self._set = frozenset(self.values)
        self._crowded = len(every) > MAX_VALUES

    @property
    def used(self) -> tuple[str, ...]:
        """The labels of what is known: `other` is one of them where it had to be shared."""
        return (*self.values, OTHER) if self._crowded else self.values

    def add(self, value: str) -> bool:
        """Take one more value, as itself while there is room; True when its label is new."""
        if value in self._set:
            return False
        if len(self.values) >= MAX_VALUES:
            new, self._crowded = not self._crowded, True
            return new
        self.values = (*self.values, value)
        self._set = frozenset(self.values)
        return True

    def label(self, value: str | None) -> str:
        """The value itself when it is known, else `other`."""
        return value if value is not None and value in self._set else OTHER
