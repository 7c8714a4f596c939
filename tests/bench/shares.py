"""Are the shares true? Requests together and alone on the live engine, against what was measured.

`python -m tests.bench.shares` needs the stack (`make up`) and nobody else on it. For two and three
different requests it measures the engine time of every subset, alone and together. From these times
alone follows each request's Shapley value; beside it stands what the ledger attributed.
"""

import argparse
import asyncio
import random
import statistics
from itertools import combinations, permutations
from typing import TypeAlias

import httpx

from stack.evidence.scrape import scrape
from tests.e2e.client import API, COMPLETIONS
from tests.e2e.ledger import unheard

Shape: TypeAlias = tuple[int, int]
"""Tokens in, tokens out."""
GROUPS: tuple[tuple[Shape, ...], ...] = (
    ((40, 200), (40, 200)),
    ((1500, 100), (40, 100)),
    ((900, 150), (900, 150)),
    ((40, 120), (700, 120), (1500, 120)),
    ((200, 60), (200, 120), (200, 240)),
)
Subset: TypeAlias = tuple[int, ...]


async def _send(http: httpx.AsyncClient, model: str, shape: Shape) -> float:
    prompt, answer = shape
    body = {"model": model, "prompt": unheard(prompt), "max_tokens": answer, "ignore_eos": True}
    done = await http.post(COMPLETIONS, json=body, headers={"x-llm-cost": "include"})
    return float(done.raise_for_status().headers["x-llm-gpu-cost-microdollars"])


async def _together(http: httpx.AsyncClient, model: str, shapes: list[Shape]) -> list[float]:
    return list(await asyncio.gather(*(_send(http, model, shape) for shape in shapes)))


def shapley(times: dict[Subset, float], count: int) -> list[float]:
    """Each one's marginal time averaged over every order, from the measured times of subsets."""
    every = list(permutations(range(count)))
    shares = [0.0] * count
    for order in every:
        for place, index in enumerate(order):
            before, after = (tuple(sorted(order[:end])) for end in (place, place + 1))
            shares[index] += (times[after] - times.get(before, 0.0)) / len(every)
    return shares


async def measure(group: tuple[Shape, ...], rounds: int, price: float) -> list[tuple[float, float]]:
    """Seconds by measured subsets and as attributed, for each request of the group; medians."""
    subsets = [s for n in range(1, len(group) + 1) for s in combinations(range(len(group)), n)]
    totals: dict[Subset, list[float]] = {subset: [] for subset in subsets}
    attributed: list[list[float]] = [[] for _ in group]
    async with httpx.AsyncClient(base_url=API, timeout=120, trust_env=False) as http:
        model = (await http.get("/v1/models")).json()["data"][0]["id"]
        for _ in range(rounds):
            for subset in random.sample(subsets, len(subsets)):
                costs = await _together(http, model, [group[index] for index in subset])
                totals[subset].append(sum(costs) / price)
                if len(subset) == len(group):
                    for each, cost in zip(attributed, costs, strict=True):
                        each.append(cost / price)
    times = {subset: statistics.median(found) for subset, found in totals.items()}
    return list(zip(shapley(times, len(group)), map(statistics.median, attributed), strict=True))


def main() -> None:
    """Print a row for each request of each group, then the median and worst difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    page = scrape()
    if page is None:
        raise SystemExit("the server does not answer: `make up`")
    price = next(s.value for s in page if s.name == "llm_device_price_microdollars_per_second")
    misses = []
    print(f"{'group':>5} {'in':>5} {'out':>4} {'by subsets s':>13} {'attributed s':>13} {'off':>7}")
    for number, group in enumerate(GROUPS, start=1):
        rows = asyncio.run(measure(group, rounds, price))
        for (tokens_in, tokens_out), (true, charged) in zip(group, rows, strict=True):
            off = charged / true - 1
            misses.append(abs(off))
            row = f"{number:>5} {tokens_in:>5} {tokens_out:>4} {true:>13.4f} {charged:>13.4f}"
            print(f"{row} {off:>+7.1%}", flush=True)
    print(f"median {statistics.median(misses):.1%}, worst {max(misses):.1%}")


if __name__ == "__main__":
    main()
