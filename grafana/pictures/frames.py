"""What a store answers, in the shapes that panels draw."""

from dataclasses import dataclass, field
from typing import TypeAlias

Cell: TypeAlias = str | float
Row: TypeAlias = dict[str, Cell]


@dataclass(frozen=True)
class Series:
    """One line: its legend, labels, (unix seconds, value) points without NaN, its last value.

    `asked` is the refId of its query.
    """

    name: str
    labels: dict[str, str]
    points: list[tuple[float, float]]
    last: float
    asked: str = ""


@dataclass(frozen=True)
class Exemplar:
    """One dot: unix seconds, the value observed, and the trace it leads to."""

    at: float
    value: float
    trace_id: str


@dataclass(frozen=True)
class Mark:
    """One event on every panel: its start and end in unix seconds, its words and its color."""

    start: float
    end: float
    words: str
    color: str


@dataclass(frozen=True)
class Line:
    """One log line: unix seconds and its text."""

    at: float
    text: str


@dataclass(frozen=True)
class Span:
    """One span of a trace: its depth in the tree, start and length in seconds."""

    name: str
    depth: int
    start: float
    seconds: float


@dataclass
class Data:
    """Everything that the queries of one panel answered."""

    series: list[Series] = field(default_factory=list)
    exemplars: list[Exemplar] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    words: str = ""

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to draw; dots alone are nothing."""
        found = self.rows or self.lines or self.spans or self.words
        return not (found or any(s.points for s in self.series))
