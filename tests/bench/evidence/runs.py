"""Which long runs there are: what each shows, its command, and what it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Run:
    """One run: the words behind `python -m`, variables for it, how many of its last lines count.

    `beside_stack` runs ask the stack, which is up for them; the others need its ports free.
    """

    shows: str
    words: tuple[str, ...]
    lines: int
    beside_stack: bool = True
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """As a person types it in the environment that `make test` makes."""
        first, *rest = self.words
        told = [f"{name}={value}" for name, value in self.variables.items()]
        run = ["make", *rest] if first == "stack" else ["python", "-m", *self.words]
        return " ".join([*told, *run])


RUNS: Mapping[str, Run] = {
    "hot-paths": Run(
        "per token, request and scrape", ("tests.bench.hot_paths",), 5, beside_stack=False
    ),
    "step-cost": Run("per engine step", ("tests.bench.step_cost",), 5, beside_stack=False),
    "overhead": Run("beside stock vLLM", ("stack", "bench"), 64),
    "fuzz": Run(
        "2,000 odd bodies and the killers", ("tests.bench.fuzz", "--bodies", "2000"), 16
    ),
    "drills": Run("every drill", ("stack", "drill"), 36, variables={"ALL": "1"}),
    "healthy": Run("an hour of healthy load", ("tests.bench.healthy", "60", "2"), 4),
    "soak": Run(
        "two hours of the same load, and whether anything drifts", ("stack", "load"), 14,
        variables={"SHAPE": "soak", "RATE": "2", "DURATION": "7200", "SEED": "17"},
    ),
    "day": Run("a day of data: every panel", ("tests.bench.day",), 90, beside_stack=False),
}  # fmt: skip
"""By name, the short ones first: a fault of the whole is seen before hours have passed."""
