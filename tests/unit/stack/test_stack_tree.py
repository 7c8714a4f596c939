from stack.request.tree import BAR_WIDTH, bar, draw, milliseconds
from stack.stores.protocol import Span

MS = 1_000_000


def span(span_id: str, parent: str, name: str, start: int, end: int) -> Span:
    return Span("t", span_id, parent, name, "internal", "llm-server", start, end, "unset", {})


SPANS = [
    span("a", "remote", "POST /v1/chat/completions", 0, 800 * MS),
    span("b", "a", "queue", 0, 200 * MS),
    span("c", "a", "decode", 200 * MS, 800 * MS),
    span("d", "c", "step", 300 * MS, 300 * MS + 1),
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
    long = span("x", "a", "n" * 300, 0, 700 * MS)
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
