"""Label values are bounded sets: what is not known at start becomes `other`."""

from collections.abc import Iterable

from server.settings import SettingsError

OTHER = "other"
"""Whoever is unknown or beyond the bound; nobody may be called so."""
MAX_VALUES = 50
"""Distinct values of one label before the rest share `other`: /metrics stays below 4,000 series."""


def refuse_other(where: str, key: str, name: str) -> None:
    """Raise SettingsError for a name of an operator's that everybody's overflow is counted by."""
    if name == OTHER:
        fix = f"'{OTHER}' is where everything unknown is counted together: choose another name"
        raise SettingsError(where, key, fix)


class Bounded:
    """A closed set of label values."""

    def __init__(self, known: Iterable[str]) -> None:
        every = tuple(dict.fromkeys(known))
        self.values: tuple[str, ...] = every[:MAX_VALUES]
        self.used = self.values if len(every) <= MAX_VALUES else (*self.values, OTHER)
        """The values of what is known: `other` is one of them where it had to be shared."""
        self._set = frozenset(self.values)

    def label(self, value: str | None) -> str:
        """The value itself when it is known, else `other`."""
        return value if value is not None and value in self._set else OTHER
