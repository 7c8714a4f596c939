"""Where a value turns orange and red, as Grafana's thresholds."""

from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode


@dataclass(frozen=True)
class Limits:
    """Where a value turns red, in the panel's unit; `falling` when low is bad."""

    red: float
    falling: bool = False

    def steps(self) -> list[Threshold]:
        """Return Grafana's ascending steps, the first without a value."""
        below, above = ("red", "green") if self.falling else ("green", "red")
        return [Threshold(value=None, color=below), Threshold(value=self.red, color=above)]


def thresholds(limits: Limits | None) -> board.ThresholdsConfig:
    """Return the thresholds of a panel; without limits every value has the text's color."""
    steps = limits.steps() if limits else [Threshold(value=None, color="text")]
    return board.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
