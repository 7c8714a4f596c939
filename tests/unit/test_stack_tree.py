import base64

from stack.tree import BAR_WIDTH, Span, bar, draw, milliseconds, read_spans

MS = 1_000_000
SPANS = [
    Span("a", "remote", "POST /v1/chat/completions", 0, 800 * MS),
    Span("b", "a", "queue", 0, 200 * MS),
    Span("c", "a", "decode", 200 * MS, 800 * MS),
    Span("d", "c", "step", 300 * MS, 300 * MS + 1),
]


def test_children_hang_under_their_parent_in_order() -> None:
    lines = draw(SPANS)
    assert [line[:38].rstrip() for line in lines] == [
        "POST /v1/chat/completions",
        "├─ queue",
        "└─ decode",
        "   └─ step",
    ]


def test_offsets_durations_and_bars_tell_the_same_times() -> None:
    lines = draw(SPANS)
    assert "200.0 ms    600.0 ms" in lines[2]
    assert lines[0].endswith("█" * BAR_WIDTH)
    assert lines[2].count("█") in (round(BAR_WIDTH * 0.75), int(BAR_WIDTH * 0.75))
    assert lines[3].endswith("▏"), "even a span of a nanosecond is seen"


def test_no_line_is_wider_than_a_hundred_columns() -> None:
    long = Span("x", "a", "n" * 300, 0, 700 * MS)
    assert max(map(len, draw([*SPANS, long]))) <= 98


def test_spans_without_their_parent_stand_as_roots() -> None:
    assert len(draw(SPANS[1:])) == 3
    assert draw([]) == []


def test_a_bar_stays_inside_its_frame() -> None:
    for offset in range(0, 101, 5):
        drawn = bar(offset, 100 - offset, 100)
        assert 0 < len(drawn) <= BAR_WIDTH


def test_times_are_short() -> None:
    assert milliseconds(1_234_567) == "1.2 ms"
    assert milliseconds(65_432_100_000) == "65.43 s"


def raw(span_id: str, parent: str, start: int) -> dict[str, object]:
    times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 5)}
    return {"spanId": span_id, "parentSpanId": parent, "name": "n", **times}


def test_both_spellings_of_tempos_answer_are_read() -> None:
    b64 = base64.b64encode(bytes.fromhex("00f067aa0ba902b7")).decode()
    old = {"batches": [{"scopeSpans": [{"spans": [raw(b64, "", 7)]}]}]}
    new = {
        "trace": {"resourceSpans": [{"scopeSpans": [{"spans": [raw("00f067aa0ba902b7", "", 7)]}]}]}
    }
    assert read_spans(old) == read_spans(new) == [Span("00f067aa0ba902b7", "", "n", 7, 12)]
    assert read_spans({}) == []
