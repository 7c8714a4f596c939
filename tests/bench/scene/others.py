"""What is scraped besides our registry: vLLM, the machine, a GPU, the Collector, Prometheus.

Labels and buckets are the catalogue's; what the engine did gives the values. A name of vLLM's or of
a GPU's that has no value here is left out, as on a machine that lacks it; any other stands at 0.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from statistics import NormalDist

from prometheus_client.utils import floatToGoString

from server.catalogue import READ, Kind, Metric
from server.catalogue.gpu import NVML
from server.catalogue.grids import TOKENS_PER_REQUEST
from server.catalogue.own import PROCESS_CPU, PROCESS_MEMORY
from tests.bench.day_others import SERVER
from tests.bench.day_series import Labels, Sample
from tests.bench.scene.engine import State, pace
from tests.bench.scene.records import MODEL
from tests.bench.scene.story import DAY

_GIB = 2.0**30
_LEFT_OUT = ("DCGM_", "ALERTS", "loadtest_", "tempo_", "loki_")
_ABSENT_WITHOUT_VALUE = ("vllm:", "gpu_")
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
    "reason": ("capacity",),
    "rule_group": tuple(
        f"/prometheus/rules/{n}.yaml;{n}" for n in ("autoscaling", "cost", "red", "slo")
    ),
    "state": ("active",),
    "type": ("float",),
}
"""Of labels not named here the value is empty."""


@dataclass(frozen=True)
class Scraped:
    """What a scrape has to tell: the moment, the seconds since the last one, and what was done."""

    moment: float
    seconds: float
    state: State
    before: State
    ended: int
    dice: Random

    @property
    def busy(self) -> float:
        """How much of the time since the last scrape the engine worked."""
        steps = (self.state.busy - self.before.busy) / self.seconds if self.seconds else 0.0
        return min(1.0, max(steps, 0.0))

    @property
    def crowd(self) -> float:
        """The batch that runs, against one that is full."""
        return min(1.0, self.state.running / 40)

    def vary(self, around: float, by: float) -> float:
        """A number near another."""
        return around + by * (2 * self.dice.random() - 1)


Value = Callable[[Scraped, Mapping[str, str]], float]
"""Of one series of a metric, by its labels."""


def _scrape_seconds(now: Scraped, labels: Mapping[str, str]) -> float:
    base = {SERVER: 0.03, "node-exporter": 0.02, "prometheus": 0.012}.get(labels["job"], 0.006)
    return base * (1 + now.crowd) * now.vary(1, 0.3)


GAUGES: Mapping[str, Value] = {
    "vllm:num_requests_running": lambda now, _: now.state.running,
    "vllm:num_requests_waiting": lambda now, _: now.state.waiting,
    "vllm:num_requests_waiting_by_reason": lambda now, _: now.state.waiting,
    "vllm:kv_cache_usage_perc": lambda now, _: min(1.0, now.state.cache),
    "node_memory_MemTotal_bytes": lambda _, __: 64 * _GIB,
    "node_memory_MemAvailable_bytes": lambda now, _: (41 - 3 * now.crowd) * _GIB,
    "node_filesystem_size_bytes": lambda _, __: 900 * _GIB,
    "node_filesystem_avail_bytes": lambda now, _: (620 - (now.moment - DAY) / 86_400) * _GIB,
    "node_time_seconds": lambda now, _: now.moment,
    "process_start_time_seconds": lambda _, __: DAY - 3 * 86_400,
    "up": lambda _, __: 1,
    "scrape_duration_seconds": _scrape_seconds,
    "scrape_samples_post_metric_relabeling": lambda _, __: 900,
    "otelcol_exporter_queue_size": lambda now, _: 40_000 * now.dice.random() * (1 + now.crowd),
    "otelcol_exporter_queue_capacity": lambda _, __: 1e9,
    "prometheus_rule_group_last_duration_seconds": lambda now, _: now.vary(0.06, 0.02),
    "prometheus_rule_group_interval_seconds": lambda _, __: 15,
    "prometheus_notifications_alertmanagers_discovered": lambda _, __: 1,
    "prometheus_tsdb_exemplar_max_exemplars": lambda _, __: 100_000,
    "prometheus_tsdb_head_series": lambda _, __: 6_400,
    "alertmanager_alerts": lambda _, __: 1,
    "alertlog_heartbeat_timestamp_seconds": lambda now, _: now.moment - 20,
    PROCESS_MEMORY.name: lambda _, of: (1.4 if of["process"] == "api" else 6.2) * _GIB,
    "gpu_info": lambda _, __: 1,
    "gpu_utilization_ratio": lambda now, _: (
        now.busy * min(1.0, now.vary(0.82 + now.crowd / 5, 0.03))
    ),
    "gpu_memory_used_bytes": lambda _, __: 73 * _GIB,
    "gpu_memory_total_bytes": lambda _, __: 80 * _GIB,
    "gpu_power_watts": lambda now, _: 90 + now.busy * now.vary(380 + 180 * now.crowd, 15),
    "gpu_power_limit_watts": lambda _, __: 700,
    "gpu_temperature_celsius": lambda now, _: round(
        38 + now.busy * now.vary(22 + 10 * now.crowd, 1)
    ),
    "gpu_throttled": lambda _, __: 0,
}
"""Gauges; what is not here is 0, or left out."""


def _processor(now: Scraped, labels: Mapping[str, str]) -> float:
    """Seconds that one core spent in a mode since the last scrape."""
    user = now.vary(0.10 + 0.22 * now.crowd * now.busy, 0.02)
    system = 0.04 + 0.03 * now.crowd
    shares = {"user": user, "system": system, "softirq": 0.004, "iowait": 0.003}
    mode = labels["mode"]
    return now.seconds * (1 - sum(shares.values()) if mode == "idle" else shares.get(mode, 0.0))


def _spans(now: Scraped, _: Mapping[str, str]) -> float:
    return 6.0 * now.ended


def _requests(now: Scraped, _: Mapping[str, str]) -> float:
    return now.ended


def _only(exporter: str, value: Value) -> Value:
    """Of one exporter of the Collector's; the others send another signal."""
    return lambda now, of: value(now, of) if of["exporter"] == exporter else 0.0


def _grown(name: str) -> Value:
    return lambda now, _: getattr(now.state, name) - getattr(now.before, name)


COUNTERS: Mapping[str, Value] = {
    "vllm:num_preemptions_total": _grown("preempted"),
    "vllm:prefix_cache_queries_total": _grown("looked_up"),
    "vllm:prefix_cache_hits_total": _grown("hits"),
    "vllm:generation_tokens_total": _grown("made"),
    "node_cpu_seconds_total": _processor,
    PROCESS_CPU.name: lambda now, of: (
        now.seconds * (0.12 + 0.5 * now.crowd if of["process"] == "api" else 0.9 * now.busy)
    ),
    "otelcol_process_uptime_seconds_total": lambda now, _: now.seconds,
    "otelcol_receiver_accepted_spans_total": _spans,
    "otelcol_receiver_accepted_log_records_total": _requests,
    "otelcol_exporter_sent_spans_total": _only("otlp_grpc/traces", _spans),
    "otelcol_exporter_sent_log_records_total": _only("otlp_http/logs", _requests),
    "otelcol_exporter_sent_metric_points_total": _only(
        "otlp_http/prometheus", lambda now, _: now.seconds * 4
    ),
    "traces_span_metrics_calls_total": _requests,
    "vl_rows_ingested_total": _requests,
    "prometheus_rule_group_iterations_total": lambda now, _: now.seconds / 15,
    "prometheus_tsdb_head_samples_appended_total": lambda now, _: now.seconds * 1_280,
    "prometheus_tsdb_exemplar_exemplars_appended_total": lambda now, _: 9.0 * now.ended,
    "gpu_energy_joules_total": lambda now, _: now.seconds * (90 + now.busy * 450),
    "gpu_ecc_errors_total": lambda _, __: 0,
    "gpu_xid_errors_total": lambda _, __: 0,
}
"""By how much a counter has grown since the last scrape."""


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
        if metric.kind is Kind.HISTOGRAM:
            named = (("engine", "0"), ("model_name", MODEL), *target)
            self._histograms[metric.name] = Histogram(metric, named)
            return
        table, kept = (GAUGES, self._gauges), (COUNTERS, self._counters)
        known, into = table if metric.kind is Kind.GAUGE else kept
        value = known.get(metric.name)
        if value is None and metric.name.startswith(_ABSENT_WITHOUT_VALUE):
            return
        for chosen in product(*(_LABELS.get(label, ("",)) for label in metric.labels)):
            labels = (*zip(metric.labels, chosen, strict=True), *target)
            into.append((metric.name, labels, value or (lambda _, __: 0.0)))

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
