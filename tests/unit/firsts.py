"""Which series appear only when something happens; run as `python -m tests.unit.firsts`.

Its own process, because the registry is one per process and other tests fill it.
"""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_client import REGISTRY
from starlette.types import ASGIApp, Receive, Scope, Send

from server.gateway import middleware
from server.gateway.api_keys import Tenants
from server.gateway.gate import Gate
from server.ledger.bill_metrics import Bookkeeper, keys
from server.ledger.books import BookFile
from server.ledger.calendar import Periods
from server.ledger.device_ledger import Ledger
from server.pricing.request_cost import CostTracker
from server.record.request import GpuUse, Operation, RequestRecord
from server.requests import live_request as live
from server.requests.engine_call import EngineCall
from server.requests.in_flight_journal import Journal
from server.requests.lifecycle import Observer
from server.requests.live_request import CURRENT, LiveRequest
from server.requests.models import Models
from tests.unit.asgi import KEY, KEY_DIGEST, Client, Inner, gate
from tests.unit.helpers import entry, in_force, state

MODELS = ("priced", "unpriced")
"""The served model, and an adapter."""
PATHS = {
    "generate": (
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/responses",
        "/v1/messages/count_tokens",
    ),
    "embed": ("/v1/embeddings", "/tokenize", "/detokenize"),
}
LIMIT = 1024


class EngineDeadError(Exception):
    """Known to server/record/outcome.py by its name, as the next ones."""


class VLLMClientError(Exception):
    pass


class GracefulHTTPError(Exception):
    pass


class Engine:
    """An application whose engine call ends this way, after so many tokens."""

    def __init__(
        self, *finish: str, tokens: int = 20, error: Exception | None = None, status: int = 200
    ) -> None:
        self._finish = finish
        self._tokens = tokens
        self._error = error
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        current = CURRENT.get()
        assert current is not None
        current.ran(None if current.model == MODELS[0] else current.model)
        now = current.started
        made = state(tokens=self._tokens, scheduled=now + 1, first=now + 2, last=now + 3)
        reasons = list(self._finish)
        current.begin_call(EngineCall(states=[made], finish_reasons=reasons, error=self._error))
        current.end_call()
        await send({"type": "http.response.start", "status": self._status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


async def explode(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError


async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def headers(key: str = KEY, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **more}


def body(model: Any) -> tuple[bytes, ...]:
    return (json.dumps({"model": model}).encode(),)


async def ask(app: ASGIApp, method: str, path: str, what: tuple[bytes, ...], **more: str) -> None:
    await Client(app).call(method, path, headers(**more), what)


async def leave(app: ASGIApp, path: str, what: tuple[bytes, ...], hold: bool) -> None:
    client = Client(app, hold=hold)
    task = asyncio.create_task(client.call("POST", path, headers(), what))
    await client.silent.wait()
    client.leave()
    await task


async def refusals(path: str) -> None:
    """What ends before a model of ours is known."""
    for method, place in (("GET", path), ("PUT", "/v1/models"), ("POST", "/nope"), ("GET", "/x")):
        await ask(Inner(), method, place, ())
    for each in (
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/tokenize",
        "/score",
    ):
        await ask(Inner(404), "POST", each, body("unknown"))
        await ask(Inner(), "POST", each, body("priced"), key="nobody")
    await ask(Inner(400), "POST", path, (b"{",))
    await ask(Inner(400), "POST", path, body(5))
    await ask(Inner(400), "POST", path, body("unknown"))
    await ask(Inner(), "POST", path, (b"x" * 2 * LIMIT,))
    await ask(explode, "POST", path, body("unknown"))
    await ask(explode, "GET", "/v1/models", ())
    for place in ("/v1/models", "/health"):
        await ask(Inner(), "GET", place, (b"",))
        await ask(Inner(), "HEAD", place, (b"",))
    await leave(wait, path, (b"{",), hold=True)
    await Client(wait, hold=True).call("POST", path, headers(), (b"{",))


async def ends(path: str, model: str) -> None:
    """Every way in which a request of a served model ends."""
    what = body(model)
    for status in (200, 400, 401, 404, 413, 500):
        await ask(Inner(status), "POST", path, what)
    for finish in ("stop", "length", "abort", "error"):
        for tokens in (0, 1, 20):
            await ask(Engine(finish, tokens=tokens), "POST", path, what)
    await ask(Engine("stop"), "POST", path, what, **{"x-stainless-retry-count": "1"})
    await ask(Engine("stop"), "POST", path, what, **{"x-llm-cost": "include"})
    for error in (EngineDeadError(), VLLMClientError(), GracefulHTTPError(), ValueError()):
        await ask(Engine(error=error, status=500), "POST", path, what)
    await ask(explode, "POST", path, what)
    await leave(wait, path, what, hold=False)
    await Client(wait).call("POST", path, headers(), what)


def left_behind(folder: Path) -> Journal:
    """A journal of a killed process that served another model and another tenant."""
    journal = Journal(folder)
    for n, (model, tenant) in enumerate((("priced", "acme"), ("gone", "gone"))):
        lost = LiveRequest(f"{n:032x}", f"{n:016x}", "POST", "/v1/completions", Operation.CHAT)
        lost.model, lost.tenant = model, tenant
        journal.begin(lost)
    journal.close(2)
    return Journal(folder)


def made(task: str, folder: Path, ledger: Ledger) -> Gate:
    return gate(
        Tenants({KEY_DIGEST: "acme", "0" * 64: "idle"}),
        left_behind(folder) if task == "generate" else None,
        ledger,
        CostTracker(in_force(entry("priced", "0.10", "0.05", "0.40")), ("acme",)),
        Models(MODELS[:1], MODELS[1:]),
        task=task,
        max_body_bytes=LIMIT,
        deadline_seconds=0.05,
    )


def series() -> set[tuple[str, ...]]:
    return {
        (sample.name, *map(str, sorted(sample.labels.items())))
        for family in REGISTRY.collect()
        for sample in family.samples
    }


def with_device_time(server: Observer) -> None:
    """Have each record of an engine call carry device time."""
    freeze = server.freeze
    gpu = GpuUse(10**9, 27_777, 100, 20, (1, 1))

    def frozen(live: LiveRequest) -> RequestRecord:
        return replace(freeze(live), gpu=gpu if live.calls else None)

    server.freeze = frozen  # type: ignore[method-assign]


async def drive(task: str) -> None:
    """Every kind of request and refusal there is."""
    for path in PATHS[task]:
        await refusals(path)
        for model in MODELS:
            await ends(path, model)


def start(task: str, folder: Path) -> Observer:
    """A server as the launcher leaves it before the first request."""
    ledger = Ledger(0, lambda: 3_600_000)
    opened = made(task, folder, ledger)
    server = opened.observer
    server.create_label_sets()
    known = tuple(keys(*server.labels))
    REGISTRY.register(Bookkeeper(ledger, BookFile(None), Periods(), lambda: known))
    with_device_time(server)
    middleware._gate = opened
    return server


def main() -> None:
    """Print the series that a server which can do the task got only after its start."""
    task = sys.argv[1]
    live.FINAL_GRACE_SECONDS = 0.0
    with TemporaryDirectory() as folder:
        server = start(task, Path(folder))
        before = series()
        asyncio.run(drive(task))
        server.recover(server.leftovers())
    counted = [s for family in REGISTRY.collect() for s in family.samples]
    seen = {s.labels["reason"] for s in counted if s.name == "llm_requests_total" and s.value}
    print(json.dumps({"reasons": sorted(seen), "new": sorted(series() - before)}))


if __name__ == "__main__":
    main()
