"""Holds what a real GPU's pages show against the catalogue, by `make gpu-check`.

`python -m server.catalogue.gpu_seen NVML DCGM` reads both pages from files and prints a line each:
✓ as the catalogue has it, ✗ not so, · absent where a device need not have it. Exit code 1: a ✗.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from server.catalogue import gpu
from server.catalogue.record import Metric

GOOD, BAD, NOTE = "✓", "✗", "·"
UNSUPPORTED = 1e18
"""DCGM shows a number above this where the device has no such value."""
_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)(?: \d+)?")
_LABEL = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"')

Page = Mapping[str, Sequence[tuple[frozenset[str], float]]]


def read(text: str) -> Page:
    """The series of a page in Prometheus's text format: label names and value, by name."""
    found: dict[str, list[tuple[frozenset[str], float]]] = {}
    for line in text.splitlines():
        match = None if line.startswith("#") else _LINE.fullmatch(line)
        if match:
            labels = frozenset(_LABEL.findall(match[2] or ""))
            found.setdefault(match[1], []).append((labels, float(match[3])))
    return found


def findings(nvml: str, dcgm: str) -> Iterator[str]:
    """A line for each name of the catalogue, and for each name that it does not have."""
    yield from _ours(read(nvml))
    yield from _theirs(read(dcgm))


def _ours(page: Page) -> Iterator[str]:
    known = {metric.name for metric in gpu.NVML}
    if not known & page.keys():
        yield f"{BAD} NVML: the server shows no GPU"
        return
    for metric in gpu.NVML:
        # A device need not have each: consumer cards count neither memory errors nor energy.
        yield _line("NVML", metric, page, exact=True, missing=NOTE)
    for name in sorted(page.keys() - known):
        if name.startswith("gpu_") and not name.endswith("_created"):
            yield f"{BAD} NVML: {name} is not in the catalogue"


def _theirs(page: Page) -> Iterator[str]:
    if not page:
        yield f"{BAD} DCGM: dcgm-exporter does not answer"
        return
    for metric in gpu.DCGM:
        yield _line("DCGM", metric, page, exact=False, missing=BAD)
    more = sorted(page.keys() - {metric.name for metric in gpu.DCGM})
    offered = [name for name in more if name.startswith("DCGM_")]
    yield f"{NOTE} DCGM: offers beside them {', '.join(offered) or 'nothing'}"


def _line(what: str, metric: Metric, page: Page, exact: bool, missing: str) -> str:
    series = page.get(metric.name)
    if not series:
        return f"{missing} {what}: {metric.name} is not there"
    wanted = frozenset(metric.labels)
    wrong = [labels for labels, _ in series if labels != wanted and (exact or wanted - labels)]
    if wrong:
        has = ", ".join(sorted(wrong[0]))
        return f"{BAD} {what}: {metric.name} has the labels {has}, not {', '.join(metric.labels)}"
    if all(value > UNSUPPORTED for _, value in series):
        return f"{NOTE} {what}: {metric.name} is not supported by the device"
    return f"{GOOD} {what}: {metric.name}, {len(series)} series"


def main(arguments: Sequence[str]) -> int:
    """Print the findings of two files."""
    nvml, dcgm = (Path(each).read_text(encoding="utf-8") for each in arguments)
    lines = list(findings(nvml, dcgm))
    print("\n".join(lines))
    return int(any(line.startswith(BAD) for line in lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
