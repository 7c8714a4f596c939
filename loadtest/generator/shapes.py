"""How the rate goes over a run: stages, each with one rate; the last kind asks how they went."""

from collections.abc import Generator
from dataclasses import dataclass

from loadtest.rows import COOL_DOWN, MAIN, WARM_UP

EDGE_SHARE = 0.1
"""The share of a run that is warm-up, and cool-down: their requests are in no figure."""
EDGE_SECONDS = 15.0
"""The longest that either is."""
STEPS = 8
CLOSE = 1.1
"""The limit is found when the lowest rate that fails is this close to the highest that holds."""


@dataclass(frozen=True)
class Step:
    """A stretch of the run: requests per second, for so many seconds."""

    phase: str
    rate: float
    seconds: float


Steps = Generator[Step, bool, None]
"""Yields steps; is sent whether the objectives held in the last one."""


@dataclass(frozen=True)
class Steady:
    """One rate."""

    rate: float
    seconds: float
    asks = False

    def steps(self) -> Steps:
        """Warm-up, the run, cool-down."""
        edge = min(EDGE_SECONDS, EDGE_SHARE * self.seconds)
        main = self._main(self.seconds - 2 * edge)
        yield Step(WARM_UP, main[0].rate, edge)
        # Not the list itself: what was held is sent to whatever yields.
        yield from (step for step in main)
        yield Step(COOL_DOWN, main[-1].rate, edge)

    def _main(self, seconds: float) -> list[Step]:
        return [Step(MAIN, self.rate, seconds)]


class Soak(Steady):
    """One rate for long: a stage each ten minutes, so that a slow change shows."""

    def _main(self, seconds: float) -> list[Step]:
        count = max(1, round(seconds / 600))
        return [Step(MAIN, self.rate, seconds / count)] * count


class Ramp(Steady):
    """From an eighth of the rate up to it."""

    def _main(self, seconds: float) -> list[Step]:
        shares = [number / STEPS for number in range(1, STEPS + 1)]
        return [Step(MAIN, self.rate * share, seconds / STEPS) for share in shares]


class Spike(Steady):
    """A fifth of the rate, then all of it at once, then a fifth again."""

    def _main(self, seconds: float) -> list[Step]:
        stretches = ((0.2, 0.4), (1.0, 0.2), (0.2, 0.4))
        return [Step(MAIN, self.rate * share, seconds * length) for share, length in stretches]


class FindLimit(Steady):
    """Doubles the rate until the objectives break, then halves the gap; `seconds` is a step's."""

    asks = True

    def steps(self) -> Steps:
        """A warm-up, then steps until the limit is known within a tenth."""
        yield Step(WARM_UP, self.rate, min(EDGE_SECONDS, self.seconds))
        holds, fails, rate = 0.0, float("inf"), self.rate
        while fails > CLOSE * holds and rate > self.rate / 64:
            held = yield Step(MAIN, rate, self.seconds)
            holds, fails = (rate, fails) if held else (holds, rate)
            rate = 2 * rate if fails == float("inf") else (holds + fails) / 2


class Planned(Steady):
    """All of a plan, which has no edges: every request of it counts."""

    def steps(self) -> Steps:
        """One stretch."""
        yield Step(MAIN, self.rate, self.seconds)


PLANNED = "replay"
SHAPES: dict[str, type[Steady]] = {
    "steady": Steady, "ramp": Ramp, "spike": Spike, "soak": Soak, "limit": FindLimit,
    PLANNED: Planned,
}  # fmt: skip
