"""Scrapes as Prometheus's blocks: two hours at a time as OpenMetrics, which promtool reads."""

import subprocess
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

from stack.errors import Fault
from tests.bench.day_series import Labels, Sample

BLOCK_SECONDS = 7200
"""Prometheus's own; a file that holds one block only is read once, not once a block."""
Scrape: TypeAlias = tuple[float, Iterable[Sample]]


@dataclass
class Series:
    """Values of one series, a scrape each from the `first` that had it, without a gap."""

    first: int
    values: "array[float]" = field(default_factory=lambda: array("d"))


@dataclass
class Chunk:
    """What is in one block: the scrapes' moments in Unix seconds, and every series."""

    moments: list[float] = field(default_factory=list)
    series: dict[tuple[str, Labels], Series] = field(default_factory=dict)

    def add(self, scrape: Scrape) -> None:
        """Take in one scrape."""
        moment, samples = scrape
        for name, labels, value in samples:
            found = self.series.get((name, labels))
            if found is None:
                found = self.series[name, labels] = Series(len(self.moments))
            found.values.append(value)
        self.moments.append(moment)

    @property
    def samples(self) -> int:
        """How many it holds."""
        return sum(len(series.values) for series in self.series.values())


def chunks(scrapes: Iterable[Scrape]) -> Iterator[Chunk]:
    """The scrapes by the block that they belong to."""
    for _, group in groupby(scrapes, key=lambda scrape: scrape[0] // BLOCK_SECONDS):
        chunk = Chunk()
        for scrape in group:
            chunk.add(scrape)
        yield chunk


def lines(chunk: Chunk) -> Iterator[str]:
    """The chunk as OpenMetrics, a family's samples together, without types or exemplars."""
    stamps = [f" {moment:.3f}\n" for moment in chunk.moments]
    for (name, labels), series in sorted(chunk.series.items(), key=lambda one: one[0]):
        head = f"{name}{_braces(labels)} "
        values = zip(series.values, stamps[series.first :], strict=True)
        yield "".join([f"{head}{value!r}{stamp}" for value, stamp in values])
    yield "# EOF\n"


def _braces(labels: Labels) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels)
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def write(scrapes: Iterable[Scrape], promtool: Path, data: Path) -> Iterator[tuple[float, int]]:
    """Write blocks into Prometheus's folder; yields each one's last moment and its samples.

    Raises Fault with promtool's words.
    """
    with (
        tempfile.TemporaryDirectory(dir=data.parent, prefix="openmetrics-") as scratch,
        ThreadPoolExecutor(1) as beside,
    ):
        importing: Future[None] | None = None
        for number, chunk in enumerate(chunks(scrapes)):
            file = Path(scratch) / f"{number}.txt"
            with file.open("w") as out:
                out.writelines(lines(chunk))
            if importing is not None:
                importing.result()
            importing = beside.submit(_import, promtool, file, data)
            yield chunk.moments[-1], chunk.samples
        if importing is not None:
            importing.result()


def _import(promtool: Path, file: Path, data: Path) -> None:
    command = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "--quiet"]
    done = subprocess.run(
        [*command, str(file), str(data)], capture_output=True, text=True, check=False
    )
    file.unlink()
    if done.returncode:
        raise Fault(f"promtool refused a block: {(done.stderr or done.stdout).strip()[-300:]}")
