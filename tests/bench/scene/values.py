"""What the parts say at a scrape, by the metric's name: the engine's doing, the rest around it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from server.catalogue.own import PROCESS_CPU, PROCESS_MEMORY
from tests.bench.day_others import SERVER
from tests.bench.scene.engine import State
from tests.bench.scene.story import DAY

_GIB = 2.0**30


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
    "vllm:num_requests_waiting_by_reason": lambda now, of: (
        now.state.waiting if of["reason"] == "capacity" else 0
    ),
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


_FROM = {"local_compute": "prefilled", "local_cache_hit": "hits", "device": "hits"}


def _prompts(now: Scraped, labels: Mapping[str, str]) -> float:
    name = _FROM.get(labels["source"])
    return _grown(name)(now, labels) if name else 0.0


COUNTERS: Mapping[str, Value] = {
    "vllm:num_preemptions_total": _grown("preempted"),
    "vllm:prefix_cache_queries_total": _grown("looked_up"),
    "vllm:prefix_cache_hits_total": _grown("hits"),
    "vllm:generation_tokens_total": _grown("made"),
    "vllm:admission_rejections_total": _grown("refused"),
    "vllm:prompt_tokens_by_source_total": _prompts,
    "vllm:prompt_tokens_cached_by_source_total": _prompts,
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
