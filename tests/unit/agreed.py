"""A run of five requests on which both sides agree, and what a test may change of it."""

from typing import Any

from loadtest.reconcile.reconciliation import Reconciliation
from server.record.request import Operation, Outcome, Usage
from tests.unit.reconciling import Story

NOTHING: dict[str, Any] = {
    "usage": Usage(), "time_to_first_token_seconds": None, "phases": (), "finish_reasons": (),
}  # fmt: skip
REFUSED: dict[str, Any] = {
    **NOTHING, "outcome": Outcome.CLIENT_ERROR, "reason": "invalid_json", "status_code": 400,
    "model": "other",
}  # fmt: skip
GONE: dict[str, Any] = {"outcome": Outcome.ABORTED, "reason": "client_disconnect"}
UNTOLD = {"input_tokens": None, "output_tokens": None}
HUNG_UP = {**UNTOLD, "outcome": "aborted", "ended_as": "hung up", "provoked": True}
LISTING: dict[str, Any] = {
    **NOTHING, "operation": Operation.OTHER, "reason": "complete", "method": "GET",
    "route": "/v1/models", "model": "other",
}  # fmt: skip


def told(seed: int = 0) -> Story:
    """A run of five requests, on which both sides agree."""
    story = Story()
    story.send()
    story.send({"benchmark_phase": "warmup"}, usage=Usage(7 + seed, 0, 3))
    story.send(**REFUSED)
    story.send(HUNG_UP, **GONE)
    story.send({"stream": False, "first_token_ns": None}, stream=False)
    return story


def wrong(found: Reconciliation) -> list[str]:
    return [line for line in found.lines if line[0] in "✗?"]
