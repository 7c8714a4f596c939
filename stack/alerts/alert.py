"""One alert as Prometheus and Alertmanager know it together."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

WATCHDOG = "Watchdog"
SEVERITIES = ("critical", "warning")
"""From the worst; whatever else a rule says sorts behind them."""


@dataclass(frozen=True)
class Alert:
    """One alert: labels, annotations, since when (Unix seconds), its value, who keeps it quiet."""

    labels: Mapping[str, str]
    notes: Mapping[str, str]
    is_firing: bool
    since: float
    value: str = ""
    suppressed_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.labels.get("alertname", "?")

    @property
    def severity(self) -> str:
        """`critical`, `warning`, or `?` where the rule says nothing."""
        return self.labels.get("severity", "?")

    @property
    def is_critical(self) -> bool:
        """True when it fires and should wake somebody, whoever keeps it quiet."""
        return self.is_firing and self.severity == SEVERITIES[0]

    @property
    def identity(self) -> frozenset[tuple[str, str]]:
        """By what two systems know that they speak of the same alert."""
        return frozenset(self.labels.items())

    @property
    def chosen(self) -> dict[str, str]:
        """The labels that tell it from others of its rule."""
        left_out = ("alertname", "severity", "team")
        return {key: value for key, value in sorted(self.labels.items()) if key not in left_out}

    @property
    def rank(self) -> tuple[bool, bool, int, float]:
        """Firing before pending, heard before suppressed, the worst and then the oldest first."""
        worst = SEVERITIES.index(self.severity) if self.severity in SEVERITIES else len(SEVERITIES)
        return not self.is_firing, bool(self.suppressed_by), worst, self.since


def is_time(unix_seconds: float) -> bool:
    """True for a moment of the years 1 to 9999, which a calendar has."""
    return -62_135_596_800 <= unix_seconds < 253_402_300_800


def moment(text: str) -> float:
    """The Unix time of an RFC 3339 time stamp, as both systems write it."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
