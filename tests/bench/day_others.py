"""What the day's other scrapes read: every metric of the catalogue that our registry does not make.

Names, kinds, edges and labels are the catalogue's; the values only grow or vary as their kind does.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random

import yaml
from prometheus_client.utils import floatToGoString

from server.catalogue import READ, Kind, Metric
from server.catalogue.gpu import NVML
from server.catalogue.grids import TOKENS_PER_REQUEST
from server.catalogue.own import PROCESS_CPU, PROCESS_MEMORY
from server.record.request import Outcome
from tests.bench.day_requests import MODELS
from tests.bench.day_series import Labels, Sample

SERVER = "llm-server"
_EVERY = "every part"
_VALUES: Mapping[str, Sequence[str]] = {
    "alertname": ("LLMRequestsSlow", "LLMCostHigh"),
    "alertstate": ("firing", "pending"),
    "cpu": ("0", "1"),
    "exporter": ("otlp_grpc/traces", "otlp_http/logs", "otlp_http/prometheus"),
    "gen_ai_request_model": MODELS,
    "gpu": ("0",),
    "llm_outcome": tuple(Outcome),
    "mode": ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"),
    "model_name": MODELS,
    "process": ("api", "engine"),
    "rule_group": tuple(f"{name}.yaml;{name}" for name in ("autoscaling", "cost", "red", "use")),
    "state": ("active", "suppressed"),
    "type": ("float", "uncorrected"),
}
"""Labels with more than one value, or one that a query asks for."""


def targets(repo: Path, stores: Sequence[str]) -> dict[str, Labels]:
    """The labels of each scrape by its job, as the native way's target files have them."""
    folder = repo / "prometheus" / "targets"
    extra = [folder / "native-extra" / f"{name}.yaml" for name in stores]
    found: dict[str, Labels] = {}
    for path in (folder / "native" / "scrape.yaml", *extra):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
            labels = {**entry["labels"], "instance": entry["targets"][0]}
            found[entry["labels"]["job"]] = tuple(sorted(labels.items()))
    return found


class Others:
    """Every series that is not our registry's, by its kind."""

    def __init__(self, jobs: Mapping[str, Labels]) -> None:
        self._dice = Random(0)
        self._constant: list[tuple[str, Labels]] = []
        self._gauges: list[tuple[str, Labels]] = []
        self._counters: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[tuple[Metric, Labels], int] = {}
        for metric in (*READ, *NVML, PROCESS_CPU, PROCESS_MEMORY):
            for job in jobs if metric.source == _EVERY else {metric.source} & set(jobs):
                self._create(metric, jobs[job])

    def _create(self, metric: Metric, target: Labels) -> None:
        values = [_VALUES.get(label, ("",)) for label in metric.labels]
        for chosen in product(*values):
            labels = (*zip(metric.labels, chosen, strict=True), *target)
            if metric.kind is Kind.COUNTER:
                self._counters[metric.name, labels] = 0.0
            elif metric.kind is Kind.GAUGE:
                kept = self._constant if metric.unit == "1" else self._gauges
                kept.append((metric.name, labels))
            else:
                self._histograms[metric, labels] = 0

    def samples(self) -> Iterator[Sample]:
        """What the next scrape reads."""
        for name, labels in self._constant:
            yield name, labels, 1.0
        for name, labels in self._gauges:
            yield name, labels, self._dice.random()
        for key in self._counters:
            self._counters[key] += self._dice.random()
            yield *key, self._counters[key]
        for (metric, labels), count in self._histograms.items():
            self._histograms[metric, labels] = count + self._dice.randrange(50)
            yield from _histogram(metric, labels, count)


def _histogram(metric: Metric, labels: Labels, count: int) -> Iterator[Sample]:
    """As many observations in each bucket as in any other."""
    edges = (*(metric.buckets or TOKENS_PER_REQUEST), float("inf"))
    for number, edge in enumerate(edges, start=1):
        below = (*labels, ("le", floatToGoString(edge)))
        yield f"{metric.name}_bucket", below, float(count * number // len(edges))
    yield f"{metric.name}_count", labels, float(count)
    yield f"{metric.name}_sum", labels, float(count)
