"""Each stage of a run as a Benchmark Report v0.2.1, the schema of llm-d-benchmark.

So that plots made for that work on ours. What is not known is absent from it, never 0; its schema
forbids fields of our own. Beside the run's report, one file a stage, held against the schema when
it is written.
"""

import datetime
import hashlib
import json
import math
import statistics
import tomllib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from loadtest.objectives import MEASURED, is_judged
from loadtest.ranks import at_permille
from loadtest.report.document import utc
from loadtest.report.figures import elapsed
from loadtest.report.pace import of_stage
from loadtest.rows import MAIN, Row, Run, Stage
from stack.errors import Fault

VERSION = "0.2.1"
SCHEMA = Path(__file__).parent / "llm_d" / "br_v0_2_1_json_schema.json"
REPO = Path(__file__).parents[2]
FAILURES = ("client_error", "server_error")
"""Ends that are an answer and an error; every other that is not ok is incomplete."""
_QUANTILES = {
    "p0p1": 1, "p1": 10, "p5": 50, "p10": 100, "p25": 250, "p50": 500, "p75": 750, "p90": 900,
    "p95": 950, "p99": 990, "p99p9": 999,
}  # fmt: skip
Json: TypeAlias = dict[str, Any]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def check(document: Json) -> None:
    """Raise Fault, naming the field, where the document is none by the schema."""
    if (wrong := best_match(_validator().iter_errors(document))) is not None:
        said = f"the benchmark report is none by {SCHEMA.name}: {wrong.json_path}: {wrong.message}"
        raise Fault(said[:500], "that is an error of ours: please report it")


def write(folder: Path, run: Run, rows: Sequence[Row], invalid: Sequence[str]) -> list[Path]:
    """A file for each stage of the phase MAIN, in the run's folder; raises Fault or OSError."""
    written = []
    for stage in run.stages:
        if stage.phase == MAIN:
            path = folder / f"benchmark_report_v{VERSION},_stage_{stage.number}.yaml"
            document = report(run, stage, of_stage(stage, rows), invalid)
            check(document)
            # As YAML and not as JSON: a YAML 1.1 reader takes JSON's 1e-05 for a word.
            path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
            written.append(path)
    return written


def report(run: Run, stage: Stage, rows: Sequence[Row], invalid: Sequence[str]) -> Json:
    """The report of a stage by the rows that were due in it."""
    judged = [row for row in rows if is_judged(row)]
    load = _load(run, stage, judged, provoked=len(rows) - len(judged))
    performance = {"aggregate": _aggregate(judged, elapsed(judged, [stage]))}
    return {
        "version": VERSION,
        "run": _run(run, stage, judged, invalid),
        **({"scenario": {"load": load}} if load else {}),
        "results": {"request_performance": performance},
    }


def _run(run: Run, stage: Stage, judged: Sequence[Row], invalid: Sequence[str]) -> Json:
    begun, seconds = stage.begun_ns / 1e9, elapsed(judged, [stage])
    told = f"{run.command or run.shape}, of {run.model}"
    # A report that leaves this folder has to say itself that its figures are not the server's.
    doubts = "; ".join(invalid)
    return {
        "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.run_id}/{stage.number}")),
        "eid": run.run_id,
        "time": {
            "start": utc(begun),
            "end": utc(begun + seconds),
            "duration": f"PT{datetime.timedelta(seconds=seconds).total_seconds():.6f}S",
        },
        "description": f"INVALID ({doubts}): {told}" if doubts else told,
        "keywords": [run.shape, *(["invalid"] if doubts else [])],
    }


def _load(run: Run, stage: Stage, judged: Sequence[Row], provoked: int) -> Json | None:
    sent = [row.input_tokens for row in judged if row.input_tokens is not None]
    if not sent:
        # The schema wants their length, and nobody told it.
        return None
    config = {
        "shape": run.shape,
        "seed": run.seed,
        "visits_per_second": stage.rate,
        "server": {"base_url": run.url, "model_name": run.model},
    }
    standardized: Json = {
        "tool": "llm-observability loadtest",
        "tool_version": _version(),
        "parallelism": run.processes,
        "source": "random",
        "stage": stage.number,
        "input_seq_len": {
            "distribution": "other",
            "value": statistics.fmean(sent),
            "min": min(sent),
            "max": max(max(sent), 1),
        },
    }
    if stage.seconds > 0:
        standardized["rate_qps"] = len(judged) / stage.seconds
    if any(row.turn_index for row in judged):
        standardized["multi_turn"] = {"enabled": True}
    identity = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    native = {"args": {"command": run.command}, "config": {**config, "provoked_left_out": provoked}}
    return {"metadata": {"cfg_id": identity}, "standardized": standardized, "native": native}


@cache
def _version() -> str:
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _aggregate(judged: Sequence[Row], seconds: float) -> Json:
    answered = [row for row in judged if row.outcome == "ok"]
    requests = {
        "total": len(judged),
        "failures": sum(row.outcome in FAILURES for row in judged),
        "incomplete": sum(row.outcome not in (*FAILURES, "ok") for row in judged),
        **_several(
            input_length=_spread("count", (row.input_tokens for row in answered)),
            output_length=_spread("count", (row.output_tokens for row in answered)),
        ),
    }
    whole = {"requests": requests}
    for name, found in (("latency", _latency(judged)), ("throughput", _rates(answered, seconds))):
        if found:
            whole[name] = found
    return whole


def _latency(judged: Sequence[Row]) -> Json:
    per_token = MEASURED["time_per_output_token"]
    answered = [row for row in judged if row.outcome == "ok"]
    normalized = [row.seconds / row.output_tokens for row in answered if row.output_tokens]
    return _several(
        time_to_first_token=_spread("s", (row.ttft_seconds for row in judged)),
        normalized_time_per_output_token=_spread("s/token", normalized),
        time_per_output_token=_spread("s/token", (v for row in judged for v in per_token(row))),
        inter_token_latency=_spread("s/token", (gap for row in judged for gap in row.gaps_seconds)),
        request_latency=_spread("s", (row.seconds for row in answered)),
    )


def _rates(answered: Sequence[Row], seconds: float) -> Json:
    if seconds <= 0:
        return {}
    sent = _sum(row.input_tokens for row in answered)
    made = _sum(row.output_tokens for row in answered)
    both = None if sent is None or made is None else sent + made
    found = {"input_token_rate": sent, "output_token_rate": made, "total_token_rate": both}
    rates = {
        name: {"units": "tokens/s", "mean": count / seconds}
        for name, count in found.items()
        if count is not None
    }
    return {**rates, "request_rate": {"units": "queries/s", "mean": len(answered) / seconds}}


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum; None where one of them is not known, or there is none."""
    found = [*counts]
    known = [count for count in found if count is not None]
    return sum(known) if known and len(known) == len(found) else None


def _several(**found: Json | None) -> Json:
    return {name: each for name, each in found.items() if each is not None}


def _spread(units: str, values: Iterable[float | None]) -> Json | None:
    """Statistics of the values that are known, by nearest rank; None where none is."""
    ordered: list[float] = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    mean = math.fsum(ordered) / len(ordered)
    told: Mapping[str, float] = {
        "mean": mean,
        "min": ordered[0],
        **{name: at_permille(ordered, permille) for name, permille in _QUANTILES.items()},
        "max": ordered[-1],
    }
    stray = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / len(ordered))
    return {"units": units, **told, **({"stddev": stray} if len(ordered) > 1 else {})}
