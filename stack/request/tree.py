"""Draws a trace as a tree with start offsets, durations and bars, in plain text."""

from collections.abc import Iterable, Sequence

from stack.stores.protocol import Span

NAME_WIDTH, BAR_WIDTH = 38, 34
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def milliseconds(nanoseconds: int) -> str:
    """A time as milliseconds with one decimal, or as seconds from ten seconds on."""
    if nanoseconds >= 10_000_000_000:
        return f"{nanoseconds / 1e9:.2f} s"
    return f"{nanoseconds / 1e6:.1f} ms"


def bar(offset_ns: int, length_ns: int, total_ns: int, width: int = BAR_WIDTH) -> str:
    """A bar in eighths of a column at its place in the whole; never invisible."""
    scale = width * 8 / max(total_ns, 1)
    start = min(int(offset_ns * scale) // 8, width - 1)
    eighths = min(max(1, round(length_ns * scale)), (width - start) * 8)
    full, rest = divmod(eighths, 8)
    return " " * start + "█" * full + (_EIGHTHS[rest] if rest else "")


def _line(span: Span, prefix: str, origin: int, total: int) -> str:
    name = prefix + span.name
    name = name if len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 1] + "…"
    offset, length = span.start_ns - origin, span.end_ns - span.start_ns
    times = f"{milliseconds(offset):>11} {milliseconds(length):>11}"
    return f"{name:<{NAME_WIDTH}}{times}  {bar(offset, length, total)}".rstrip()


def _branch(
    span: Span, spans: Sequence[Span], lead: str, mark: str, frame: tuple[int, int]
) -> Iterable[str]:
    yield _line(span, lead + mark, *frame)
    below = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[mark]
    children = [child for child in spans if child.parent_id == span.span_id]
    for child in children:
        yield from _branch(child, spans, below, "└─ " if child is children[-1] else "├─ ", frame)


def draw(spans: Sequence[Span]) -> list[str]:
    """The tree, one line a span; a span whose parent is not here stands as a root."""
    if not spans:
        return []
    known = {span.span_id for span in spans}
    origin = min(span.start_ns for span in spans)
    frame = (origin, max(span.end_ns for span in spans) - origin)
    roots = [span for span in spans if span.parent_id not in known]
    return [line for root in roots for line in _branch(root, spans, "", "", frame)]
