"""Which metrics of vLLM 0.32.0 nothing reads, and why; a test names any that is in no list."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Metrics that are read by nothing here, by the names that vLLM exposes, and the reason."""

    names: tuple[str, ...]
    reason: str


def _out(reason: str, *names: str) -> LeftOut:
    return LeftOut(tuple(f"vllm:{name}" for name in names), reason)


LEFT_OUT = (
    _out(
        "It lies: near 0 under load, its start being stamped between two steps. The phase `queue` "
        "of `llm_request_phase_seconds` is the wait.",
        "request_queue_time_seconds",
    ),
    _out(
        "They leave aborted requests out and hide preemptions. The phases of "
        "`llm_request_phase_seconds` tile every request.",
        "request_prefill_time_seconds",
        "request_decode_time_seconds",
        "request_inference_time_seconds",
    ),
    _out(
        "It lies: 0 for an answer of one token, and nothing for an aborted one. "
        "`gen_ai_server_time_per_output_token_seconds` is read.",
        "request_time_per_output_token_seconds",
    ),
    _out(
        "It lies by its name: aborts and errors count as well, and what never reached the engine "
        "does not. `llm_requests_total` has every outcome.",
        "request_success_total",
    ),
    _out(
        "It lies: a streamed call counts once for each piece, and a parser's failure as no call.",
        "tool_call_parser_invocations_total",
    ),
    _out(
        "They stay 0 without --enable-mfu-metrics, and are computed from the model's shape, "
        "not measured.",
        "estimated_flops_per_gpu_total",
        "estimated_read_bytes_per_gpu_total",
        "estimated_write_bytes_per_gpu_total",
    ),
    _out(
        "They leave aborted requests out. `llm_tokens_total` and `llm_request_tokens` count them; "
        "preemptions are `vllm:num_preemptions_total`.",
        "request_prompt_tokens",
        "request_generation_tokens",
        "request_max_num_generation_tokens",
        "request_prefill_kv_computed_tokens",
        "request_num_preemptions",
    ),
    _out(
        "They are sums of `vllm:prompt_tokens_by_source_total`.",
        "prompt_tokens_total",
        "prompt_tokens_cached_total",
    ),
    _out(
        "They say what callers ask for; it stands on each request's log line.",
        "request_params_n",
        "request_params_max_tokens",
    ),
    _out("They are settings.", "cache_config_info", "simple_kv_offload_info"),
    _out(
        "Their routes are closed on this server.",
        "engine_sleep_state",
        "sleep_mode_operation_duration_seconds",
        "sleep_mode_operations_in_flight",
        "rl_weight_update_operation_duration_seconds",
        "rl_weight_update_operations_in_flight",
        "websocket_connections_active",
        "websocket_connections_total",
        "websocket_connection_duration_seconds",
    ),
    _out(
        "It says what was marked, not how the server does.",
        "watermark_requests_total",
    ),
    _out(
        "They are of models that answer by diffusion, which we have not served.",
        "diffusion_num_denoising_steps_total",
        "diffusion_num_canvas_positions_total",
        "diffusion_num_committed_tokens_total",
    ),
    _out(
        "vLLM gives them up for `vllm:kv_offload_load_*` and `vllm:kv_offload_store_*`.",
        "kv_offload_total_bytes_total",
        "kv_offload_total_time_total",
        "kv_offload_size",
    ),
    _out(
        "They are details of single transfers; the bytes, seconds and failures of all are drawn.",
        "kv_offload_load_size",
        "kv_offload_store_size",
        "kv_offload_cpu_allocation_size",
        "nixl_num_descriptors",
        "nixl_post_time_seconds",
        "mooncake_store_operation_total",
        "mooncake_store_operation_keys_total",
    ),
    _out(
        "They are counted in `vllm:nixl_num_failed_transfers_total`.",
        "nixl_num_failed_notifications_total",
    ),
    _out(
        "Stores below the reuse threshold are skipped on purpose.",
        "kv_offload_stores_skipped_total",
    ),
    _out(
        "They are part of a request's wait, which `vllm:num_requests_kv_fetch_by_stage` and the "
        "TTFT show.",
        "kv_offload_lookup_sync_delay_seconds",
        "kv_offload_lookup_async_delay_seconds",
        "kv_offload_tiering_lookup_sync_delay_seconds",
        "kv_offload_tiering_lookup_async_delay_seconds",
    ),
    _out(
        "They are parts of `vllm:kv_offload_cpu_cache_usage_perc`.",
        "kv_offload_cpu_cache_read_usage_perc",
        "kv_offload_cpu_cache_write_usage_perc",
        "kv_offload_tiering_primary_read_usage_perc",
        "kv_offload_tiering_primary_write_usage_perc",
    ),
    _out(
        "`vllm:prompt_tokens_cached_by_source_total` tells each tier's hits in tokens.",
        "kv_offload_tiering_chunk_queries_total",
        "kv_offload_tiering_chunk_hits_total",
        "simple_kv_offload_load_blocks_total",
    ),
    _out(
        "They are steps on the way; what came of it is drawn: bytes, failed jobs, dropped blocks.",
        "kv_offload_tiering_active_promotion_jobs",
        "kv_offload_tiering_active_cascade_jobs",
        "kv_offload_tiering_promotion_allocation_failures_total",
        "kv_offload_tiering_backpressure_store_latency_ema",
        "kv_offload_tiering_backpressure_stores_dropped_total",
        "simple_kv_offload_used_blocks",
        "simple_kv_offload_pending_store_blocks",
    ),
    _out(
        "They are one connector's own, which we have not served with.",
        "hf3fs_load_duration_seconds",
        "hf3fs_save_duration_seconds",
        "hf3fs_num_failed_load_total",
        "hf3fs_num_failed_save_total",
        "hisparse_cache_hits_total",
        "hisparse_cache_misses_total",
        "hisparse_host_to_device_bytes_total",
        "hisparse_host_cache_usage_perc",
        "hisparse_pending_page_transfers",
        "hisparse_host_block_lifetime_seconds",
        "hisparse_host_block_idle_before_evict_seconds",
        "hisparse_host_block_reuse_gap_seconds",
    ),
)
"""Every one of them, those that lie first."""


def page() -> Iterator[str]:
    """The chapter of docs/metrics.md, which a row of the USE board shows as well."""
    yield "## Left out of vLLM's metrics\n"
    yield "What vLLM 0.32.0 can expose and nothing here reads.\n"
    yield from table()
    yield ""


def table() -> Iterator[str]:
    """Its lines of Markdown."""
    yield "| metric | why it is left out |"
    yield "| --- | --- |"
    for one in LEFT_OUT:
        yield f"| {', '.join(f'`{name}`' for name in one.names)} | {one.reason} |"
