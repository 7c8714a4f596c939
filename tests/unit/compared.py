"""Runs whose noise is that of a shared machine: it lasts for seconds, and slows whole batches."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from loadtest.compare.intervals import Array
from loadtest.compare.sample import BLOCK_SECONDS, MOST_BLOCKS, Sample, Sums, values
from loadtest.rows import Row, Run
from tests.unit.load_runs import ns, row, run, stage

SECONDS, RATE = 600.0, 3.0


@dataclass(frozen=True)
class Asked:
    """When each request is due, how many tokens it makes, and how long each of both took."""

    due: Array
    tokens: Array
    ttft: Array
    tpot: Array


def _moods(dice: np.random.Generator, seconds: int, lasting: float, strong: float) -> Array:
    """By how much (a logarithm) the machine is slower in each second: a Markov process."""
    kept, found = math.exp(-1 / lasting), [dice.normal(0, strong)]
    for push in dice.normal(0, strong * math.sqrt(1 - kept**2), seconds):
        found.append(kept * found[-1] + push)
    return np.array(found)


def served(
    seed: int,
    noise: int,
    slower: float = 1.0,
    seconds: float = SECONDS,
    lasting: float = 8.0,
    run_to_run: float = 0.0,
) -> Asked:
    """What is asked is of `seed`, the machine's moods, 10 % strong, are of `noise`.

    `run_to_run` is how much (a logarithm) one run differs from the next, whoever serves.
    """
    asked, dice = np.random.default_rng(seed), np.random.default_rng([noise, 7])
    due = np.sort(asked.uniform(0, seconds, int(RATE * seconds)))
    tokens = np.exp(asked.normal(3.0, 0.7, len(due))).astype(int) + 3.0
    mood = _moods(dice, int(seconds), lasting, 0.1)[due.astype(int)]
    pace = slower * np.exp(mood + dice.normal(0, run_to_run))
    own = np.exp(dice.normal(0, 0.15, (2, len(due))))
    return Asked(due, tokens, 0.03 * pace * own[0], 0.004 * pace * own[1])


def sample_of(of: Asked, name: str = "a", seconds: float = SECONDS) -> Sample:
    """The same as a comparison looks at it, without a row for each."""
    count = min(MOST_BLOCKS, int(seconds / BLOCK_SECONDS))
    block = np.minimum(of.due / seconds * count, count - 1).astype(int)
    taken = {"ttft": of.ttft, "tpot": of.tpot, "duration": of.ttft + of.tpot * (of.tokens - 1)}
    tokens = np.bincount(block, of.tokens, count)
    none, ones = np.zeros(count), np.bincount(block, minlength=count).astype(float)
    sums = {
        "tokens": Sums(tokens, np.full(count, seconds / count)),
        "errors": Sums(none, ones),
    }
    found = {what: values(each, block, count) for what, each in taken.items()}
    return Sample(run_of(name, seconds), count, len(of.due), found, sums)


def rows_of(of: Asked) -> list[Row]:
    """The same as its generator leaves it."""
    rows = []
    for number, due in enumerate(of.due):
        ttft, gap, gaps = float(of.ttft[number]), float(of.tpot[number]), int(of.tokens[number]) - 1
        known: dict[str, Any] = {"gaps_seconds": (gap,) * gaps, "output_tokens": gaps + 1}
        rows.append(row(float(due), ttft + gap * gaps, ttft, number=number + 1, **known))
    return rows


def run_of(name: str, seconds: float = SECONDS, begun: float = 0.0, **more: Any) -> Run:
    """The run of such rows."""
    stages = (stage(seconds=seconds, rate=RATE, intended=int(RATE * seconds)),)
    known = {"run_id": name, "rate": RATE, "stages": stages, "started_ns": ns(begun)}
    return replace(run(), **known | more)
