"""What is not as it should be is said: by client, record, trace and price."""

from typing import Any

import pytest

from clients import judge
from clients.evidence import Left
from clients.said import COUNTED, LEFT, NO_KEY, STOPPED, Said, Usage
from tests.unit.clients.talked import COST, PHASE, PRICES, left, made_span, record, said, span


def test_all_good_is_silent() -> None:
    assert judge.faults(said(), left(), PRICES) == []


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"fault": "nothing was parsed"}, "nothing was parsed"),
        ({"status": 500}, "told 500, not 200"),
        ({"refusals": ("APIError", "Exception")}, "raised APIError"),
        ({"usage": None}, "told no usage"),
        ({"usage": Usage(11, 5, 3)}, "input_tokens: the client was told 11, the record has 10"),
        ({"usage": Usage(10, 6)}, "output_tokens"),
        ({"usage": Usage(10, 5, 0)}, "cached_input_tokens"),
        ({"headers": {"x-trace-id": "ab"}}, "another trace"),
        ({"headers": {"x-request-id": "b"}}, "the answer has another x-request-id"),
    ],
)
def test_a_fault_on_the_clients_side(more: dict[str, Any], word: str) -> None:
    assert word in "; ".join(judge.faults(said(**more), left(), PRICES))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"outcome": "aborted", "reason": "client_disconnect"}, "recorded as aborted"),
        ({"status_code": 500}, "recorded with status 500"),
        ({"caller_request_id": None}, "the record has not the client's"),
        ({"span_id": "77" * 8}, "another span"),
        ({"reason": "length"}, "another reason"),
        ({"input_tokens": 9}, "span and record say other input_tokens"),
        ({"cost_microdollars": COST * 1.001}, "by tokens x price"),
        ({"cost_microdollars": None}, "cost is None"),
    ],
)
def test_a_fault_of_the_record(more: dict[str, Any], word: str) -> None:
    assert word in "; ".join(judge.faults(said(), left(record(**more)), PRICES))


def test_a_retry_and_a_loss_are_counted() -> None:
    twice = left(record(), record(trace_id="99" * 16))
    assert judge.faults(said(), twice, PRICES) == ["2 records, not 1"]
    assert judge.faults(said(), Left((), ()), PRICES) == ["0 records, not 1"]


def test_a_trace_needs_its_server_span_and_phases() -> None:
    stray = made_span("11" * 8, "", "internal", {})
    assert "0 SERVER spans" in judge.faults(said(), left(spans=(stray,)), PRICES)[0]
    two = (span(), span(), PHASE)
    assert "2 SERVER spans" in judge.faults(said(), left(spans=two), PRICES)[0]
    assert judge.faults(said(), left(spans=(span(),)), PRICES) == ["no phase in the trace"]


def test_usage_of_a_caller_who_counts_himself_stands_under_another_name() -> None:
    own = {"llm.usage.input_tokens": 10, "llm.usage.output_tokens": 5}
    attributes = {**span().attributes, **own}
    for name in ("input", "output"):
        del attributes[f"gen_ai.usage.{name}_tokens"]
    moved = made_span(span().span_id, "", "server", attributes)
    assert judge.faults(said(), left(spans=(moved, PHASE)), PRICES) == []


def test_who_left_was_told_no_usage_and_still_pays() -> None:
    gone = {"outcome": "aborted", "reason": "client_disconnect"}
    ended = {"llm.outcome": "aborted", "llm.reason": "client_disconnect"}
    found = left(record(**gone), spans=(span(**ended), PHASE))
    assert judge.faults(said(want=LEFT, usage=None), found, PRICES) == []
    assert judge.faults(said(want=LEFT), found, PRICES) == ["usage was told"]
    unpaid = left(record(**gone, cost_microdollars=None), spans=(span(**ended), PHASE))
    assert "cost is None" in judge.faults(said(want=LEFT, usage=None), unpaid, PRICES)[0]


NO_TOKENS: dict[str, Any] = {
    "input_tokens": 0, "output_tokens": 0, "cached_input_tokens": 0, "cost_microdollars": None,
}  # fmt: skip


def _without_tokens(want: Any, outcome: str, reason: str) -> tuple[Said, Left]:
    ended = {"llm.outcome": outcome, "llm.reason": reason}
    spans = (made_span(span().span_id, "", "server", ended),)
    line = record(outcome=outcome, reason=reason, status_code=want.status, **NO_TOKENS)
    return said(want=want, usage=None, status=want.status), left(line, spans=spans)


def test_a_refusal_has_neither_phases_nor_cost() -> None:
    refused, found = _without_tokens(NO_KEY, "client_error", "auth")
    refused.refusals = ("AuthenticationError",)
    assert judge.faults(refused, found, PRICES) == []


def test_a_count_of_tokens_uses_none() -> None:
    assert judge.faults(*_without_tokens(COUNTED, "ok", "complete"), PRICES) == []


def test_what_the_browser_stopped_has_no_record() -> None:
    stopped = said(want=STOPPED, usage=None, status=0, headers={})
    assert judge.faults(stopped, Left((), ()), PRICES) == []
    assert judge.faults(stopped, left(), PRICES) == ["1 records, not 0"]
