"""What observing costs the server's process, in CPU time: per token, per request, per scrape.

    python -m tests.bench.hot_paths              # all, in two minutes
    python -m tests.bench.hot_paths token        # one alone

Each figure is the median of ROUNDS; a token and a request are measured beside the same application
without us, alternating. No model is needed: what is measured is ours. `--save` keeps the figures
with the machine's name (tests/bench/figures/); beside them, `--compare` prints what changed.
An engine step has a bench of its own, tests/bench/step_cost.py.
"""

import argparse
import asyncio
import json
import logging
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.requests.engine_call import EngineCall
from server.requests.live_request import CURRENT
from tests.unit.asgi import CHAT, installer
from tests.unit.helpers import entry, in_force, state

ROUNDS, TOKENS, REQUESTS = 21, 4000, 300
TENANTS = (1, 50, 500)
FIGURES = Path(__file__).parent / "figures" / "hot_paths.json"
BODY = b'{"model": "tiny-llama", "messages": [], "stream": true}'


def _stream(tokens: int) -> ASGIApp:
    """Serves as vLLM does: one engine call, a chunk for each token."""
    chunk = b'data: {"choices":[{"delta":{"content":"x"},"index":0}]}\n\n'
    start = {"type": "http.response.start", "status": 200,
             "headers": [(b"content-type", b"text/event-stream; charset=utf-8")]}  # fmt: skip

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        live = CURRENT.get()
        if live is not None:
            now = time.monotonic()
            call = EngineCall(now, (state(scheduled=now, first=now, last=now, tokens=tokens),))
            call.finish_reasons.append("stop")
            live.begin_call(call)
            live.end_call()
        await send(start)
        for _ in range(tokens):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


async def _serve(app: ASGIApp, times: int) -> None:
    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": [(b"host", b"localhost")]}

    async def send(_: Message) -> None:
        return

    for _ in range(times):
        bodies: Iterator[Message] = iter([{"type": "http.request", "body": BODY}])

        async def receive(given: Iterator[Message] = bodies) -> Message:
            message = next(given, None)
            return message or await asyncio.get_running_loop().create_future()

        await app(dict(scope), receive, send)


async def _nanoseconds(work: Callable[[], Awaitable[None]], units: int) -> float:
    start = time.process_time_ns()
    await work()
    return (time.process_time_ns() - start) / units


async def _added(tokens: int, times: int, units: int) -> tuple[float, ...]:
    """Nanoseconds a unit that we add, of each round."""
    from server.gateway.middleware import Middleware

    bare, ours = _stream(tokens), Middleware(_stream(tokens))
    for app in (bare, ours):
        await _serve(app, times)
    found = []
    for turn in range(ROUNDS):
        order = (bare, ours) if turn % 2 else (ours, bare)
        spent = {app: await _nanoseconds(lambda a=app: _serve(a, times), units) for app in order}
        found.append(spent[ours] - spent[bare])
    return tuple(found)


def token() -> dict[str, float]:
    """Nanoseconds that each chunk of a stream costs in the middleware."""
    return {"ns per token": statistics.median(asyncio.run(_added(TOKENS, 1, TOKENS)))}


def request() -> dict[str, float]:
    """Nanoseconds that a request of one token costs, from its first byte to its last consumer."""
    return {"ns per request": statistics.median(asyncio.run(_added(1, REQUESTS, REQUESTS)))}


def scrape() -> dict[str, float]:
    """Nanoseconds of a /metrics page; a server counts fifty tenants by name, then `other`."""
    found = {}
    for tenants in TENANTS:
        command = [sys.executable, "-m", "tests.unit.exposed", str(tenants), "4", str(ROUNDS)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[f"ns per scrape, {tenants} tenants"] = json.loads(done.stdout)["median"] * 1e6
    return found


BENCHES = {"token": token, "request": request, "scrape": scrape}


def machine() -> str:
    """The processor by its name, and how many cores of it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}, Python {platform.python_version()}"


def measure(names: list[str]) -> dict[str, float]:
    """The figures of the benches."""
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as patch:
        installer(patch)(costs=_costs())
        return {name: value for bench in names for name, value in BENCHES[bench]().items()}


def _costs() -> Any:
    from server.pricing.request_cost import CostTracker

    return CostTracker(in_force(entry("*", "0.10", "0.05", "0.40")))


def show(found: dict[str, float], before: dict[str, float]) -> None:
    """Print a row for each figure, beside what it was."""
    for name, value in found.items():
        was = before.get(name)
        change = f"{value / was - 1:>+8.1%} of {was:,.0f}" if was else ""
        print(f"{name:<28} {value:>14,.0f} {change}", flush=True)


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hot_paths", description=__doc__)
    parser.add_argument("bench", nargs="*", help=", ".join(BENCHES))
    parser.add_argument("--save", action="store_true", help="keep the figures")
    parser.add_argument("--compare", action="store_true", help="beside the figures that were kept")
    options = SimpleNamespace(**vars(parser.parse_args()))
    unknown = set(options.bench) - set(BENCHES)
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    kept = json.loads(FIGURES.read_text())["figures"] if options.compare else {}
    found = measure(options.bench or list(BENCHES))
    show(found, kept)
    if options.save:
        FIGURES.parent.mkdir(exist_ok=True)
        figures = {name: round(value) for name, value in found.items()}
        text = json.dumps({"machine": machine(), "figures": figures}, indent=2)
        FIGURES.write_text(text + "\n")


if __name__ == "__main__":
    main()
