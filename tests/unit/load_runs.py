"""Runs of a load whose numbers are known: rows, stages, and a server that agrees with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grafana.pictures.stores import Stores
from loadtest import objectives
from loadtest.report.machine import machine
from loadtest.report.result import Result, Sources, result
from loadtest.report.witnesses import Seen
from loadtest.rows import MAIN, REQUESTS, RUN, Row, Run, Stage, to_json, to_line
from stack.stores.jaeger import Jaeger
from stack.stores.victorialogs import VictoriaLogs

BEGUN = 1_795_470_000_000_000_000
"""Unix nanoseconds."""


def ns(seconds: float) -> int:
    return BEGUN + round(seconds * 1e9)


def row(due: float = 0.0, seconds: float = 1.0, ttft: float | None = 0.5, **more: Any) -> Row:
    """A streamed answer that was due so many seconds after the run's begin."""
    number = more.pop("number", 1)
    known: dict[str, Any] = {
        "kind": "chat stream", "stage": 0, "benchmark_phase": MAIN, "worker_id": 0,
        "tenant": "acme", "trace_id": f"{number:032x}", "span_id": f"{number:016x}",
        "intended_start_ns": ns(due), "request_start_ns": ns(due + 0.001),
        "request_end_ns": ns(due + seconds), "outcome": "ok", "ended_as": "200",
        "provoked": False, "status": 200, "stream": True,
        "first_token_ns": None if ttft is None else ns(due + ttft),
        "gaps_seconds": (0.1, 0.1), "input_tokens": 7, "output_tokens": 3,
    }  # fmt: skip
    return Row(**known | more)


def failed(outcome: str = "server_error", ended_as: str = "500", **more: Any) -> Row:
    """A request that got no token."""
    without = {"gaps_seconds": (), "input_tokens": None, "output_tokens": None, "ttft": None}
    return row(outcome=outcome, ended_as=ended_as, **without | more)


def stage(number: int = 0, begun: float = 0.0, **more: Any) -> Stage:
    known: dict[str, Any] = {"phase": MAIN, "rate": 2.0, "seconds": 10.0, "intended": 20}
    return Stage(number=number, begun_ns=ns(begun), **known | more)


def run(**more: Any) -> Run:
    known: dict[str, Any] = {
        "run_id": "r1", "command": "python -m loadtest --rate 2", "shape": "steady", "rate": 2.0,
        "seed": 1, "url": "http://127.0.0.1:8000", "model": "tiny-llama", "processes": 2,
        "started_ns": ns(0), "ended_ns": ns(10), "stages": (stage(),),
    }  # fmt: skip
    return Run(**known | more)


@dataclass
class Agreed:
    """A reconciliation that found what the test says."""

    exact: bool = True
    contradicted: bool = False
    lines: tuple[str, ...] = ("✓ all agree",)
    costs: Mapping[str, float] = field(default_factory=dict)
    outcomes: Mapping[str, tuple[str, str]] = field(default_factory=dict)


UNSEEN = Seen((), 1.0, 5.0, (), ())
"""Stores that saw nothing special."""


def kept(folder: Path, rows: Sequence[Row], of: Run | None = None) -> Path:
    """The run as its generator leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN).write_text(to_json(replace(of or run(), lines=len(rows))))
    (folder / REQUESTS).write_text("".join(to_line(each) + "\n" for each in rows))
    return folder


STORES = Stores(logs=VictoriaLogs(), traces=Jaeger())


def made(
    rows: list[Row], of: Run | None = None, agreed: Agreed | None = None, seen: Seen = UNSEEN
) -> Result:
    sources = Sources(objectives.read(), agreed or Agreed(), seen, STORES, machine())
    return result(replace(of or run(), lines=len(rows)), rows, sources)


def ladder() -> tuple[list[Row], Run]:
    """Two stages, of which the second has an answer that came too late."""
    rows = [row(0.5 * n, number=n + 1, stage=n // 20) for n in range(39)]
    rows += [row(19.5, 4.0, 3.0, number=40, stage=1), failed(due=3.0, number=41)]
    stages = (stage(), stage(1, 10.0, rate=4.0))
    return rows, run(stages=stages, ended_ns=run().started_ns + 24 * 10**9)
