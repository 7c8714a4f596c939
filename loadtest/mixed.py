"""Mixed open-loop load: arrivals at the given rate whatever the server does, seeded.

Latencies run from the intended start, so that waiting for a slow server counts (no coordinated
omission). Exit code 1: something failed that this script did not provoke; 2: it could not start.
"""

import argparse
import asyncio
import json
import random
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

GONE = "hung up"
# As server/gateway/stream_errors.py, which a load test by itself cannot import; a test holds both.
ERROR_EVENT = 'data: {"error"'
KINDS: dict[str, tuple[int, set[str]]] = {  # kind: its weight, the ends that we ask for
    "chat": (25, {"200"}),
    "chat stream": (30, {"200"}),
    "completion": (15, {"200"}),
    "completion stream": (12, {"200"}),
    "chat abort": (4, {"200", GONE}),
    "chat stream abort": (6, {"200", GONE}),
    "chat bad json": (4, {"400"}),
    "chat bad model": (4, {"404"}),
}
WORDS = ("import", "def", "class", "return", "yield", "async", "await", "lambda", "assert", "raise")
TIMEOUT_SECONDS, PROGRESS_SECONDS = 120.0, 3.0
SPAN = "00f067aa0ba902b7"  # Any parent span: we send traceparent to know the ids of aborts too.


@dataclass(frozen=True)
class Plan:
    """One request to send: `due` and `hang_up` (never when None) in seconds."""

    kind: str
    due: float
    body: dict[str, object]
    key: str
    hang_up: float | None


@dataclass(frozen=True)
class End:
    """How a request ended for its client; seconds count from its intended start."""

    kind: str
    status: str
    seconds: float
    trace_id: str

    @property
    def provoked(self) -> bool:
        """Tell whether the script asked for this end."""
        return self.status in KINDS[self.kind][1]


def plan(rate: float, seconds: float, seed: int, model: str, keys: list[str]) -> list[Plan]:
    """Draw a Poisson process of `rate` requests per second over `seconds`."""
    dice, due, plans = random.Random(seed), 0.0, []
    while (due := due + dice.expovariate(rate)) < seconds:
        kind = dice.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
        hang_up = dice.uniform(0.1, 0.8) if "abort" in kind else None
        plans.append(Plan(kind, due, _body(kind, model, dice), dice.choice(keys), hang_up))
    return plans


def _body(kind: str, model: str, dice: random.Random) -> dict[str, object]:
    size = dice.randint(300, 700) if dice.random() < 0.2 else dice.randint(4, 60)
    text = " ".join(dice.choices(WORDS, k=size))
    tokens = 400 if "abort" in kind else int(dice.triangular(4, 200, 30))
    body = {"model": "no-such-model" if "bad model" in kind else model, "max_tokens": tokens}
    if "completion" in kind:
        return body | {"stream": "stream" in kind, "prompt": text}
    return body | {"stream": "stream" in kind, "messages": [{"role": "user", "content": text}]}


async def send(client: httpx.AsyncClient, todo: Plan, start: float, ends: list[End]) -> None:
    """Send one request at its intended time, whatever became of the others."""
    due = start + todo.due
    await asyncio.sleep(due - time.monotonic())
    trace_id = secrets.token_hex(16)
    try:
        status = await _exchange(client, todo, trace_id)
    except httpx.HTTPError as error:
        status = type(error).__name__
    ends.append(End(todo.kind, status, time.monotonic() - due, trace_id))


async def _exchange(client: httpx.AsyncClient, todo: Plan, trace_id: str) -> str:
    content = "{" if "bad json" in todo.kind else json.dumps(todo.body)
    path = "/v1/completions" if "completion" in todo.kind else "/v1/chat/completions"
    headers = {"content-type": "application/json", "traceparent": f"00-{trace_id}-{SPAN}-01"}
    if todo.key:
        headers["authorization"] = f"Bearer {todo.key}"
    try:
        async with (
            asyncio.timeout(todo.hang_up),
            client.stream("POST", path, content=content, headers=headers) as response,
        ):
            text = (await response.aread()).decode()
    except TimeoutError:
        return GONE
    if text.startswith(ERROR_EVENT) or f"\n{ERROR_EVENT}" in text:
        return f"{response.status_code}, then an error"
    whole = not todo.body["stream"] or response.is_error or text.endswith("data: [DONE]\n\n")
    return str(response.status_code) if whole else "cut off"


async def progress(ends: list[End], total: int) -> None:
    """Print one line every few seconds until cancelled."""
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        bad = sum(not end.provoked for end in ends)
        print(f"{len(ends)} of {total} ended, {bad} not as provoked", flush=True)


async def run(options: argparse.Namespace, keys: list[str]) -> list[End]:
    """Send the whole plan and return every end, in order of ending."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=options.url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False
    ) as client:
        authorization = {"authorization": f"Bearer {keys[0]}"} if keys[0] else {}
        models = (await client.get("/v1/models", headers=authorization)).raise_for_status().json()
        model = models["data"][0]["id"]
        plans = plan(options.rate, options.seconds, options.seed, model, keys)
        ends: list[End] = []
        teller = asyncio.create_task(progress(ends, len(plans)))
        start = time.monotonic()
        await asyncio.gather(*(send(client, todo, start, ends) for todo in plans))
        teller.cancel()
    return ends


def report(ends: list[End]) -> str:
    """Return the table of ends by kind, then a trace id of each end and of the slowest."""
    lines = [f"{'kind':<18} {'sent':>5} {'p50 s':>7} {'p95 s':>7}  ends"]
    for kind in sorted({end.kind for end in ends}):
        own = [end for end in ends if end.kind == kind]
        times = sorted(end.seconds for end in own)
        p50, p95 = (times[int(q * (len(times) - 1))] for q in (0.5, 0.95))
        statuses = ", ".join(f"{s}: {n}" for s, n in Counter(e.status for e in own).most_common())
        lines.append(f"{kind:<18} {len(own):>5} {p50:>7.3f} {p95:>7.3f}  {statuses}")
    samples = {f"{end.kind} -> {end.status}": end.trace_id for end in ends}
    slow = max(ends, key=lambda end: end.seconds)
    lines.append(f"slowest: {slow.kind} -> {slow.status}, {slow.seconds:.3f} s  {slow.trace_id}")
    return "\n".join(lines + [f"{name:<36} {trace}" for name, trace in sorted(samples.items())])


def arguments() -> argparse.Namespace:
    """Read the command line; only loopback hosts are accepted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--rate", type=float, default=4.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keys", type=Path, help="file with one API key a line: the tenants")
    options = parser.parse_args()
    if urlsplit(options.url).hostname not in {"127.0.0.1", "localhost", "::1"}:
        parser.error(f"--url {options.url}: only a loopback host may be loaded; use a tunnel")
    if options.rate <= 0 or options.seconds <= 0:
        parser.error("--rate and --seconds must be above 0")
    return options


def main() -> int:
    """Run the load and print its table."""
    options = arguments()
    try:
        keys = options.keys.read_text().split() if options.keys else [""]
        ends = asyncio.run(run(options, keys or [""]))
    except (OSError, httpx.HTTPError) as error:
        print(f"mixed load could not start: {error!r}; is the stack up? `make up`", file=sys.stderr)
        return 2
    print(report(ends) if ends else "nothing was due: raise --rate or --seconds")
    return int(any(not end.provoked for end in ends))


if __name__ == "__main__":
    sys.exit(main())
