"""The report as JSON: every value unrounded, its unit in its name, null where it is not known."""

import datetime
import json
from dataclasses import asdict
from typing import Any, TypeAlias

from loadtest.objectives import Judgement
from loadtest.ranks import METHOD
from loadtest.report.course import Bin
from loadtest.report.figures import Figures
from loadtest.report.pace import Pace
from loadtest.report.result import Result
from loadtest.report.spreads import Spread
from loadtest.report.witnesses import Alert, Picture
from loadtest.report.worst import Worst

SCHEMA = 1
Json: TypeAlias = dict[str, Any]


def utc(seconds: float) -> str:
    """Unix seconds as ISO 8601, UTC, to the millisecond."""
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_json(result: Result) -> str:
    """The report as a JSON document; raises ValueError for a number that is none."""
    return json.dumps(document(result), indent=1, allow_nan=False) + "\n"


def document(result: Result) -> Json:
    """The report as JSON values."""
    return {
        "schema": SCHEMA,
        "run": _run(result),
        "valid": not result.invalid_because,
        "invalid_because": list(result.invalid_because),
        "reconciled": {
            "exact": result.exact,
            "contradicted": result.contradicted,
            "findings": list(result.findings),
        },
        "objectives_met": result.whole.met,
        "quantiles": METHOD,
        "whole": _figures(result.whole),
        "schedule_delay_seconds": _spread(result.delay),
        "stages": [
            {"number": each.stage.number, "rate": each.stage.rate, **_figures(each.figures)}
            for each in result.stages
        ],
        "pace": [_pace(each) for each in result.paces],
        "course": [_bin(each) for each in result.course],
        "worst": {
            "by_seconds": [_worst(each) for each in result.worst.by_seconds],
            "by_ttft": [_worst(each) for each in result.worst.by_ttft],
        },
        "alerts": _alerts(result),
        "alerts_watched_share": result.seen.watched,
        "boards": [_picture(each) for each in result.seen.pictures],
        "unanswered": list(result.seen.unanswered),
        "machine": asdict(result.machine),
    }


def _run(result: Result) -> Json:
    run = result.run
    names = ("run_id", "command", "shape", "rate", "seed", "url", "model", "processes")
    told = {name: getattr(run, name) for name in names}
    return {**told, "started": utc(run.started_ns / 1e9), "ended": utc(run.ended_ns / 1e9)}


def _figures(figures: Figures) -> Json:
    tokens = figures.tokens
    return {
        "seconds": figures.seconds,
        "requests": figures.requests,
        "provoked": figures.provoked,
        "objectives": {each.objective.name: _judgement(each) for each in figures.judgements},
        "latency_seconds": {name: _spread(each) for name, each in figures.latencies.items()},
        "tokens": {
            "input": tokens.input,
            "output": tokens.output,
            "input_per_second": figures.per_second(tokens.input),
            "output_per_second": figures.per_second(tokens.output),
            "requests_without_usage": tokens.without,
        },
        "goodput": {
            "requests": figures.good,
            "requests_per_second": figures.per_second(figures.good),
            "output_tokens": figures.good_tokens,
            "output_tokens_per_second": figures.per_second(figures.good_tokens),
        },
        "not_ok": [asdict(each) for each in figures.ends],
        "cost": _cost(figures),
    }


def _cost(figures: Figures) -> Json:
    cost = figures.cost
    return {
        "microdollars": cost.whole,
        "microdollars_of_known": cost.microdollars if cost.known else None,
        "requests_known": cost.known,
        "requests_unknown": cost.unknown,
        "microdollars_per_1k_good_output_tokens": figures.microdollars_per_1k_good_tokens,
    }


def _judgement(judgement: Judgement) -> Json:
    objective = judgement.objective
    return {
        "limit_seconds": objective.limit,
        "objective": float(objective.share),
        "good": judgement.good,
        "counted": judgement.counted,
        "share": judgement.share,
        "met": judgement.met,
    }


def _spread(spread: Spread | None) -> Json | None:
    return None if spread is None else asdict(spread)


def _pace(pace: Pace) -> Json:
    return {
        "stage": pace.stage.number,
        "phase": pace.stage.phase,
        "seconds": pace.stage.seconds,
        "intended_per_second": pace.stage.rate,
        "achieved_per_second": pace.achieved,
        "intended": pace.stage.intended,
        "sent": pace.sent,
        "dropped": pace.stage.dropped,
        "lost": pace.lost,
        "schedule_delay_seconds": _spread(pace.delay),
    }


def _bin(each: Bin) -> Json:
    figures = each.figures
    firsts, wholes = (_spread(figures.latencies[name]) for name in ("ttft", "end_to_end"))
    return {
        "at_seconds": each.at,
        "seconds": figures.seconds,
        "requests": figures.requests,
        "good": figures.good,
        "ttft_seconds": firsts,
        "end_to_end_seconds": wholes,
        "microdollars": figures.cost.whole,
        "microdollars_per_1k_good_output_tokens": figures.microdollars_per_1k_good_tokens,
    }


def _worst(worst: Worst) -> Json:
    row = worst.row
    names = ("trace_id", "kind", "tenant", "stage", "outcome", "ended_as", "output_tokens")
    told = {name: getattr(row, name) for name in names}
    times = {"seconds": row.seconds, "ttft_seconds": row.ttft_seconds}
    due = utc(row.intended_start_ns / 1e9)
    return {**told, **times, "due": due, "trace": worst.trace, "logs": worst.logs}


def _alerts(result: Result) -> list[Json] | None:
    seen = result.seen
    return None if seen.alerts is None else [_alert(each, seen.step) for each in seen.alerts]


def _alert(alert: Alert, step: float) -> Json:
    times = {"first_seen": utc(alert.first), "last_seen": utc(alert.last), "step_seconds": step}
    return {"name": alert.name, "severity": alert.severity, **times, "labels": alert.labels}


def _picture(picture: Picture) -> Json:
    missing = list(picture.without_data)
    return {"title": picture.title, "file": picture.path.name, "panels_without_data": missing}
