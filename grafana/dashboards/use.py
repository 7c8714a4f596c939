"""USE: utilization, saturation and errors of what serves the model, engine first, GPU last."""

from grafana.dashboards import engine as vllm_rows
from grafana.dashboards import sdk
from grafana.dashboards.colors import BAD
from grafana.dashboards.panels import Panel, series
from grafana.dashboards.queries import (
    JOB,
    NO_TRAFFIC,
    OURS,
    SERVER,
    VLLM,
    Query,
    in_engine,
    measured,
    rate,
)
from grafana.dashboards.slo import limit

NO_GPU = "No GPU on this machine"
CPU = "node_cpu_seconds_total"
MEMORY = "node_memory_MemAvailable_bytes"


def engine() -> list[Panel]:
    """Return the engine's queue, its batch and its cache.

    One list in the order of the board, and so longer than 40 lines.
    """
    hits = rate("vllm:prefix_cache_hits_total", scope=VLLM)
    asked = rate("vllm:prefix_cache_queries_total", scope=VLLM)
    steps = rate("vllm:iteration_tokens_total_count", scope=VLLM)
    tokens = rate("vllm:iteration_tokens_total_sum", scope=VLLM)
    return [
        series(
            "Queue",
            "Requests in the batch and before it; waiting above zero for minutes means that the "
            "engine is full: add a replica or limit callers.",
            "short",
            in_engine(),
        ),
        series(
            "Oldest request without a token",
            "Age of the oldest request that waits for its first token; above the dashed line with "
            "running at zero the engine is stuck: restart the server.",
            "s",
            [
                Query(
                    f"max by (model) (llm_oldest_waiting_request_age_seconds{{{OURS}}})",
                    "{{model}}",
                )
            ],
            limits=limit("oldest_waiting_request"),
        ),
        series(
            "KV cache in use",
            "Share held by running requests; above the dashed line expect preemptions: shorten "
            "prompts, lower --max-num-seqs or give the cache more memory.",
            "percentunit",
            [Query(f"max by (model_name) (vllm:kv_cache_usage_perc{{{VLLM}}})", "{{model_name}}")],
            limits=limit("kv_cache_usage"),
            top=1,
        ),
        series(
            "Preemptions",
            "Requests thrown out of the batch per second for want of a KV block, vLLM's one cause, "
            "counted as they run again; above zero the KV cache is too small: see its use above.",
            "ops",
            [
                Query(
                    f"sum by (model_name) ({rate('vllm:num_preemptions_total', scope=VLLM)})",
                    "{{model_name}}",
                )
            ],
        ),
        series(
            "Prefix cache hits",
            "Share of prompt tokens found in the cache; when it falls, callers stopped sharing a "
            "prefix: put what is constant first in the prompt.",
            "percentunit",
            [
                Query(
                    measured(f"sum by (model_name) ({hits}) / sum by (model_name) ({asked})"),
                    "{{model_name}}",
                )
            ],
            empty=NO_TRAFFIC,
            top=1,
        ),
        series(
            "Engine steps and batch",
            "Steps per second and tokens in each; when steps slow down while tokens per step do "
            "not grow, look for CPU or GPU pressure below.",
            "short",
            [
                Query(f"sum({steps})", "steps per second"),
                Query(measured(f"sum({tokens}) / sum({steps})"), "tokens per step"),
            ],
        ),
    ]


def machine() -> list[Panel]:
    """Return the host and the server's processes.

    One list in the order of the board, and so longer than 40 lines.
    """
    lag = f"rate(llm_event_loop_lag_seconds_bucket{{{SERVER}}}[$__rate_interval])"
    busy = f'1 - avg(rate({CPU}{{mode="idle"}}[$__rate_interval]))'
    ours = f"rate(llm_process_cpu_seconds_total{{{SERVER}}}[$__rate_interval])"
    return [
        series(
            "CPU",
            "Share of all cores in use, and by the server's processes; when the host is above the "
            "dashed line and the server is not, find the neighbor with top.",
            "percentunit",
            [
                Query(busy, "host"),
                Query(
                    f"sum by (process) ({ours}) / scalar(count(count by (cpu) ({CPU})))",
                    "{{process}}",
                ),
            ],
            limits=limit("cpu_busy"),
            top=1,
        ),
        series(
            "Memory",
            "What the host has left and what the server holds; when available nears zero the "
            "kernel kills the largest process, which is the engine: free memory first.",
            "bytes",
            [
                Query(f"{MEMORY}", "host available"),
                Query(
                    f"sum by (process) (llm_process_resident_memory_bytes{{{SERVER}}})",
                    "{{process}}",
                ),
            ],
        ),
        series(
            "Event-loop lag, p99",
            "How late the API process wakes up; above the dashed line every stream stutters: look "
            "for large request bodies or raise the number of API processes.",
            "s",
            [
                Query(
                    measured(f"histogram_quantile(0.99, sum by (le, instance) ({lag}))"),
                    "{{instance}}",
                )
            ],
            limits=limit("event_loop_lag"),
        ),
    ]


def gpu() -> list[Panel]:
    """Return the GPU's utilization, saturation and errors; absent without one.

    One list in the order of the board, and so longer than 40 lines.
    """
    recorded = "instance_gpu:gpu"
    return [
        series(
            "GPU utilization and memory",
            "Share of time with a kernel running, and of memory in use; low utilization with a "
            "queue means that the CPU feeds it too slowly: see CPU above.",
            "percentunit",
            [
                Query(f"{recorded}_utilization:ratio", "busy, GPU {{gpu}}"),
                Query(f"{recorded}_memory_used:ratio", "memory, GPU {{gpu}}"),
            ],
            limits=limit("gpu_memory"),
            top=1,
            empty=NO_GPU,
        ),
        series(
            "GPU temperature",
            "Core temperature; above the dashed line clocks are held down and every request slows: "
            "check the cooling, then lower the power limit.",
            "celsius",
            [Query("instance_gpu:gpu_temperature:celsius", "GPU {{gpu}}")],
            limits=limit("gpu_temperature"),
            empty=NO_GPU,
        ),
        series(
            "GPU errors and throttling",
            "XID and uncorrected ECC errors, and why clocks are held down; any XID: drain this "
            "replica and look the code up in the driver's log.",
            "short",
            [
                Query("instance_gpu:gpu_xid_errors:increase10m", "XID, GPU {{gpu}}"),
                Query(
                    f'increase(gpu_ecc_errors_total{{{JOB}, type="uncorrected"}}'
                    "[$__rate_interval])",
                    "ECC uncorrected, GPU {{gpu}}",
                ),
                Query(f"gpu_throttled{{{JOB}}} > 0", "throttled by {{reason}}, GPU {{gpu}}"),
            ],
            hue=BAD,
            empty=NO_GPU,
        ),
    ]


def build() -> str:
    """Return the USE board as JSON."""
    return sdk.dashboard_json(
        uid="llm-use",
        description="Why it is slow: utilization, saturation and errors from the engine down.",
        uses=["model", "instance"],
        more=vllm_rows.variables(),
        rows=[
            ("Engine", engine()),
            ("Machine", machine()),
            ("GPU", gpu()),
            *vllm_rows.rows(),
        ],
    )
