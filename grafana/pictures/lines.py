"""Log lines and the spans of a trace, in rows as high as Grafana's."""

import re
import textwrap
import time

from grafana.pictures import geometry, inter, units
from grafana.pictures.canvas import DIM, Box, Canvas, points
from grafana.pictures.evaluate import Answer, Page
from grafana.pictures.frames import Line, Span

_MONO = inter.SMALL * 0.735
"""The size in points of DejaVu Sans Mono whose letters are as wide as a log line's."""
_LETTER, _TEXT_LINE = 7.6, 22
"""Pixels of a usual letter and of a line of the body."""
_NOT_DRAWN = "Grafana has the trace's facts, filters and overview here."
_NAMES = 0.25
"""`TraceTimelineViewer`'s share of the width for the names of spans."""


def log_lines(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw as many records as fit, newest first, wrapped only where the panel wraps."""
    options = answer.panel.options
    wrapped, with_time = bool(options.get("wrapLogMessage")), bool(options.get("showTime"))
    room = geometry.log_room(box.w, with_time=with_time)
    y, lines = box.y, answer.data.lines
    for index, line in enumerate(lines):
        height = geometry.log_height(len(line.text), room, wrapped=wrapped)
        if y + height > box.y + box.h:
            _more(canvas, box, f"{len(lines) - index} records below")
            return
        parts = _pieces(line.text, room) if wrapped else [line.text[:room]]
        _record(canvas, box.x, y, _stamp(line) if with_time else "", parts)
        y += height


def _stamp(line: Line) -> str:
    whole, milliseconds = divmod(int(line.at * 1000), 1000)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole)) + f".{milliseconds:03}"


def _record(canvas: Canvas, left: float, top: float, stamp: str, parts: list[str]) -> None:
    y, x = top + geometry.LOG_LINE / 2, left + geometry.LOG_BEFORE
    canvas.text(x, y, stamp, size=_MONO, ink=DIM, mono=True)
    x += geometry.LOG_TIME if stamp else 0
    for index, words in enumerate(parts):
        canvas.text(x, y + geometry.LOG_LINE * index, words, size=_MONO, mono=True)


def _pieces(text: str, room: int) -> list[str]:
    return [text[at : at + room] for at in range(0, len(text), room)] or [""]


def words(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw the lines of a text without its marks, as many as fit; Grafana scrolls to the rest."""
    lines = [
        part
        for line in answer.data.words.replace("`", "").splitlines()
        if not re.fullmatch(r"[|\s-]+", line)
        for part in textwrap.wrap(line.strip("| "), max(int(box.w / _LETTER), 20))
    ]
    fit = int(box.h // _TEXT_LINE)
    for index, line in enumerate(lines[:fit]):
        y = box.y + _TEXT_LINE * (index + 0.5)
        canvas.text(box.x, y, line, size=points(inter.BODY))
    if len(lines) > fit:
        _more(canvas, box, f"{len(lines) - fit} lines below")


def trace(canvas: Canvas, box: Box, answer: Answer, _: Page) -> None:
    """Draw the spans that fit below what Grafana shows above them, as bars on one time axis."""
    spans = answer.data.spans
    start = min(span.start for span in spans)
    whole = max(span.start + span.seconds for span in spans) - start or 1e-9
    _above(canvas, box, spans, whole)
    shown = spans[: geometry.spans_shown(box.h)]
    for index, span in enumerate(shown):
        top = box.y + geometry.TRACE_HEAD + geometry.SPAN_ROW * index
        part = (span.start - start) / whole, span.seconds / whole
        _span(canvas, Box(box.x, top, box.w, geometry.SPAN_ROW), span, part)
    if len(shown) < len(spans):
        _more(canvas, box, f"{len(spans) - len(shown)} spans below")


def _above(canvas: Canvas, box: Box, spans: list[Span], seconds: float) -> None:
    # Grafana's title, facts, filters, overview and time line; only the title is drawn.
    canvas.text(box.x + 7, box.y + 19, spans[0].name, size=points(22))
    words = f"{units.words(seconds, 's')}, {len(spans)} spans. {_NOT_DRAWN}"
    note = textwrap.wrap(words, max(int(box.w // 8), 20))
    for index, line in enumerate(note):
        y = box.y + 60 + 20 * index
        canvas.text(box.x + 7, y, line, size=points(inter.BODY), ink=DIM)
    canvas.rectangle(Box(box.x, box.y + geometry.TRACE_HEAD - 1, box.w, 0.6), "#2a2d33")


def _span(canvas: Canvas, box: Box, span: Span, part: tuple[float, float]) -> None:
    y, names = box.y + box.h / 2, box.w * _NAMES
    indent = 14 + 12 * span.depth
    name = inter.cut(span.name, names - indent, inter.BODY)
    canvas.text(box.x + indent, y, name, size=points(inter.BODY))
    left, room = box.x + names, box.w - names - 70
    x, width = left + room * part[0], max(room * part[1], 2)
    ink = "#5794f2" if span.depth == 0 else "#73bf69"
    canvas.rectangle(Box(x, y - 7, width, 14), ink, alpha=0.85)
    words = units.words(span.seconds, "s")
    canvas.text(x + width + 6, y, words, size=points(inter.SMALL), ink=DIM)


def _more(canvas: Canvas, box: Box, words: str) -> None:
    pixels = inter.width(words, inter.SMALL) + 12
    x, y = box.x + box.w, box.y + box.h - 9
    canvas.cover(Box(x - pixels, y - 9, pixels, 18))
    canvas.text(x - 6, y, words, size=points(inter.SMALL), ink=DIM, align="right")
