"""What a drill is: a cause, the alerts that have to come, and those that may come beside them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from stack.drills.scene import Scene

Cause = Callable[[Scene], AbstractContextManager[None]]

SHIPPED = ""
"""The server as it runs, for a drill that needs no other."""


@dataclass(frozen=True)
class Expected:
    """An alert that has to arrive, by its name and what is asked of its labels."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    at_prometheus: bool = False
    """True where nobody can deliver it: then it is looked for where it fires."""

    def is_met_by(self, labels: Mapping[str, str]) -> bool:
        """True for the labels of such an alert."""
        wanted = {"alertname": self.name, **self.labels}
        return all(labels.get(key) == value for key, value in wanted.items())

    def __str__(self) -> str:
        words = ", ".join(f"{key}={value}" for key, value in self.labels.items())
        return f"{self.name}{{{words}}}" if words else self.name


@dataclass(frozen=True)
class Drill:
    """One cause, made by `cause` for a block and gone when it ends."""

    name: str
    about: str
    expected: tuple[Expected, ...]
    cause: Cause
    allowed: tuple[Expected, ...] = ()
    """Alerts that this cause may set off as well."""
    server: str = SHIPPED
    """Which server it needs (stack/drills/servers.py); those that need one share its start."""
    recorded: bool = False
    """True where no cause is made, and its series come from a page of the drill's own."""
    seconds: float = 150.0
    """How long the alerts may take to arrive, and how long they may take to end."""
    ends_with_server: bool = False
    """True where the cause is only gone when the drill's server is."""


def alerts(*names: str) -> tuple[Expected, ...]:
    """Alerts that are expected by their names alone."""
    return tuple(Expected(name) for name in names)
