"""What vLLM 0.32.0 tells of its queue's reasons, its caches and what not every server has.

A metric with `absent` is made only with its feature, some only when the feature first acts; the
labels are those of vLLM's code, which tests/unit/start/test_vllm_metrics.py asks.
"""

from server.catalogue.record import Kind, Method, Metric

COUNTER, GAUGE, HISTOGRAM = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM


def of_vllm(name: str, kind: Kind, unit: str, text: str, *labels: str, absent: str = "") -> Metric:
    """Return a metric of the engine, by its name without `vllm:`."""
    own = ("engine", "model_name", *labels)
    return Metric(f"vllm:{name}", kind, unit, text, Method.USE, own, absent=absent)


def _plain(name: str, kind: Kind, unit: str, text: str, *labels: str, absent: str = "") -> Metric:
    """One whose labels are not the engine's."""
    return Metric(f"vllm:{name}", kind, unit, text, Method.USE, labels, absent=absent)


_NANS = "VLLM_COMPUTE_NANS_IN_LOGITS is not set"
_RESIDENCY = "the server was not started with --kv-cache-metrics"
_DRAFTS = "no speculative decoding is configured"
_LORA = "LoRA is not enabled"
_CONSUMER = "no connector takes KV in"
_OFFLOAD = "the offloading connector is not configured, or moved nothing yet"
_TIERS = "offloading has no second tier, or moved nothing yet"
_NIXL = "the NIXL connector is not configured"
_MOONCAKE = "the Mooncake store is not configured, or was not asked yet"
_SIMPLE = "the simple CPU offload is not configured, or stored nothing yet"

QUEUE = (
    of_vllm(
        "num_requests_waiting_by_reason", GAUGE, "requests",
        "Requests without a place in the batch, by reason: capacity, or deferred (they wait for an "
        "adapter's slot, for KV on its way or for a grammar).",
        "reason",
    ),
    _plain(
        "admission_rejections_total", COUNTER, "requests",
        "Requests turned away at --max-num-queued-reqs or --max-num-queued-tokens, by which.",
        "model_name", "reason",
    ),
    of_vllm(
        "corrupted_requests_total", COUNTER, "requests",
        "Finished requests with a NaN in their logits; aborted ones are not counted.", absent=_NANS,
    ),
)  # fmt: skip
CACHES = (
    of_vllm(
        "external_prefix_cache_queries_total", COUNTER, "tokens",
        "Prompt tokens looked up at a KV connector.",
    ),
    of_vllm(
        "external_prefix_cache_hits_total", COUNTER, "tokens",
        "Prompt tokens found at a KV connector.",
    ),
    of_vllm("mm_cache_queries_total", COUNTER, "items", "Images, sounds and videos looked up."),
    of_vllm("mm_cache_hits_total", COUNTER, "items", "Images, sounds and videos found cached."),
    of_vllm(
        "prompt_tokens_by_source_total", COUNTER, "tokens",
        "Prompt tokens by where their KV came from, when the prompt is done: local_compute, "
        "local_cache_hit, external_kv_transfer; a request aborted before that is in none.",
        "source",
    ),
    of_vllm(
        "prompt_tokens_cached_by_source_total", COUNTER, "tokens",
        "Prompt tokens found cached, when the request is admitted, by tier: device, host, disk, "
        "p2p, external_unspecified.",
        "source",
    ),
    of_vllm(
        "kv_block_lifetime_seconds", HISTOGRAM, "seconds",
        "Seconds from a KV block's filling to its eviction, of a sample of blocks.",
        absent=_RESIDENCY,
    ),
    of_vllm(
        "kv_block_idle_before_evict_seconds", HISTOGRAM, "seconds",
        "Seconds that a KV block lay unused before its eviction, of a sample.", absent=_RESIDENCY,
    ),
    of_vllm(
        "kv_block_reuse_gap_seconds", HISTOGRAM, "seconds",
        "Seconds between two uses of a KV block, the latest of each evicted one of a sample.",
        absent=_RESIDENCY,
    ),
)  # fmt: skip
SPECULATION = (
    of_vllm("spec_decode_num_drafts_total", COUNTER, "drafts", "Drafts made.", absent=_DRAFTS),
    of_vllm(
        "spec_decode_num_draft_tokens_total", COUNTER, "tokens", "Tokens drafted.", absent=_DRAFTS
    ),
    of_vllm(
        "spec_decode_num_accepted_tokens_total", COUNTER, "tokens",
        "Drafted tokens that the model kept.", absent=_DRAFTS,
    ),
    of_vllm(
        "spec_decode_num_accepted_tokens_per_pos_total", COUNTER, "tokens",
        "The same by their place in the draft, from 0.", "position", absent=_DRAFTS,
    ),
)  # fmt: skip
ADAPTERS = (
    _plain(
        "lora_requests_info", GAUGE, "unix seconds",
        "When the engine last had these adapters running and waiting; each mix of them is a series "
        "that stays, so the newest is the one that holds.",
        "max_lora", "running_lora_adapters", "waiting_lora_adapters", absent=_LORA,
    ),
)  # fmt: skip
TRANSFER = (
    of_vllm(
        "num_requests_kv_fetch_by_stage", GAUGE, "requests",
        "Waiting requests whose KV is fetched: waiting_to_start, in_progress, completed_waiting.",
        "stage", absent=_CONSUMER,
    ),
    of_vllm("kv_offload_load_bytes_total", COUNTER, "bytes",
            "Bytes of KV brought back to the device.", absent=_OFFLOAD),
    of_vllm("kv_offload_store_bytes_total", COUNTER, "bytes",
            "Bytes of KV stored away from the device.", absent=_OFFLOAD),
    of_vllm("kv_offload_load_time_total", COUNTER, "seconds",
            "Seconds of bringing KV back.", absent=_OFFLOAD),
    of_vllm("kv_offload_store_time_total", COUNTER, "seconds",
            "Seconds of storing KV away.", absent=_OFFLOAD),
    of_vllm("kv_offload_allocation_failure_total", COUNTER, "stores",
            "Stores given up for want of room in the host's memory.", absent=_OFFLOAD),
    of_vllm("kv_offload_cpu_cache_usage_perc", GAUGE, "ratio",
            "Host memory for KV that transfers hold now: not how full it is.", absent=_OFFLOAD),
    of_vllm("kv_offload_tiering_read_bytes_total", COUNTER, "bytes",
            "Bytes of KV read from a tier behind the host's memory.", "tier", absent=_TIERS),
    of_vllm("kv_offload_tiering_write_bytes_total", COUNTER, "bytes",
            "Bytes of KV written to such a tier.", "tier", absent=_TIERS),
    of_vllm("kv_offload_tiering_read_time_total", COUNTER, "seconds",
            "Seconds of reading from such a tier.", "tier", absent=_TIERS),
    of_vllm("kv_offload_tiering_write_time_total", COUNTER, "seconds",
            "Seconds of writing to such a tier.", "tier", absent=_TIERS),
    of_vllm("kv_offload_tiering_promotion_job_failures_total", COUNTER, "jobs",
            "Reads from such a tier that failed.", "tier", absent=_TIERS),
    of_vllm("kv_offload_tiering_cascade_job_failures_total", COUNTER, "jobs",
            "Writes to such a tier that failed.", "tier", absent=_TIERS),
    of_vllm("kv_offload_tiering_backpressure_blocks_dropped_total", COUNTER, "blocks",
            "Blocks dropped since a tier was too slow.", "tier", absent=_TIERS),
    of_vllm("nixl_bytes_transferred", HISTOGRAM, "bytes",
            "Bytes of one transfer between servers.", absent=_NIXL),
    of_vllm("nixl_xfer_time_seconds", HISTOGRAM, "seconds",
            "Seconds of one transfer between servers.", absent=_NIXL),
    of_vllm("nixl_num_failed_transfers_total", COUNTER, "transfers",
            "Transfers, handshakes and notices that failed.", absent=_NIXL),
    of_vllm("nixl_num_kv_expired_reqs_total", COUNTER, "requests",
            "Requests whose KV nobody fetched in time, told by the prefill server.", absent=_NIXL),
    of_vllm("nixl_num_notifications_after_expiry_total", COUNTER, "notices",
            "Notices of a fetch that came after its KV expired: what was fetched may have been "
            "another request's.", absent=_NIXL),
    of_vllm("mooncake_store_operation_bytes_total", COUNTER, "bytes",
            "Bytes moved by the Mooncake store.", "operation", "status", absent=_MOONCAKE),
    of_vllm("mooncake_store_operation_time_seconds", HISTOGRAM, "seconds",
            "Seconds of one operation of it.", "operation", "status", absent=_MOONCAKE),
    of_vllm("mooncake_store_operation_failed_keys_total", COUNTER, "keys",
            "Keys that failed in it.", "operation", "status", absent=_MOONCAKE),
    of_vllm("simple_kv_offload_save_outcomes_total", COUNTER, "stores",
            "Stores of the simple CPU offload by outcome; dropped_* are lost.", "outcome",
            absent=_SIMPLE),
)  # fmt: skip
FEATURES = (*QUEUE, *CACHES, *SPECULATION, *ADAPTERS, *TRANSFER)
