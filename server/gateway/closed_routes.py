"""What vLLM has and we keep closed, each with its reason; tests hold it to what vLLM registers."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closed:
    """Routes of vLLM that answer 404 here, and why; `{name}` in a path stands for any one part."""

    what: str
    paths: tuple[str, ...]
    why: str


CLOSED = (
    Closed(
        "stored responses",
        ("/v1/responses/{response_id}", "/v1/responses/{response_id}/cancel"),
        "no response is stored, since one that is made after its request ended has no record",
    ),
    Closed(
        "audio",
        ("/v1/audio/transcriptions", "/v1/audio/translations"),
        "speech is sent as a form and is worth seconds, and a record and a price count tokens",
    ),
    Closed(
        "realtime",
        ("/v1/realtime",),
        "on a websocket many requests share one connection, and none has an end of its own",
    ),
    Closed(
        "batches of chats",
        ("/v1/chat/completions/batch",),
        "so many conversations in one request have no bound and no answer before the last ends: "
        "send each to /v1/chat/completions",
    ),
    Closed(
        "Cohere",
        ("/v2/embed", "/v2/rerank", "/cohere/v2/chat", "/cohere/v2/chat/render"),
        "Cohere's forms of what is open as /v1/embeddings, /v1/rerank and /v1/chat/completions, "
        "with errors of another shape",
    ),
    Closed(
        "experiments",
        ("/generative_scoring", "/v1/systemone"),
        "each asks the engine in a way of its own that vLLM may still change",
    ),
    Closed(
        "halves of a server",
        (
            "/v1/chat/completions/render", "/v1/completions/render", "/v1/messages/render",
            "/v1/responses/render", "/v1/chat/completions/derender", "/v1/completions/derender",
            "/inference/v1/generate", "/inference/v1/abort_requests", "/abort_requests",
        ),
        "the prompt's text and its tokens would be seen by different servers, and one caller "
        "could end the requests of another",
    ),
    Closed(
        "SageMaker",
        ("/invocations", "/ping"),
        "one path for every operation, which is known only when the body is read; "
        "/health is the same as /ping",
    ),
    Closed(
        "adapters",
        ("/v1/load_lora_adapter", "/v1/unload_lora_adapter"),
        "a caller would change what all callers are served: name adapters by --lora-modules",
    ),
    Closed(
        "profiling",
        ("/start_profile", "/stop_profile"),
        "a profile slows every request and is written to the server's disk",
    ),
    Closed(
        "development",
        (
            "/server_info", "/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache",
            "/collective_rpc", "/sleep", "/wake_up", "/is_sleeping", "/release_kv_cache_memory",
        ),
        "they stop, empty or call the engine for everybody",
    ),
    Closed(
        "weight transfer",
        (
            "/pause", "/resume", "/is_paused", "/init_weight_transfer_engine",
            "/shutdown_weight_transfer_engine", "/start_weight_update",
            "/start_draft_weight_update", "/update_weights", "/finish_weight_update",
            "/update_weight_version", "/weight_info", "/weight_checker", "/get_world_size",
        ),
        "they stop the engine and replace the model that prices and records name",
    ),
    Closed(
        "scaling",
        (
            "/scale_elastic_ep", "/is_scaling_elastic_ep", "/fault_tolerance/apply",
            "/fault_tolerance/status",
        ),
        "engines that come and go cannot be accounted for",
    ),
    Closed(
        "the server itself",
        ("/load", "/kv_event_sources", "/tokenizer_info", "/metrics"),
        "they tell of its inside, and what counts of that stands on the port of /metrics",
    ),
    Closed(
        "pages about the API",
        ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/static"),
        "they would describe routes that are closed",
    ),
)  # fmt: skip
"""All of them, in the order in which docs/server.md tells them."""

_EXACT = {path: closed.why for closed in CLOSED for path in closed.paths if "{" not in path}
_SHAPES = tuple(
    (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), closed.why)
    for closed in CLOSED
    for path in closed.paths
    if "{" in path
)


def why(path: str) -> str | None:
    """Why the path is closed, None where vLLM has no such route."""
    found = _EXACT.get(path)
    if found is not None:
        return found
    return next((reason for shape, reason in _SHAPES if shape.fullmatch(path)), None)
