"""What all of ours costs a server: CPU, rate and latency beside stock vLLM, in paired turns.

    make up && make bench                                  # a quarter of an hour on two cores
    python -m tests.bench.overhead --rounds 5 --streams 8  # a look

Three servers with the same model and flags: stock vLLM with its metrics on, stock vLLM with its own
OTLP tracing as well, and ours as the running stack has it, with everything on. The stack runs
beside all three, and each is scraped every 5 s. In each round each has one turn with the same
seeded closed loop, in another order each time. Ends with 1 where an interval reaches its limit.
"""

import argparse
import json
import logging
import random
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, fields
from itertools import product

from server.signals.exposition import without_renaming
from stack.errors import Fault
from stack.native import supervisor
from stack.say import say, title
from stack.settings import Settings, load
from tests.bench.command import run
from tests.bench.overhead import servers, turn
from tests.bench.overhead.pairs import Ratio, ratio
from tests.bench.overhead.servers import OURS, STOCK, Server
from tests.bench.overhead.turn import Cost
from tests.conftest import REPO

ROUNDS, STREAMS, WARM_ROUNDS = 15, (1, 8, 32), 2
SCRAPE_SECONDS = 5.0
COLLECTOR = "http://127.0.0.1:4318"
OPENMETRICS = without_renaming("application/openmetrics-text;version=1.0.0")
LIMITS = {"api_cpu": 1.10, "core_cpu": 1.08, "itl_p99": 1.10}
"""What the upper end of the interval beside stock stays below."""
GOAL = 1.03
TITLES = {
    "api_cpu": "API process, CPU s per 1,000 tokens",
    "core_cpu": "engine core, CPU s per 1,000 tokens",
    "tokens_per_second": "output tokens per second",
    "ttft_p50": "TTFT p50, ms",
    "ttft_p99": "TTFT p99, ms",
    "itl_p50": "ITL p50, ms",
    "itl_p99": "ITL p99, ms",
}

Costs = Mapping[tuple[str, int], Sequence[Cost]]
"""Of each server at each number of streams, one of each round."""


def _server_of(settings: Settings) -> Server:
    running = supervisor.running(settings)
    pid = running.processes()["server"].pid if running else 0
    if not pid:
        raise Fault("the stack is not up natively: `make up` first (MODE=native)")
    return servers.ours(pid)


@contextmanager
def _scraped(others: Sequence[Server]) -> Iterator[None]:
    """Read the others' metrics as Prometheus reads ours; raises what a read raised."""
    over = threading.Event()

    def read() -> None:
        while not over.wait(SCRAPE_SECONDS):
            for other in others:
                asked = urllib.request.Request(f"{other.url}/metrics")
                asked.add_header("Accept", OPENMETRICS)
                urllib.request.urlopen(asked, timeout=30).read()

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        try:
            yield
        finally:
            over.set()
        # Unread, the others had it easier.
        reading.result()


def measure(compared: Sequence[Server], streams: Sequence[int], rounds: int, seed: int) -> Costs:
    """Each server's costs; the first rounds warm it up and are left out."""
    found = defaultdict[tuple[str, int], list[Cost]](list)
    # By chance: in turns by the clock, each would have the same one's last spans to pay for.
    orders = random.Random(seed)
    for number in range(-WARM_ROUNDS, rounds):
        began = time.monotonic()
        for count in streams:
            for server in orders.sample(compared, len(compared)):
                cost = turn.take(server, count, seed + WARM_ROUNDS + number)
                if number >= 0:
                    found[server.name, count].append(cost)
        what = f"round {number + 1} of {rounds}" if number >= 0 else "warm-up"
        say(f"  {what}, {time.monotonic() - began:.0f} s")
    return found


def ratios(costs: Costs, other: str) -> dict[tuple[int, str], Ratio]:
    """Ours through another's, by streams and measure."""
    found = {}
    streams = sorted({count for _, count in costs})
    for count, field in product(streams, fields(Cost)):
        pair = [[getattr(cost, field.name) for cost in costs[who, count]] for who in (OURS, other)]
        found[count, field.name] = ratio(*pair)
    return found


def _table(costs: Costs, other: str) -> None:
    say(f"\n| streams | ours / {other} | {other} | ours | ratio | 95 % |")
    say("| ---: | --- | ---: | ---: | ---: | --- |")
    for (count, name), found in ratios(costs, other).items():
        middle = [
            sorted(getattr(cost, name) for cost in costs[who, count])[len(costs[who, count]) // 2]
            for who in (other, OURS)
        ]
        say(
            f"| {count} | {TITLES[name]} | {middle[0]:.3g} | {middle[1]:.3g} | {found.median:.3f} "
            f"| {found.low:.3f} to {found.high:.3f} |"
        )


def over(costs: Costs) -> list[str]:
    """What is beside stock above its limit, each with its number."""
    return [
        f"{TITLES[name]} at {count} streams: up to {found.high:.3f}, limit {LIMITS[name]}"
        for (count, name), found in ratios(costs, STOCK).items()
        if name in LIMITS and found.high >= LIMITS[name]
    ]


def asked(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for; ends with 2 for what no interval comes of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--streams", type=int, nargs="+", default=STREAMS, choices=STREAMS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    if options.rounds < 2:
        parser.error(f"--rounds {options.rounds}: an interval needs two rounds or more")
    return options


def bench(options: argparse.Namespace) -> int:
    """Measure, print and keep; returns 1 after naming what is above its limit."""
    # vLLM's benchmark warns of each prompt that is a token longer than asked, for all three alike.
    logging.disable(logging.WARNING)
    settings = load(REPO)
    like = _server_of(settings)
    folder = settings.state / "bench"
    title(f"Overhead: {options.rounds} rounds at {', '.join(map(str, options.streams))} streams")
    with servers.all_of(like, folder, COLLECTOR) as compared, _scraped(compared[:2]):
        costs = measure(compared, options.streams, options.rounds, options.seed)
    kept = {
        f"{who}, {count}": [asdict(cost) for cost in all_] for (who, count), all_ in costs.items()
    }
    (folder / "overhead.json").write_text(json.dumps(kept, indent=1))
    for other in (STOCK, servers.TRACED):
        _table(costs, other)
    found = over(costs)
    say("\n" + ("\n".join(found) or "every interval is below its limit") + f" (goal {GOAL})")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(run(lambda: bench(asked())))
