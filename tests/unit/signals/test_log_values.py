"""Whatever is logged, a record has legal fields of bounded size, and a line stays JSON."""

import logging
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from server.record.request import Outcome
from server.signals.log_values import MAX_FIELDS, MAX_LINE, MAX_NAME, MAX_SIZE, MAX_TEXT
from tests.unit.logged import Lines, Sent, kinds, lines_of, sent_meanwhile

CONTEXT = {"event", "logger", "process"}
SCALARS = (str, bool, int, float)


@pytest.fixture
def lines() -> Iterator[Lines]:
    with lines_of("vllm.foreign") as made:
        yield made


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    with sent_meanwhile(monkeypatch) as made:
        yield made


def test_a_line_that_is_too_long_stays_json_and_loses_the_end_of_its_text(lines: Lines) -> None:
    lines.logger.info('"µ😀' * MAX_LINE)
    assert MAX_LINE - 12 <= len(lines.text) - 1 <= MAX_LINE
    line = lines.one()
    assert list(line) == ["timestamp", "level", "event", "logger", "process"]
    assert line["event"].startswith('"µ😀"µ😀')


def test_a_long_exception_is_cut_and_what_was_said_stays(lines: Lines) -> None:
    error = ValueError("long" * MAX_LINE)
    lines.logger.error("failed", exc_info=error)
    assert len(lines.text) - 1 == MAX_LINE
    line = lines.one()
    assert (line["event"], line["exception_type"]) == ("failed", "ValueError")
    assert line["exception"].startswith("ValueError: longlong")


def test_both_are_cut_where_both_are_long(lines: Lines) -> None:
    lines.logger.error("e" * MAX_LINE, exc_info=ValueError("x" * MAX_LINE))
    assert len(lines.text) - 1 == MAX_LINE
    line = lines.one()
    assert abs(len(line["event"]) - len(line["exception"])) <= 1


@pytest.mark.parametrize(
    "fields",
    [
        {f"field{index}": "x" for index in range(10_000)},
        {"long": ["x" * 100] * 1000},
        {"long": '"' * 2 * MAX_LINE, "l" * 2 * MAX_LINE: 1},
        {"number": float("nan"), "key": {(1, 2): 3}, "text": "\ud800"},
    ],
)
def test_any_field_leaves_a_line_of_json(fields: dict[str, Any]) -> None:
    with lines_of("server.requests") as requests:
        structlog.get_logger("server.requests").info("said", **fields)
    assert len(requests.text) - 1 <= MAX_LINE
    line = requests.one()
    assert (line["event"], line["level"]) == ("said", "info")
    assert "NaN" not in requests.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.50"),
        (b"\x00raw", "b'\\x00raw'"),
        ({"a": {"b": 1}}, '{"a": {"b": 1}}'),
        ([1, "a"], '[1, "a"]'),
        ([1, True], "[1, true]"),
        ([1, 2.5], "[1, 2.5]"),
        ([None, "a"], '[null, "a"]'),
        ([[1], [2]], "[[1], [2]]"),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (2**63, str(2**63)),
        (Outcome.OK, "ok"),
        ("\ud800", "?"),
    ],
)
def test_what_otlp_has_no_type_for_becomes_text(
    sent: Sent, value: object, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent.ours.info("said", value=value)
    assert sent.attributes()["value"] == text
    assert kinds(sent.wire())["value"] == "string_value"
    assert not [one for one in caplog.records if one.name.startswith("opentelemetry")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_is_no_value_is_left_out(sent: Sent, value: object) -> None:
    sent.ours.info("said", value=value)
    assert "value" not in sent.attributes()


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_what_cannot_be_said_is_named_by_its_type(sent: Sent) -> None:
    sent.ours.info("said", value=Unspeakable(), values=[Unspeakable()])
    assert (sent.attributes()["value"], sent.attributes()["values"][0]) == ("Unspeakable", "[")


def check_bounds(sent: Sent) -> None:
    """Hold that one record left, and that every store takes it."""
    found, wire = sent.attributes(), sent.wire()
    assert len(kinds(wire)) == len(found) <= MAX_FIELDS
    assert None not in kinds(wire).values()
    assert len(wire.body.string_value) <= MAX_LINE
    sizes = [len(pair.SerializeToString()) for pair in wire.attributes]
    assert sum(sizes) < MAX_SIZE
    for name, value in found.items():
        assert 0 < len(name.encode()) <= MAX_NAME
        is_list = isinstance(value, Sequence) and not isinstance(value, str)
        items = value if is_list else [value]
        assert len({type(item) for item in items}) <= 1
        assert all(type(item) in SCALARS for item in items)
        assert len(str(list(value)) if is_list else str(value)) <= MAX_TEXT


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "x" * 10 * MAX_LINE},
        {"values": ["x" * 100] * 100_000},
        {"values": [["x"] * 1000] * 1000},
        {f"field{index}": index for index in range(1000)},
        {f"field{index}": "😀" * 5000 for index in range(90)},
        {"n" * 5000: 1, "": 2},
        {"exc_info": ValueError("x" * 10 * MAX_LINE)},
    ],
)
def test_nothing_leaves_above_the_bounds(sent: Sent, fields: dict[str, Any]) -> None:
    sent.ours.info("said", **fields)
    check_bounds(sent)
    assert sent.attributes().keys() >= CONTEXT


def test_a_long_text_fills_the_body_and_an_attribute_is_cut(sent: Sent) -> None:
    sent.foreign.error("x" * 2 * MAX_LINE, exc_info=ValueError("y"))
    assert sent.body() == "x" * MAX_LINE
    check_bounds(sent)


names = st.text() | st.sampled_from(["trace_id", "span_id", "logger", "exc_info", "outcome"])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
leaves |= st.decimals() | st.text(st.characters(categories=["Cs"]))
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


@given(event=st.text() | st.just("request_finished"), fields=st.dictionaries(names, values))
@tries(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_event_is_one_record_that_every_store_takes(
    sent: Sent, event: str, fields: dict[str, Any]
) -> None:
    sent.exporter.clear()
    rest = {name: value for name, value in fields.items() if name != "event"}
    logging.getLogger("server.requests").info({**rest, "event": event})
    check_bounds(sent)
    assert not sent.attributes().keys() & {"trace_id", "span_id"}
