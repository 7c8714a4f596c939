"""From a store's JSON to frames: legends filled in, tables joined, spans put in their tree."""

import math
import re
from collections.abc import Iterable, Sequence
from statistics import pstdev

from grafana.pictures.board import Json
from grafana.pictures.frames import Cell, Exemplar, Line, Row, Series, Span

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def legend(pattern: str, labels: dict[str, str]) -> str:
    """Fill a legend format such as `p95 {{model}}`; a label that is absent stays empty."""
    return _LABEL.sub(lambda match: labels.get(match[1], ""), pattern).strip()


def series(result: Iterable[Json], pattern: str) -> list[Series]:
    """The series of a range query; NaN and Inf are gaps, as Grafana leaves them."""
    return [
        Series(
            legend(pattern, one["metric"]),
            one["metric"],
            _points(one["values"]),
            float(one["values"][-1][1]),
        )
        for one in result
    ]


def _points(values: Iterable[Sequence[str]]) -> list[tuple[float, float]]:
    pairs = ((float(at), float(value)) for at, value in values)
    return [(at, value) for at, value in pairs if math.isfinite(value)]


def rows(result: Iterable[Json], column: str) -> list[Row]:
    """One row per sample of an instant query: its labels, and the value under `column`."""
    samples = ((one["metric"], float(one["value"][1])) for one in result)
    return [{**labels, column: value} for labels, value in samples if math.isfinite(value)]


def merge(rows_of_targets: Sequence[list[Row]]) -> list[Row]:
    """Join the rows of several queries by their labels, as the transformation `merge` does."""
    joined: dict[tuple[tuple[str, Cell], ...], Row] = {}
    for row in (row for rows_of_one in rows_of_targets for row in rows_of_one):
        key = tuple(sorted((k, v) for k, v in row.items() if not k.startswith("Value")))
        joined.setdefault(key, {}).update(row)
    return list(joined.values())


def organize(row: Row, options: Json) -> Row:
    """Drop, order and rename columns, as the transformation `organize` does."""
    only = options.get("includeByName") or row
    kept = [name for name in row if name in only and not options["excludeByName"].get(name)]
    order = options.get("indexByName", {})
    names = options.get("renameByName", {})
    ordered = sorted(kept, key=lambda name: order.get(name, len(order)))
    return {names.get(name) or name: row[name] for name in ordered}


def lines(streams: Iterable[Json]) -> list[Line]:
    """The log lines of all streams, newest first."""
    found = [Line(int(at) / 1e9, text) for one in streams for at, text in one["values"]]
    return sorted(found, key=lambda line: line.at, reverse=True)


def exemplars(result: Iterable[Json], step: float) -> list[Exemplar]:
    """The dots of a query that Grafana keeps: each step's highest, and those far below it."""
    steps: dict[float, list[Exemplar]] = {}
    for one in (one for one in result if "trace_id" in one["labels"]):
        at, value = float(one["timestamp"]), float(one["value"])
        steps.setdefault(at // step, []).append(Exemplar(at, value, one["labels"]["trace_id"]))
    spread = pstdev(dot.value for dots in steps.values() for dot in dots) if steps else 0.0
    return [dot for dots in steps.values() for dot in _apart(dots, 2 * spread)]


def _apart(dots: list[Exemplar], distance: float) -> list[Exemplar]:
    kept: list[Exemplar] = []
    for dot in sorted(dots, key=lambda dot: dot.value, reverse=True):
        if not kept or kept[-1].value - dot.value > distance:
            kept.append(dot)
    return kept


def found_traces(traces: Iterable[Json]) -> list[Row]:
    """One row per span that a TraceQL search found, with what it selects, as `spans` tables do."""
    return [
        {
            "traceIdHidden": trace["traceID"],
            "Trace Service": trace.get("rootServiceName", ""),
            "Trace Name": trace.get("rootTraceName", ""),
            "Span ID": span["spanID"],
            "Start time": int(span["startTimeUnixNano"]) / 1e9,
            "Duration": float(span["durationNanos"]),
            **{a["key"]: _attribute(a["value"]) for a in span.get("attributes", [])},
        }
        for trace in traces
        for group in trace.get("spanSets", [])
        for span in group["spans"]
    ]


def _attribute(value: Json) -> Cell:
    kind, content = next(iter(value.items()))
    return float(content) if kind in {"doubleValue", "intValue"} else str(content)


def tree(trace: Json) -> list[Span]:
    """The spans of a trace, each under its parent, in order of their start."""
    spans = [
        span
        for batch in trace.get("batches", [])
        for scope in batch["scopeSpans"]
        for span in scope["spans"]
    ]
    known = {span["spanId"] for span in spans}
    roots = [span for span in spans if span.get("parentSpanId") not in known]
    return [line for root in _by_start(roots) for line in _under(root, spans, 0)]


def _by_start(spans: Iterable[Json]) -> list[Json]:
    return sorted(spans, key=lambda span: int(span["startTimeUnixNano"]))


def _under(span: Json, spans: list[Json], depth: int) -> list[Span]:
    start, end = (int(span[f"{edge}TimeUnixNano"]) / 1e9 for edge in ("start", "end"))
    children = _by_start(s for s in spans if s.get("parentSpanId") == span["spanId"])
    below = [line for child in children for line in _under(child, spans, depth + 1)]
    return [Span(span["name"], depth, start, end - start), *below]
