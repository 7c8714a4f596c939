"""The report as JSON: its keys are stable, its values exact, and what is not known is null."""

import json
from typing import Any

from loadtest.report import with_cost, witnesses
from loadtest.report.document import document, to_json
from loadtest.report.witnesses import Seen
from tests.unit.load_runs import Agreed, ladder, made, row


def keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: keys(each) for key, each in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else None


SPREAD = dict.fromkeys(("count", "mean", "p50", "p90", "p95", "p99", "max"))
OBJECTIVE = dict.fromkeys(("limit_seconds", "objective", "good", "counted", "share", "met"))
FIGURES = {
    "seconds": None,
    "requests": None,
    "provoked": None,
    "objectives": {
        "request_duration": OBJECTIVE,
        "time_to_first_token": OBJECTIVE,
        "time_per_output_token": OBJECTIVE,
        "inter_token_latency": OBJECTIVE,
        "error_share": OBJECTIVE,
    },
    "latency_seconds": {
        "ttft": SPREAD,
        "itl": SPREAD,
        "tpot": SPREAD,
        "end_to_end": SPREAD,
        "end_to_end_of_failed": SPREAD,
    },
    "tokens": {
        "input": None,
        "output": None,
        "input_per_second": None,
        "output_per_second": None,
        "requests_without_usage": None,
    },
    "goodput": {
        "requests": None,
        "requests_per_second": None,
        "output_tokens": None,
        "output_tokens_per_second": None,
    },
    "not_ok": [dict.fromkeys(("outcome", "ended_as", "provoked", "count"))],
    "cost": {
        "microdollars": None,
        "microdollars_of_known": None,
        "requests_known": None,
        "requests_unknown": None,
        "microdollars_per_1k_good_output_tokens": None,
    },
}
WORST = dict.fromkeys(
    (
        *("trace_id", "kind", "tenant", "stage", "outcome", "ended_as", "output_tokens"),
        *("seconds", "ttft_seconds", "due", "trace", "logs"),
    )
)
DOCUMENT = {
    "schema": None,
    "run": dict.fromkeys(
        (
            *("run_id", "command", "shape", "rate", "seed", "url", "model", "processes"),
            *("started", "ended"),
        )
    ),
    "valid": None,
    "invalid_because": None,
    "reconciled": {"contradicted": None, "exact": None, "findings": [None]},
    "objectives_met": None,
    "quantiles": None,
    "whole": FIGURES,
    "schedule_delay_seconds": SPREAD,
    "stages": [{"number": None, "rate": None, **FIGURES}],
    "pace": [
        {
            **dict.fromkeys(("stage", "phase", "seconds", "intended_per_second")),
            **dict.fromkeys(("achieved_per_second", "intended", "sent", "dropped", "lost")),
            "schedule_delay_seconds": SPREAD,
        }
    ],
    "course": [
        {
            **dict.fromkeys(("at_seconds", "seconds", "requests", "good")),
            "ttft_seconds": SPREAD,
            "end_to_end_seconds": SPREAD,
            "microdollars": None,
            "microdollars_per_1k_good_output_tokens": None,
        }
    ],
    "worst": {"by_seconds": [WORST], "by_ttft": [WORST]},
    "alerts": [
        {
            **dict.fromkeys(("name", "severity", "first_seen", "last_seen", "step_seconds")),
            "labels": {"tenant": None},
        }
    ],
    "alerts_watched_share": None,
    "boards": None,
    "unanswered": None,
    "machine": dict.fromkeys(("cores", "cpu", "memory_bytes", "kernel", "python")),
}


def test_keys_of_the_json_are_those_that_readers_know() -> None:
    rows, of = ladder()
    seen = Seen((witnesses.Alert("A", "page", {"tenant": "t"}, 1.0, 2.0),), 1.0, 5.0, (), ())
    assert keys(document(made(rows, of, seen=seen))) == DOCUMENT


def test_the_json_is_not_rounded_and_not_known_is_null() -> None:
    found = json.loads(to_json(made([row(seconds=1.234567891, number=1)])))
    assert found["whole"]["latency_seconds"]["end_to_end"]["p50"] == 1.234567891
    assert found["whole"]["cost"]["microdollars"] is None
    assert found["whole"]["cost"]["requests_unknown"] == 1
    assert found["run"]["started"] == "2026-11-23T21:40:00.000Z"


def test_lines_carry_what_the_server_knew_and_nothing_else() -> None:
    agreed = Agreed(costs={f"{1:032x}": 4.5}, outcomes={f"{1:032x}": ("ok", "stop")})
    first, second = map(json.loads, with_cost.lines([row(number=1), row(number=2)], agreed))
    told = ("cost_microdollars", "server_outcome", "server_reason")
    assert [first[name] for name in told] == [4.5, "ok", "stop"]
    assert not set(told) & set(second)
    assert first["trace_id"] == f"{1:032x}" and first["gaps_seconds"] == [0.1, 0.1]
