"""What a comparison looks at in a run: values and sums, each with the stretch of time it is of."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loadtest.compare.intervals import Array
from loadtest.objectives import MEASURED, Objectives, is_good, is_judged
from loadtest.report.figures import elapsed
from loadtest.report.with_cost import NAME as WITH_COST
from loadtest.rows import MAIN, Row, Run, Stage

MOST_BLOCKS, BLOCK_SECONDS = 20, 10.0
"""A run is cut into so many stretches at most, each of so many seconds at least.

On a shared machine noise lasts for seconds: shorter stretches would be told of it by each other."""
_BINS = 20_000


@dataclass(frozen=True)
class Values:
    """Measured values in ascending order, and how many of each block do not exceed each edge."""

    ordered: Array
    edges: Array
    below: Array

    def quantiles(self, percent: int, counts: Array) -> Array:
        """The quantile by nearest rank of each sample of blocks; not a number where it has none."""
        every = counts @ self.below[:, -1]
        wanted = np.ceil(every * percent / 100 - 1e-9)
        low, high = (np.full(len(counts), end) for end in (0, len(self.edges) - 1))
        while (low < high).any():
            middle = (low + high) // 2
            enough = np.einsum("db,bd->d", counts, self.below[:, middle]) >= wanted
            low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
        return np.where(every > 0, self.edges[high], np.nan)


@dataclass(frozen=True)
class Sums:
    """A sum by block, and what it is divided by."""

    above: Array
    below: Array

    @property
    def whole(self) -> float | None:
        """The quotient over all blocks; None where there is nothing to divide by."""
        below = float(self.below.sum())
        return float(self.above.sum()) / below if below else None

    def quotients(self, counts: Array) -> Array:
        """The quotient of each sample of blocks; not a number where it has none."""
        above, below = counts @ self.above, counts @ self.below
        return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)


@dataclass(frozen=True)
class Sample:
    """A run by what it measured: `values` in seconds, `sums` by their names."""

    run: Run
    blocks: int
    requests: int
    values: Mapping[str, Values]
    sums: Mapping[str, Sums]


def values(found: Array, of: npt.NDArray[np.int64], blocks: int) -> Values:
    """The values in order; `of` is the block of each. There is one at least."""
    order = np.argsort(found, kind="stable")
    ordered = found[order]
    # Of many values every so many-th is an edge: a rank is off by one in so many thousand.
    last = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), _BINS)).round().astype(int))
    each = np.zeros((blocks, len(last)))
    np.add.at(each, (of[order], np.searchsorted(last, np.arange(len(ordered)))), 1)
    return Values(ordered, ordered[last], each.cumsum(axis=1))


def _taken(
    placed: Iterable[tuple[Row, int]], take: Callable[[Row], tuple[float, ...]], blocks: int
) -> Values | None:
    pairs = [(value, block) for row, block in placed for value in take(row)]
    if not pairs:
        return None
    return values(np.array([v for v, _ in pairs]), np.array([b for _, b in pairs]), blocks)


def _first(row: Row) -> tuple[float, ...]:
    return () if row.ttft_seconds is None else (row.ttft_seconds,)


def _whole(row: Row) -> tuple[float, ...]:
    return (row.seconds,) if row.outcome == "ok" else ()


_TIMES: Mapping[str, Callable[[Row], tuple[float, ...]]] = {
    "ttft": _first,
    "itl": MEASURED["inter_token_latency"],
    "tpot": MEASURED["time_per_output_token"],
    "duration": _whole,
}


def costs(folder: Path) -> dict[str, float]:
    """Microdollars by trace id, as `make report` found them; none where it was not made."""
    try:
        lines = (folder / WITH_COST).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return {}
    return {row["trace_id"]: row["cost_microdollars"] for row in rows if "cost_microdollars" in row}


def sample(
    run: Run, rows: Sequence[Row], objectives: Objectives, known: Mapping[str, float]
) -> Sample:
    """The run's phase MAIN, less what the load itself made fail; `known` are costs by trace id."""
    stages = [stage for stage in run.stages if stage.phase == MAIN]
    mine = [row for row in rows if row.benchmark_phase == MAIN and is_judged(row)]
    begun, seconds = _stretch(stages)
    blocks = max(1, min(MOST_BLOCKS, int(seconds / BLOCK_SECONDS)))

    def of(row: Row) -> int:
        at = (row.intended_start_ns - begun) / 1e9 / seconds if seconds else 0.0
        return min(max(int(at * blocks), 0), blocks - 1)

    placed = [(row, of(row)) for row in mine]
    found = {name: _taken(placed, take, blocks) for name, take in _TIMES.items()}
    known_values = {name: each for name, each in found.items() if each is not None}
    sums = _sums(placed, blocks, elapsed(mine, stages), objectives)
    if (cost := _cost(placed, blocks, known)) is not None:
        sums["cost"] = cost
    return Sample(run, blocks, len(mine), known_values, sums)


def _stretch(stages: Sequence[Stage]) -> tuple[int, float]:
    if not stages:
        return 0, 0.0
    begun = min(stage.begun_ns for stage in stages)
    return begun, max((stage.begun_ns - begun) / 1e9 + stage.seconds for stage in stages)


def _sum(placed: Iterable[tuple[float, int]], blocks: int) -> Array:
    found = np.zeros(blocks)
    for value, block in placed:
        found[block] += value
    return found


def _sums(
    placed: Sequence[tuple[Row, int]], blocks: int, seconds: float, objectives: Objectives
) -> dict[str, Sums]:
    time, ones = np.full(blocks, seconds / blocks), _sum(((1, b) for _, b in placed), blocks)
    tokens = _sum(((row.output_tokens or 0, b) for row, b in placed if row.outcome == "ok"), blocks)
    good = _sum(((is_good(objectives, row), b) for row, b in placed), blocks)
    bad = _sum(((row.outcome != "ok", b) for row, b in placed), blocks)
    return {"tokens": Sums(tokens, time), "goodput": Sums(good, time), "errors": Sums(bad, ones)}


def _cost(
    placed: Sequence[tuple[Row, int]], blocks: int, known: Mapping[str, float]
) -> Sums | None:
    answered = [(row, block) for row, block in placed if row.outcome == "ok"]
    if not answered or not all(row.trace_id in known and row.output_tokens for row, _ in answered):
        return None
    paid = _sum(((known.get(row.trace_id, 0.0), block) for row, block in placed), blocks)
    tokens = _sum(((row.output_tokens or 0, block) for row, block in answered), blocks)
    return Sums(paid, tokens / 1000)
