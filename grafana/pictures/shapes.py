"""From a store's JSON to frames: legends filled in, tables joined, spans put in their tree."""

import math
import re
from collections.abc import Iterable, Sequence
from statistics import pstdev

from grafana.pictures.board import Json
from grafana.pictures.frames import Cell, Exemplar, Line, Row, Series, Span
from stack.stores.protocol import FoundTrace, LogRecord, Value
from stack.stores.protocol import Span as StoredSpan

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def legend(pattern: str, labels: dict[str, str]) -> str:
    """Fill a legend format such as `p95 {{model}}`; a label that is absent stays empty."""
    return _LABEL.sub(lambda match: labels.get(match[1], ""), pattern).strip()


def series(result: Iterable[Json], pattern: str, asked: str = "") -> list[Series]:
    """The series of a range query; NaN and Inf are gaps, as Grafana leaves them."""
    return [
        Series(
            legend(pattern, one["metric"]),
            one["metric"],
            _points(one["values"]),
            float(one["values"][-1][1]),
            asked,
        )
        for one in result
    ]


def numbers(result: Iterable[Json], pattern: str) -> list[Series]:
    """The numbers of an instant query; NaN is one, for which a panel has words."""
    return [
        Series(legend(pattern, one["metric"]), one["metric"], [(float(at), value)], value)
        for one in result
        for at, value in [(one["value"][0], float(one["value"][1]))]
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


def organize(found: Sequence[Row], options: Json) -> list[Row]:
    """Drop, order and rename columns, as the transformation `organize` does."""
    every = list(dict.fromkeys(name for row in found for name in row))
    only, order = options.get("includeByName") or every, options.get("indexByName", {})
    kept = [name for name in every if name in only and not options["excludeByName"].get(name)]
    columns = sorted(kept, key=lambda name: order.get(name, len(order)))
    headings = options.get("renameByName", {})
    return [{headings.get(n) or n: row.get(n, "") for n in columns} for row in found]


def points(name: str, found: Sequence[tuple[float, float]]) -> list[Series]:
    """The line of one tenant, none where it has no point."""
    finite = [(at, value) for at, value in found if math.isfinite(value)]
    return [Series(name, {"tenant": name}, finite, found[-1][1])] if finite else []


def lines(records: Iterable[LogRecord]) -> list[Line]:
    """The log lines, newest first."""
    found = [Line(record.time_ns / 1e9, record.text) for record in records]
    return sorted(found, key=lambda line: line.at, reverse=True)


def records(found: Iterable[LogRecord]) -> list[Row]:
    """One row per log record, its fields as the columns that Grafana extracts from the labels."""
    return [
        {"Time": one.time_ns / 1e6, **{name: _cell(value) for name, value in one.fields.items()}}
        for one in found
    ]


def _cell(value: Value) -> Cell:
    if isinstance(value, list):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else value


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


def found_traces(traces: Iterable[FoundTrace]) -> list[Row]:
    """One row per trace that a search found, with its span's attributes, as `spans` tables do."""
    return [
        {
            "traceIdHidden": trace.trace_id,
            "Start time": trace.start_ns / 1e6,
            "Duration": trace.seconds * 1e9,
            **{name: _cell(value) for name, value in trace.attributes.items()},
        }
        for trace in traces
    ]


def tree(spans: Sequence[StoredSpan]) -> list[Span]:
    """The spans of a trace, each under its parent, in order of their start."""
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in known]
    return [line for root in _by_start(roots) for line in _under(root, spans, 0)]


def _by_start(spans: Iterable[StoredSpan]) -> list[StoredSpan]:
    return sorted(spans, key=lambda span: span.start_ns)


def _under(span: StoredSpan, spans: Sequence[StoredSpan], depth: int) -> list[Span]:
    start, end = span.start_ns / 1e9, span.end_ns / 1e9
    children = _by_start(one for one in spans if one.parent_id == span.span_id)
    below = [line for child in children for line in _under(child, spans, depth + 1)]
    return [Span(span.name, depth, start, end - start), *below]
