"""KV that leaves the device or comes from another server, whichever connector moves it."""

from grafana.dashboards.colors import BAD, LATE
from grafana.dashboards.panels import Panel, series
from grafana.dashboards.queries import VLLM, Query, rate

NO_TRANSFER = (
    "vllm:num_requests_kv_fetch_by_stage vllm:nixl_num_failed_transfers_total "
    "vllm:kv_offload_store_bytes_total vllm:mooncake_store_operation_bytes_total "
    "vllm:simple_kv_offload_save_outcomes_total"
)
"""Where none of these is, no connector is configured, or it has moved nothing since the start."""
NOTHING = "no KV offload or transfer on this server"
OFFLOAD, TIER = "vllm:kv_offload", "vllm:kv_offload_tiering"
NIXL, MOONCAKE = "vllm:nixl", "vllm:mooncake_store_operation"


def _each(name: str, legend: str, *by: str) -> Query:
    summed = f"sum by ({', '.join(by)})" if by else "sum"
    return Query(f"{summed} ({rate(name, scope=VLLM)})", legend)


def transfer() -> list[Panel]:
    """Return what is moved, how long it takes, what fails or is lost, and who waits for it."""
    return [*_moved(), *_lost(), *_held()]


def _moved() -> list[Panel]:
    return [
        series(
            "KV moved",
            "Bytes per second by who moves them and whither; when they stop while requests wait "
            "for KV below, look at the network or the disk behind that connector.",
            "Bps",
            [
                _each(f"{OFFLOAD}_load_bytes_total", "offload, back"),
                _each(f"{OFFLOAD}_store_bytes_total", "offload, away"),
                _each(f"{TIER}_read_bytes_total", "tier {{tier}}, back", "tier"),
                _each(f"{TIER}_write_bytes_total", "tier {{tier}}, away", "tier"),
                _each(f"{NIXL}_bytes_transferred_sum", "NIXL"),
                _each(f"{MOONCAKE}_bytes_total", "Mooncake {{operation}}", "operation"),
            ],
            empty=NOTHING,
        ),
        series(
            "Transfers at once",
            "Seconds spent in transfers per second, so how many run side by side; when it grows "
            "and the bytes do not, what is behind is slow: look there.",
            "short",
            [
                _each(f"{OFFLOAD}_load_time_total", "offload, back"),
                _each(f"{OFFLOAD}_store_time_total", "offload, away"),
                _each(f"{TIER}_read_time_total", "tier {{tier}}, back", "tier"),
                _each(f"{TIER}_write_time_total", "tier {{tier}}, away", "tier"),
                _each(f"{NIXL}_xfer_time_seconds_sum", "NIXL"),
                _each(f"{MOONCAKE}_time_seconds_sum", "Mooncake {{operation}}", "operation"),
            ],
            empty=NOTHING,
        ),
    ]


def _lost() -> list[Panel]:
    # The other outcomes are stores that were made, or needed not be.
    dropped = rate(
        "vllm:simple_kv_offload_save_outcomes_total", 'outcome=~"dropped_.+"', scope=VLLM
    )
    return [
        series(
            "Failed transfers",
            "Transfers, jobs and keys that failed per second; the requests compute their prompts "
            "again: look into the log of the connector named.",
            "ops",
            [
                _each(f"{NIXL}_num_failed_transfers_total", "NIXL"),
                _each(f"{MOONCAKE}_failed_keys_total", "Mooncake {{operation}}", "operation"),
                _each(f"{TIER}_promotion_job_failures_total", "tier {{tier}}, back", "tier"),
                _each(f"{TIER}_cascade_job_failures_total", "tier {{tier}}, away", "tier"),
            ],
            hue=BAD,
            empty=NOTHING,
        ),
        series(
            "KV dropped or expired",
            "What was computed and is lost, per second; any notice after expiry: an answer may "
            "rest on another request's KV, so raise the lease before anything else.",
            "ops",
            [
                _each(f"{NIXL}_num_kv_expired_reqs_total", "NIXL, expired"),
                _each(f"{NIXL}_num_notifications_after_expiry_total", "NIXL, after expiry"),
                _each(f"{OFFLOAD}_allocation_failure_total", "offload, no room"),
                _each(f"{TIER}_backpressure_blocks_dropped_total", "tier {{tier}}, slow", "tier"),
                Query(f"sum by (outcome) ({dropped})", "{{outcome}}"),
            ],
            hue=BAD,
            empty=NOTHING,
        ),
    ]


def _held() -> list[Panel]:
    stages = f"sum by (stage) (vllm:num_requests_kv_fetch_by_stage{{{VLLM}}})"
    held = f"max by (model_name) (vllm:kv_offload_cpu_cache_usage_perc{{{VLLM}}})"
    return [
        series(
            "Waiting for KV, by stage",
            "Requests whose KV is on its way; many in_progress: the network is slow, many "
            "completed_waiting: the batch is full, so add a decode server.",
            "short",
            [Query(stages, "{{stage}}")],
            hue=LATE,
            empty=NOTHING,
        ),
        series(
            "Host memory held by transfers",
            "Share of the host's memory for KV that transfers hold, not how full it is; near 1 "
            "stores are dropped: give it more or write to fewer tiers.",
            "percentunit",
            [Query(held, "{{model_name}}")],
            top=1,
            empty=NOTHING,
        ),
    ]
