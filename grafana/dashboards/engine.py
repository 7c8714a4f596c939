"""The collapsed rows of USE: what vLLM tells beyond the queue and the cache, where it does.

Grafana can neither open a row nor hide it by what a query finds: a row that repeats over an empty
variable is still drawn once (12.2, RowRepeaterBehavior). So all are collapsed, which costs nothing,
and the heading of a feature that the server lacks says so.
"""

from grafana.dashboards.colors import BAD, LATE
from grafana.dashboards.notes import note
from grafana.dashboards.panels import Panel, series, table
from grafana.dashboards.queries import SERVER, VLLM, Now, Query, measured, quantile, rate
from grafana.dashboards.sdk import Row, Variable, told_variable
from grafana.dashboards.transfer import NO_TRANSFER, transfer
from server.catalogue import vllm_left_out

ABSENT = {
    "no_drafts": "vllm:spec_decode_num_drafts_total",
    "no_adapters": "vllm:lora_requests_info",
    "no_transfer": NO_TRANSFER,
}
"""The hidden variables that end a row's heading, and what is absent where one has a value."""


def variables() -> list[Variable]:
    """Return what ends the heading of a row whose feature the chosen servers lack."""
    return [told_variable(name, _unless(signs)) for name, signs in ABSENT.items()]


def _unless(signs: str) -> str:
    found = " or ".join(f"{sign}{{{SERVER}}}" for sign in signs.split())
    return f'label_replace(absent({found}), "le", ": none on this server", "", "")'


def rows() -> list[Row]:
    """Return the rows in the order in which they are likely to matter."""
    return [
        Row("More of the queue", queue(), collapsed=True),
        Row("More of the caches", caches(), collapsed=True),
        Row("Speculative decoding$no_drafts", speculation(), collapsed=True),
        Row("LoRA adapters$no_adapters", adapters(), collapsed=True),
        Row("KV offload and transfer$no_transfer", transfer(), collapsed=True),
        Row("What vLLM tells and no board shows", [left_out()], collapsed=True),
    ]


def queue() -> list[Panel]:
    """Return who waits and why, who was turned away, and what came out broken."""
    waiting = f"sum by (reason) (vllm:num_requests_waiting_by_reason{{{VLLM}}})"
    turned_away = rate("vllm:admission_rejections_total", scope=VLLM)
    corrupted = rate("vllm:corrupted_requests_total", scope=VLLM)
    return [
        series(
            "Waiting, by reason",
            "Requests before the batch: for capacity add a replica, while deferred ones wait for "
            "an adapter's slot, KV on its way or a grammar: look at those rows below.",
            "short",
            [Query(waiting, "{{reason}}")],
            hue=LATE,
            empty="none waits",
        ),
        series(
            "Turned away at the queue's limit",
            "Requests per second refused at a limit on the queue, by which; without a limit it "
            "stays 0: when it rises add a replica or raise the limit named.",
            "reqps",
            [Query(f"sum by (reason) ({turned_away})", "{{reason}}")],
            hue=BAD,
            empty="none turned away",
        ),
        series(
            "Corrupted requests",
            "Answers per second out of a NaN; any: drain this replica, then look at the GPU's "
            "errors and at the quantization of the model.",
            "reqps",
            [Query(f"sum by (model_name) ({corrupted})", "{{model_name}}")],
            empty="not counted: start the server with VLLM_COMPUTE_NANS_IN_LOGITS=1",
        ),
    ]


def _share(hits: str, queries: str) -> str:
    # A cache that was not asked has no rate of hits: NaN.
    return measured(f"sum({rate(hits, scope=VLLM)}) / sum({rate(queries, scope=VLLM)})")


def caches() -> list[Panel]:
    """Return where prompts come from, by source, cache and tier, and how long a block lives."""
    by_source = rate("vllm:prompt_tokens_by_source_total", scope=VLLM)
    by_tier = rate("vllm:prompt_tokens_cached_by_source_total", scope=VLLM)
    return [
        series(
            "Prompt tokens, by source",
            "Tokens per second of finished prompts: computed, found in the cache, or fetched from "
            "elsewhere; when local_compute takes over, see which cache lost its hits beside.",
            "count:tokens/s",
            [Query(f"sum by (source) ({by_source})", "{{source}}")],
            width=12,
            stacked=True,
        ),
        series(
            "Hits, by cache",
            "Share found of what each cache was asked for; when it falls, callers share less: put "
            "what is constant first in the prompt, or give that cache more memory.",
            "percentunit",
            [
                Query(
                    _share("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"),
                    "prefix, local",
                ),
                Query(
                    _share(
                        "vllm:external_prefix_cache_hits_total",
                        "vllm:external_prefix_cache_queries_total",
                    ),
                    "prefix, external",
                ),
                Query(
                    _share("vllm:mm_cache_hits_total", "vllm:mm_cache_queries_total"), "multimodal"
                ),
            ],
            width=12,
            top=1,
        ),
        series(
            "Cached tokens, by tier",
            "Prompt tokens per second found cached, by where: device is the fastest; when host or "
            "disk grow, its KV cache is too small: shorten prompts or give it memory.",
            "count:tokens/s",
            [Query(f"sum by (source) ({by_tier})", "{{source}}")],
            width=12,
            stacked=True,
        ),
        series(
            "Life of a KV block, p50",
            "How long blocks live, lie unused before eviction, and wait between two uses; when "
            "life nears the gap of reuse the cache is too small: give it more memory.",
            "s",
            [
                Query(_median("vllm:kv_block_lifetime_seconds"), "life"),
                Query(_median("vllm:kv_block_idle_before_evict_seconds"), "unused"),
                Query(_median("vllm:kv_block_reuse_gap_seconds"), "between uses"),
            ],
            width=12,
            empty="not measured: start the server with --kv-cache-metrics",
        ),
    ]


def _median(histogram: str) -> str:
    return measured(quantile(0.5, histogram, by="", scope=VLLM))


def speculation() -> list[Panel]:
    """Return how much of what is drafted is kept."""
    accepted = rate("vllm:spec_decode_num_accepted_tokens_total", scope=VLLM)
    drafted = rate("vllm:spec_decode_num_draft_tokens_total", scope=VLLM)
    drafts = rate("vllm:spec_decode_num_drafts_total", scope=VLLM)
    by_place = rate("vllm:spec_decode_num_accepted_tokens_per_pos_total", scope=VLLM)
    none = "no speculative decoding on this server"
    return [
        series(
            "Drafted tokens accepted",
            "Share of drafted tokens that the model kept; when it is low, drafting costs more than "
            "it saves: shorten the draft or turn it off.",
            "percentunit",
            [
                Query(
                    measured(f"sum by (model_name) ({accepted}) / sum by (model_name) ({drafted})"),
                    "{{model_name}}",
                )
            ],
            top=1,
            empty=none,
        ),
        series(
            "Accepted, by place in the draft",
            "Share of drafts whose token at each place was kept, 0 being the first; where it nears "
            "zero, drafts are too long: lower num_speculative_tokens to that place.",
            "percentunit",
            [
                Query(
                    measured(f"sum by (position) ({by_place}) / on () group_left () sum({drafts})"),
                    "{{position}}",
                )
            ],
            top=1,
            empty=none,
        ),
        series(
            "Tokens per step",
            "Tokens that one step of the model yields, its own included; near 1 speculation gains "
            "nothing: turn it off.",
            "short",
            [
                Query(
                    measured(
                        f"1 + sum by (model_name) ({accepted}) / sum by (model_name) ({drafts})"
                    ),
                    "{{model_name}}",
                )
            ],
            empty=none,
        ),
    ]


def adapters() -> list[Panel]:
    """Return which adapters the engine has now; what each one does is on RED, as a model."""
    newest = f"topk by (instance) (1, vllm:lora_requests_info{{{SERVER}}}) * 1000"
    return [
        table(
            "Adapters in the engine",
            "Which adapters run and wait, as the engine last said; where one waits for long and "
            "all slots are taken, raise --max-loras, and see its traffic on RED as a model.",
            [Now(newest)],
            {
                "instance": ("Instance", "string"),
                "running_lora_adapters": ("Running", "string"),
                "waiting_lora_adapters": ("Waiting", "string"),
                "max_lora": ("Slots", "string"),
                "Value": ("Said", "dateTimeAsIsoNoDateIfToday"),
            },
            sort="Said",
            width=24,
            height=6,
            empty="no LoRA on this server",
        )
    ]


def left_out() -> Panel:
    """Return the table of docs/metrics.md."""
    return note(
        "Left out of vLLM's metrics",
        "What vLLM exposes and nothing here reads, with the reason; ask Prometheus for one by its "
        "name where you need it, and docs/metrics.md for all that is read.",
        "\n".join(vllm_left_out.table()),
        height=34,
    )
