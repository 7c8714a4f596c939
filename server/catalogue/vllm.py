"""What we read of vLLM 0.32.0's own metrics; the rest, and why, is in vllm_left_out.py."""

from server.catalogue.grids import REQUEST_SECONDS, TOKEN_SECONDS
from server.catalogue.record import Kind, Method, Metric
from server.catalogue.vllm_features import FEATURES, of_vllm

_LABELS = ("engine", "model_name")
_SAME_EDGES = "it is here so that a test can see our edges in it, for comparing by hand"


def _latency(name: str, text: str, buckets: tuple[float, ...], unused: str = "") -> Metric:
    name, kind = f"vllm:{name}", Kind.HISTOGRAM
    return Metric(name, kind, "seconds", text, Method.RED, _LABELS, buckets, unused=unused)


VLLM = (
    of_vllm("num_requests_running", Kind.GAUGE, "requests", "Requests in the running batch."),
    of_vllm("num_requests_waiting", Kind.GAUGE, "requests", "Requests without a place in it."),
    of_vllm("kv_cache_usage_perc", Kind.GAUGE, "ratio", "KV cache in use; 1 is full."),
    of_vllm(
        "num_preemptions_total",
        Kind.COUNTER,
        "preemptions",
        "Requests thrown out of the batch for want of a KV block, vLLM's only cause while nobody "
        "resets its cache; counted when they run again, so never of those aborted before that.",
    ),
    of_vllm("prefix_cache_queries_total", Kind.COUNTER, "tokens", "Prompt tokens looked up."),
    of_vllm("prefix_cache_hits_total", Kind.COUNTER, "tokens", "Prompt tokens found cached."),
    of_vllm("generation_tokens_total", Kind.COUNTER, "tokens", "Generated tokens."),
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
    *FEATURES,
)
