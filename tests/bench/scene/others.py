"""What is scraped besides our registry: vLLM, the machine, a GPU, the Collector, Prometheus.

Labels and buckets are the catalogue's; values.py has the values. What has none there and may be
absent, as what vLLM tells of features that are off, is left out; any other stands at 0.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from statistics import NormalDist

from prometheus_client.utils import floatToGoString

from server.catalogue import READ, Kind, Metric
from server.catalogue.gpu import NVML
from server.catalogue.grids import TOKENS_PER_REQUEST
from server.catalogue.own import PROCESS_CPU, PROCESS_MEMORY
from tests.bench.day_series import Labels, Sample
from tests.bench.scene.engine import pace
from tests.bench.scene.records import MODEL
from tests.bench.scene.values import COUNTERS, GAUGES, Scraped, Value

_LEFT_OUT = ("DCGM_", "ALERTS", "loadtest_", "tempo_", "loki_")
_ALSO: Mapping[str, Sequence[str]] = {
    "otelcol_receiver_accepted_spans_total": ("jaeger",),
    "otelcol_exporter_send_failed_spans_total": ("jaeger",),
}
"""Jaeger is a Collector too."""
_LABELS: Mapping[str, Sequence[str]] = {
    "cpu": tuple("01234567"),
    "device": ("/dev/nvme0n1p2",),
    "engine": ("0",),
    "exporter": ("otlp_grpc/traces", "otlp_http/logs", "otlp_http/prometheus"),
    "fstype": ("ext4",),
    "gen_ai_request_model": (MODEL,),
    "gpu": ("0",),
    "llm_outcome": ("ok",),
    "mode": ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"),
    "model_name": (MODEL,),
    "mountpoint": ("/",),
    "process": ("api", "engine"),
    "rule_group": tuple(
        f"/prometheus/rules/{n}.yaml;{n}" for n in ("autoscaling", "cost", "red", "slo")
    ),
    "state": ("active",),
    "type": ("float",),
}
"""Of labels not named here the value is empty."""
_LABELS_OF: Mapping[tuple[str, str], Sequence[str]] = {
    ("vllm:num_requests_waiting_by_reason", "reason"): ("capacity", "deferred"),
    ("vllm:admission_rejections_total", "reason"): ("max_num_queued_reqs",),
    ("vllm:prompt_tokens_by_source_total", "source"): (
        "local_compute", "local_cache_hit", "external_kv_transfer",
    ),
    ("vllm:prompt_tokens_cached_by_source_total", "source"): ("device",),
}  # fmt: skip
"""Of one metric's label only."""


class Histogram:
    """A histogram that is told how many values there were and around what they lay."""

    def __init__(self, metric: Metric, labels: Labels) -> None:
        self._name, self._labels = metric.name, labels
        self._edges = (*(metric.buckets or TOKENS_PER_REQUEST), math.inf)
        self._below = [0.0] * len(self._edges)
        self._sum = 0.0

    def add(self, count: float, around: float, spread: float) -> None:
        """Count lognormal values."""
        if count <= 0 or around <= 0:
            return
        normal = NormalDist(math.log(around), spread)
        for place, edge in enumerate(self._edges):
            self._below[place] += count * (normal.cdf(math.log(edge)) if edge < math.inf else 1)
        self._sum += count * around

    def samples(self) -> Iterator[Sample]:
        """What is scraped of it."""
        for edge, below in zip(self._edges, self._below, strict=True):
            le = (*self._labels, ("le", floatToGoString(edge)))
            yield f"{self._name}_bucket", le, float(round(below))
        yield f"{self._name}_count", self._labels, float(round(self._below[-1]))
        yield f"{self._name}_sum", self._labels, self._sum


def _values_of(metric: Metric) -> Iterator[Sequence[str]]:
    for label in metric.labels:
        yield _LABELS_OF.get((metric.name, label)) or _LABELS.get(label, ("",))


def _nothing(_: Scraped, __: Mapping[str, str]) -> float:
    return 0.0


class Others:
    """Every series that is not our registry's."""

    def __init__(self, jobs: Mapping[str, Labels]) -> None:
        self._gauges: list[tuple[str, Labels, Value]] = []
        self._counters: list[tuple[str, Labels, Value]] = []
        self._totals: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in (*READ, *NVML, PROCESS_CPU, PROCESS_MEMORY):
            if not metric.name.startswith(_LEFT_OUT):
                every = metric.source == "every part"
                mine = {metric.source, *_ALSO.get(metric.name, ())}
                for job in jobs if every else sorted(mine & set(jobs)):
                    self._create(metric, jobs[metric.job or job])

    def _create(self, metric: Metric, target: Labels) -> None:
        table, kept = (GAUGES, self._gauges), (COUNTERS, self._counters)
        known, into = table if metric.kind is Kind.GAUGE else kept
        value = known.get(metric.name)
        if value is None and metric.absent:
            return
        if metric.kind is Kind.HISTOGRAM:
            named = (("engine", "0"), ("model_name", MODEL), *target)
            self._histograms[metric.name] = Histogram(metric, named)
            return
        for chosen in product(*_values_of(metric)):
            labels = (*zip(metric.labels, chosen, strict=True), *target)
            into.append((metric.name, labels, value or _nothing))

    def samples(self, now: Scraped) -> Iterator[Sample]:
        """What this scrape reads."""
        for name, labels, value in self._gauges:
            yield name, labels, float(value(now, dict(labels)))
        for name, labels, value in self._counters:
            total = self._totals.get((name, labels), 0.0) + max(0.0, value(now, dict(labels)))
            self._totals[name, labels] = total
            yield name, labels, total
        self._observe(now)
        for histogram in self._histograms.values():
            yield from histogram.samples()

    def _observe(self, now: Scraped) -> None:
        state, before = now.state, now.before
        steps, made = state.steps - before.steps, state.made - before.made
        read = state.prefilled - before.prefilled
        between = pace(state.running) * (1.15 if state.cache > 0.9 else 1)
        for name, count, around, spread in (
            ("vllm:inter_token_latency_seconds", made, between, 0.3),
            ("vllm:iteration_tokens_total", steps, (made + read) / max(steps, 1), 0.5),
        ):
            if name in self._histograms:
                self._histograms[name].add(count, around, spread)
