"""What a color means on every board: how it ended, what it bought, whose number, which quantile.

Where a legend names what we cannot know (a tenant, an instance), colors only tell lines apart.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

GRAY, BLUE, TEAL = "#8e8e8e", "blue", "#14b8a6"
BAD = "red"
"""A limit, what is above it, and all that should not be there."""
LATE = "orange"
"""Time that is lost in a queue."""

OUTCOMES = {
    "ok": "green",
    "client_error": "yellow",
    "server_error": "red",
    "aborted": "purple",
    "timeout": "orange",
}
"""Every outcome of a request: green is what a caller asked for, yellow what a caller spoiled."""
BILL = {"requests": "green", "idle": GRAY, "start_up": BLUE, "stall": "orange", "lost": "red"}
"""Every part of the device bill: green bought answers, gray bought nothing."""
WASTE = {"aborted": "purple", "failed": "red", "truncated": "yellow", "retried": "orange"}
"""Every kind of waste; none is green."""
PHASES = {
    "tokenize": GRAY,
    "queue": "orange",
    "prefill": BLUE,
    "decode": TEAL,
    "deliver": "yellow",
}
"""Every phase of a request: orange is time lost in a queue, yellow the reader's."""
TOKENS = {"input_uncached": BLUE, "input_cached": "super-light-blue", "output": TEAL}
LABELS: Mapping[str, Mapping[str, str]] = {
    "outcome": OUTCOMES,
    "part": BILL,
    "waste": WASTE,
    "phase": PHASES,
    "kind": TOKENS,
    "process": {"api": BLUE, "engine": TEAL},
    "result": {"delivered": "green", "failed": "dark-red", "repeated": GRAY},
}
"""The values of labels whose values we know, each with its color."""
NAMES = {
    "running": BLUE,
    "waiting": "orange",
    "in flight over HTTP": GRAY,
    "steps per second": BLUE,
    "tokens per step": TEAL,
    "host": GRAY,
    "host available": GRAY,
    "target": GRAY,
    "all": BLUE,
    "ended": BLUE,
    "ok": "green",
    "good": "dark-green",
    "client": BLUE,
    "soft": "orange",
    "active": "orange",
    "notified": BLUE,
    "failed": "red",
    "dropped": "red",
    "rules failed": "light-red",
}
"""Lines with a name of their own."""

LISTED, DEVICE = "list", "device"
"""How legends begin: money by the price list, and by device time, whose lines are dashed."""
SERVER_SIDE = "server"
"""How legends begin of what the server counts, dashed beside what its client does."""
DASHED = (DEVICE, SERVER_SIDE)
"""The second of two measures of one thing: dashed, and teal beside the first one's blue."""
_SHADES = {
    False: {"p50": "dark-blue", "p95": "blue", "p99": "super-light-blue"},
    True: {"p50": "#0b7a6b", "p95": TEAL, "p99": "#7df0dd"},
}
_QUANTILE = re.compile(r"(?:(\w+) )?(p50|p95|p99)(?: |$)")
_LABEL = re.compile(r"\{\{(\w+)\}\}$")


@dataclass(frozen=True)
class Paint:
    """The color of lines by their name, or by a regular expression of it; `shaded` when several."""

    name: str
    color: str
    shaded: bool = False
    is_pattern: bool = False

    @property
    def value(self) -> dict[str, str]:
        """Return Grafana's setting of a color."""
        return {"mode": "shades" if self.shaded else "fixed", "fixedColor": self.color}


def paints(legend: str) -> Iterator[Paint]:
    """Yield the colors of the lines of one legend format, none where nothing is meant by them."""
    label, quantile = _LABEL.search(legend), _QUANTILE.match(legend)
    whose = legend.partition(" ")[0]
    if legend in NAMES:
        yield Paint(legend, NAMES[legend])
    elif label and label[1] in LABELS:
        for value, color in LABELS[label[1]].items():
            yield Paint(legend[: label.start()] + value, color)
    elif legend.startswith("{{outcome}}: "):
        for outcome, color in OUTCOMES.items():
            yield Paint(f"/^{outcome}: /", color, shaded=True, is_pattern=True)
    elif quantile:
        shade = _SHADES[quantile[1] in DASHED][quantile[2]]
        yield Paint(f"/^{quantile[0].strip()}( |$)/", shade, is_pattern=True)
    elif whose in (LISTED, *DASHED):
        hue = TEAL if whose in DASHED else BLUE
        yield Paint(f"/^{whose} /", hue, shaded=True, is_pattern=True)
