"""Reads a /metrics page: names, labels and values, nothing else."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stack.http import get_text

METRICS = "http://127.0.0.1:9464/metrics"
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Sample:
    """One series and its value."""

    name: str
    labels: dict[str, str]
    value: float


def parse(text: str) -> Iterator[Sample]:
    """Every sample of the Prometheus text format."""
    for line in text.splitlines():
        match = None if line.startswith("#") else _LINE.fullmatch(line)
        if match:
            yield Sample(match[1], dict(_LABEL.findall(match[2] or "")), float(match[3]))


def total(samples: Iterable[Sample], name: str) -> float:
    """The sum over all series of a name."""
    return sum(sample.value for sample in samples if sample.name == name)


def scrape(url: str = METRICS) -> list[Sample] | None:
    """The samples of the page, None when it does not answer."""
    text = get_text(url)
    return None if text is None else list(parse(text))
