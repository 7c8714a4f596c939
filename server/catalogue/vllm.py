"""What we read of vLLM 0.32.0's own metrics: the queue, the KV cache, steps and token flow.

Not read, because it lies: vllm:request_queue_time_seconds is near 0 under load, its start being
stamped between steps. Every per-request histogram of vLLM leaves aborted requests out.
"""

from server.catalogue.grids import REQUEST_SECONDS, TOKEN_SECONDS
from server.catalogue.record import Kind, Method, Metric

_LABELS = ("engine", "model_name")


def _vllm(name: str, kind: Kind, unit: str, text: str, *labels: str) -> Metric:
    return Metric(f"vllm:{name}", kind, unit, text, Method.USE, (*_LABELS, *labels))


_SAME_EDGES = "it is here so that a test can see our edges in it, for comparing by hand"


def _latency(name: str, text: str, buckets: tuple[float, ...], unused: str = "") -> Metric:
    name, kind = f"vllm:{name}", Kind.HISTOGRAM
    return Metric(name, kind, "seconds", text, Method.RED, _LABELS, buckets, unused=unused)


VLLM = (
    _vllm("num_requests_running", Kind.GAUGE, "requests", "Requests in the running batch."),
    _vllm("num_requests_waiting", Kind.GAUGE, "requests", "Requests without a place in it."),
    _vllm("kv_cache_usage_perc", Kind.GAUGE, "ratio", "KV cache in use; 1 is full."),
    _vllm("num_preemptions_total", Kind.COUNTER, "preemptions", "Requests thrown out to wait."),
    _vllm("prefix_cache_queries_total", Kind.COUNTER, "tokens", "Prompt tokens looked up."),
    _vllm("prefix_cache_hits_total", Kind.COUNTER, "tokens", "Prompt tokens found cached."),
    _vllm("generation_tokens_total", Kind.COUNTER, "tokens", "Generated tokens."),
    Metric(
        "vllm:iteration_tokens_total",
        Kind.HISTOGRAM,
        "tokens",
        "Tokens of one engine step; its count is the number of steps that produced output.",
        Method.USE,
        _LABELS,
    ),
    _latency("inter_token_latency_seconds", "Seconds between two outputs (ITL).", TOKEN_SECONDS),
    _latency("time_to_first_token_seconds", "TTFT as vLLM sees it.", REQUEST_SECONDS, _SAME_EDGES),
    _latency(
        "e2e_request_latency_seconds", "Duration as vLLM sees it.", REQUEST_SECONDS, _SAME_EDGES
    ),
)
