"""What has to hold of each request by itself: one record, one span, the same end and tokens."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from loadtest.reconcile import findings, outcome_table
from loadtest.reconcile.findings import Remark, held
from loadtest.reconcile.joined import Joined, count, number
from loadtest.reconcile.outcome_table import UNSEEN, Verdict, client_end, server_end
from loadtest.rows import Row
from stack.stores.protocol import LogRecord, Span

_SAME = {
    "outcome": "llm.outcome",
    "reason": "llm.reason",
    "status_code": "http.response.status_code",
    "cost_microdollars": "llm.cost.microdollars",
}
"""Fields of a record that its span has to have as well, or lack as well."""
_TOKENS = {
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cache_read.input_tokens",
    "output_tokens": "output_tokens",
}
"""The same of what a span lacks where no model ran, below one of _USAGES."""
_USAGES = ("gen_ai.usage", "llm.usage")
"""The second where the server was told that callers count their tokens themselves."""


def of_records(requests: Sequence[Joined]) -> list[Remark]:
    """Everything that a row and its records say of each other."""
    return [_one_row_an_id(requests), _one_record(requests), _statuses(requests), *_usage(requests)]


def _one_row_an_id(requests: Sequence[Joined]) -> Remark:
    every = Counter(request.row.trace_id for request in requests)
    shared = [f"{rows} have {trace_id}" for trace_id, rows in every.items() if rows > 1]
    return held("trace ids of one row each", len(every), shared)


def _one_record(requests: Sequence[Joined]) -> Remark:
    seen = [request for request in requests if request.records]
    wrong = [f"{r.row.trace_id} has {len(r.records)}" for r in seen if len(r.records) > 1]
    return held("recorded requests with exactly one record", len(seen), wrong)


def of_spans(requests: Sequence[Joined]) -> list[Remark]:
    """Everything that row, record and SERVER span say of each other, where traces were read."""
    read = [request for request in requests if request.traced]
    found = [_one_span(read), *_half_lost(read)] if read else []
    both = [(each, each.record, each.span) for each in read]
    pairs = [(each.row, record, span) for each, record, span in both if record and span]
    wrong = [
        f"{row.trace_id} {why}" for row, record, span in pairs for why in _unlike(record, span)
    ]
    return [*found, held("spans that say what their record says", len(pairs), wrong)]


def _one_span(requests: Sequence[Joined]) -> Remark:
    due = [request for request in requests if request.records or request.spans]
    due = [request for request in due if not _is_half_lost(request)]
    wrong = [f"{each.row.trace_id} {why}" for each in due if (why := _misplaced(each))]
    return held("requests with exactly one SERVER span, a child of the client's", len(due), wrong)


def _half_lost(requests: Sequence[Joined]) -> list[Remark]:
    cases = [f"{each.row.trace_id} {_misplaced(each)}" for each in requests if _is_half_lost(each)]
    text = "ended as a process did, which may have taken the span or the record with it"
    return [Remark(findings.UNTOLD, f"{text}: {len(cases):,}", tuple(cases))] if cases else []


def _is_half_lost(request: Joined) -> bool:
    return request.dying and bool(request.records) != bool(request.spans)


def _misplaced(request: Joined) -> str:
    if len(request.spans) != 1:
        return f"has {len(request.spans)} SERVER spans"
    if not request.records:
        return "has a SERVER span and no record"
    # The next process knows the ids of a killed request, not who its parent was.
    parent = request.spans[0].parent_id
    if parent == request.row.span_id or (request.was_killed and not parent):
        return ""
    return f"has a SERVER span below {parent or 'nothing'}, not {request.row.span_id}"


def _unlike(record: LogRecord, span: Span) -> Iterator[str]:
    if record.fields.get("span_id") != span.span_id:
        yield f"span_id {record.fields.get('span_id')}, in the span {span.span_id}"
    for name, attribute in {**_SAME, **_tokens_in(record, span)}.items():
        ours, theirs = record.fields.get(name), span.attributes.get(attribute)
        if not _is_same(ours, theirs):
            yield f"{name} {ours}, in the span {theirs}"


def _tokens_in(record: LogRecord, span: Span) -> dict[str, str]:
    if record.fields.get("operation") == "other":
        return {}
    there = [usage for usage in _USAGES if f"{usage}.input_tokens" in span.attributes]
    usage = there[0] if there else _USAGES[0]
    return {name: f"{usage}.{suffix}" for name, suffix in _TOKENS.items()}


def _is_same(ours: object, theirs: object) -> bool:
    # A store may write a double in decimal and read back its neighbour: far below a nanodollar.
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-12)
    return ours == theirs


def of_ends(requests: Sequence[Joined], restarted: bool) -> list[Remark]:
    """How the ends at client and server go together, by the table."""
    judged: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for each in requests:
        record = each.records[0] if each.records else None
        verdict = outcome_table.judge(each.row, record, restarted, each.dying)
        server = server_end(record)
        case = f"{each.row.trace_id} {client_end(each.row)} ({each.row.ended_as}), server {server}"
        # Nobody can tell a request that never came from one whose record was lost.
        is_open = verdict is Verdict.RACE and server == UNSEEN
        judged[Verdict.RESTART if is_open else verdict].append(case)
    found = [held("ends that agree", len(requests), judged[Verdict.WRONG], _apart(judged))]
    if judged[Verdict.RACE]:
        text = "races, true on both sides: each looked at its own moment"
        found.append(Remark(findings.NOTE, text, tuple(judged[Verdict.RACE])))
    if judged[Verdict.RESTART]:
        text = "ends that a restart or a hang-up before the first byte explains and nothing proves"
        found.append(Remark(findings.UNTOLD, text, tuple(judged[Verdict.RESTART])))
    return found


def _apart(judged: dict[Verdict, list[str]]) -> str:
    races, restarts = len(judged[Verdict.RACE]), len(judged[Verdict.RESTART])
    return f" ({races:,} of them races, {restarts:,} explained)" if races or restarts else ""


def _statuses(requests: Sequence[Joined]) -> Remark:
    # A client that was gone before the head came has no status, and a killed server none either.
    both = [(r.row, r.record) for r in requests if r.row.status is not None and not r.was_killed]
    pairs = [(row, record.fields.get("status_code")) for row, record in both if record]
    wrong = [f"{row.trace_id} {row.status}, server {at}" for row, at in pairs if row.status != at]
    return held("status codes that are equal", len(pairs), wrong)


def _usage(requests: Sequence[Joined]) -> list[Remark]:
    told = [r for r in requests if r.row.input_tokens is not None and not r.was_killed]
    pairs = [(each.row, record) for each in told if (record := each.record)]
    inputs = [(row, row.input_tokens or 0, record) for row, record in pairs]
    outputs = [(row, row.output_tokens or 0, record) for row, record in pairs]
    return [_tokens("input_tokens", inputs), _tokens("output_tokens", outputs)]


def _tokens(name: str, pairs: Sequence[tuple[Row, int, LogRecord]]) -> Remark:
    ours = sum(tokens for _, tokens, _ in pairs)
    theirs = sum(count(record, name) for _, _, record in pairs)
    wrong = [
        f"{row.trace_id} {tokens:,}, server {count(record, name):,}"
        for row, tokens, record in pairs
        if tokens != number(record.fields, name)
    ]
    said = f"; {ours:,} in all, {theirs:,} by the server"
    words = name.replace("_", " ")
    return held(f"{words} that are equal where the client was told", len(pairs), wrong, said)
