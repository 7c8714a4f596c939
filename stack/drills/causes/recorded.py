"""Causes that cannot be made here: their series come from pages of the drill's own."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from stack.drills.drill import Cause
from stack.drills.pages import Series, jumping, recorded, rising, steady
from stack.drills.scene import Scene

SERVER, MACHINE, COLLECTOR, PROMETHEUS = (
    "llm-server",
    "node-exporter",
    "otel-collector",
    "prometheus",
)
SKEW_SECONDS = 30.0
_DISK = 'device="drill", fstype="ext4", mountpoint="{}"'


def pages(name: str, *targets: tuple[str, tuple[Series, ...]]) -> Cause:
    """A target of each job with its series; each has an instance of its own, the first by name."""

    @contextmanager
    def cause(scene: Scene) -> Iterator[None]:
        with ExitStack() as served:
            for number, (job, series) in enumerate(targets):
                instance = f"drill-{name}-{number}" if number else f"drill-{name}"
                served.enter_context(scene.target(recorded(*series), job, instance))
            yield

    return cause


def _gpu(gpu: int, name: str, value: float, more: str = "") -> Series:
    return Series(f'{name}{{gpu="{gpu}"{more}}}', steady(value))


GPU = pages(
    "gpu",
    (
        SERVER,
        (
            Series('gpu_ecc_errors_total{gpu="0", type="uncorrected"}', jumping(12, 1)),
            _gpu(1, "gpu_throttled", 1, ', reason="hw_thermal"'),
            _gpu(2, "gpu_memory_used_bytes", 79e9),
            _gpu(2, "gpu_memory_total_bytes", 80e9),
            _gpu(3, "gpu_utilization_ratio", 0.01),
            Series("llm_gpu_read_age_seconds", steady(300)),
        ),
    ),
)


def _skewed(_: float) -> float:
    return time.time() + SKEW_SECONDS


def _disk(mount: str, name: str) -> str:
    return f"node_filesystem_{name}_bytes{{{_DISK.format(mount)}}}"


MACHINE_FULL = pages(
    "machine",
    (
        MACHINE,
        (
            Series("node_memory_MemAvailable_bytes", steady(1e9)),
            Series("node_memory_MemTotal_bytes", steady(16e9)),
            Series(_disk("/full", "avail"), steady(5e9)),
            Series(_disk("/full", "size"), steady(100e9)),
            Series(_disk("/filling", "avail"), rising(-50e6, 38e9)),
            Series(_disk("/filling", "size"), steady(100e9)),
            Series("node_time_seconds", _skewed),
        ),
    ),
)

LEDGER = pages(
    "ledger",
    (
        SERVER,
        (
            Series("llm_ledger_error_seconds", steady(1)),
            Series('llm_gpu_cost_missing_requests_total{model="drill"}', rising(1)),
            Series('llm_request_gpu_cost_microdollars_count{model="drill"}', rising(1)),
        ),
    ),
    (
        SERVER,
        (
            Series("llm_step_model_error_ratio", steady(0.5)),
            Series('vllm:iteration_tokens_total_count{model_name="drill"}', rising(10)),
        ),
    ),
)

_EXTREME_SECONDS = 60.0
BUDGET_AND_TOKENS = pages(
    "spending",
    (
        SERVER,
        (
            Series('llm_tenant_budget_day_used_ratio{tenant="drill"}', steady(0.9)),
            Series("llm_budget_soft_ratio", steady(0.8)),
            Series('llm_request_tokens_bucket{model="drill", le="100.0"}', rising(20)),
            Series('llm_request_tokens_bucket{model="drill", le="100000.0"}', rising(20)),
            Series(
                'llm_request_tokens_count{model="drill"}',
                lambda seconds: 20 * seconds + (1 if seconds > _EXTREME_SECONDS else 0),
            ),
        ),
    ),
)

ENGINE = pages(
    "engine",
    (
        SERVER,
        (
            Series('vllm:num_requests_waiting{model_name="drill"}', steady(3)),
            Series('vllm:num_requests_running{model_name="drill"}', steady(0)),
            Series('vllm:generation_tokens_total{model_name="drill"}', steady(1000)),
            Series('llm_oldest_waiting_request_age_seconds{model="drill"}', steady(20)),
        ),
    ),
    (
        SERVER,
        (
            Series('vllm:kv_cache_usage_perc{model_name="drill"}', steady(0.97)),
            Series('vllm:num_preemptions_total{model_name="drill"}', rising(1)),
        ),
    ),
    (SERVER, (Series('llm_server_not_ready{reason="starting"}', steady(1)),)),
    (SERVER, (Series("llm_event_loop_lag_seconds_count", steady(1000)),)),
)

CEILING = pages(
    "ceiling",
    (
        SERVER,
        (
            Series(
                'llm_request_phase_seconds_bucket{model="drill", phase="queue", le="1200.0"}',
                steady(0),
            ),
            Series('llm_request_phase_seconds_count{model="drill", phase="queue"}', rising(3)),
        ),
    ),
)

TELEMETRY = pages(
    "telemetry",
    (
        SERVER,
        (
            Series('llm_observer_errors_total{hook="drill"}', jumping(12, 5)),
            Series('llm_requests_total{model="drill", outcome="ok", reason="stop"}', rising(10)),
        ),
    ),
    (
        COLLECTOR,
        (
            Series('otelcol_receiver_refused_spans_total{receiver="otlp"}', rising(5)),
            Series(
                'otelcol_exporter_send_failed_spans_total{exporter="otlp_http/second"}', rising(5)
            ),
        ),
    ),
)

WATCHERS = pages(
    "watchers",
    (
        PROMETHEUS,
        (
            Series(
                'prometheus_rule_group_iterations_missed_total{rule_group="drill"}', rising(0.1)
            ),
            Series('prometheus_rule_group_iterations_total{rule_group="drill"}', rising(0.2)),
            Series("prometheus_tsdb_wal_corruptions_total", jumping(12, 1)),
        ),
    ),
)
