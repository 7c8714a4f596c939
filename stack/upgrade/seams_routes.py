"""What we hold on to of vLLM's routes beside chats and completions."""

from stack.upgrade.seam import Seam

_CHANGED = "server/engine_client/seams.py"
_ABILITIES = "server/engine_client/abilities.py"
_TOLD = "server/requests/told_usage.py"
_IDS = "server/requests/response_ids.py"
_PEEK = "server/requests/body_peek.py"
_REFUSALS = "server/gateway/refusals.py"
_COST = "server/gateway/cost_told.py"
_ERRORS = "server/gateway/stream_errors.py"
_ANSWERS = "server/gateway/answers.py"
_RESPONSES = "vllm.entrypoints.openai.responses"
_MESSAGES = "vllm.entrypoints.anthropic"
_CHAT = "vllm.entrypoints.openai.chat_completion.serving"
_POOLING = "vllm.entrypoints.pooling"
_SERVING = f"{_RESPONSES}.serving:OpenAIServingResponses"
_CHATS = f"{_CHAT}:OpenAIServingChat"

RESPONSES = (
    Seam(
        f"{_SERVING}.create_responses", f"{_CHANGED}:def _naming", kind="async",
        only=("self", "request", "raw_request"),
    ),
    # Our id takes the place of the caller's before anything of the engine is asked.
    Seam(
        f"{_SERVING}._create_responses", f"{_CHANGED}:request.request_id = ",
        says=("request_id=request.request_id,", "if request.background:", "if request.store:"),
    ),
    Seam(
        f"{_SERVING}._generate_with_builtin_tools", f"{_CHANGED}:request.request_id = ",
        says=('sub_request_id = f"{request_id}_{sub_request}"',),
    ),
    Seam(
        f"{_SERVING}.responses_full_generator", f"{_CHANGED}:def _noting_reasoning", kind="async",
        says=("reasoning_tokens=num_reasoning_tokens,",),
    ),
    Seam(
        f"{_SERVING}.responses_stream_generator", f"{_CHANGED}:def _noting_reasoning",
        says=("await self.responses_full_generator(",),
    ),
    Seam(_SERVING, f"{_CHANGED}:self.parser", has=("parser",)),
    Seam(
        f"{_RESPONSES}.protocol:ResponsesRequest", f"{_PEEK}:class _Asked",
        has=("model", "stream", "input", "store", "background", "previous_response_id",
             "truncation", "request_id"),
        says=("store: bool | None = True",),
    ),
    Seam(
        f"{_RESPONSES}.protocol:ResponsesRequest", f"{_REFUSALS}:truncation",
        says=('truncation: Literal["auto", "disabled"] | None = "disabled"',),
    ),
    Seam(
        f"{_RESPONSES}.protocol:ResponsesResponse.from_request", f"{_IDS}:def of_response",
        says=("id=request.request_id,",),
    ),
    Seam(f"{_RESPONSES}.protocol:ResponsesResponse", _CHANGED + ":usage", has=("usage",)),
    Seam(
        f"{_RESPONSES}.protocol:ResponseUsage", f"{_CHANGED}:output_tokens_details",
        has=("output_tokens_details",),
    ),
    Seam(
        f"{_RESPONSES}.protocol:OutputTokensDetails", f"{_CHANGED}:reasoning_tokens",
        has=("reasoning_tokens",),
    ),
    Seam(
        f"{_RESPONSES}.api_router:_convert_stream_to_sse_events", f"{_COST}:_NAMED",
        says=('f"event: {event_type}\\ndata: "',),
    ),
)  # fmt: skip
MESSAGES = (
    Seam(
        f"{_MESSAGES}.api_router:create_error_response",
        f"{_CHANGED}:_replace(anthropic_router", kind="plain", begins=("message",),
    ),
    *(
        Seam(f"{_MESSAGES}.api_router:{name}", f"{_CHANGED}:_replace(anthropic_router",
             says=("translate_error_response(create_error_response(e))",))
        for name in ("create_messages", "count_tokens")
    ),
    Seam(
        f"{_MESSAGES}.serving:AnthropicServingMessages.message_stream_converter",
        f"{_COST}:_NAMED", says=('yield wrap_data_with_event(data, "message_delta")',),
    ),
    Seam(
        f"{_MESSAGES}.serving:AnthropicServingMessages.message_stream_converter",
        f"{_ERRORS}:NAMED", says=('yield wrap_data_with_event(data, "error")',),
    ),
    Seam(
        f"{_MESSAGES}.protocol:AnthropicErrorResponse", f"{_ANSWERS}:path.startswith(MESSAGES)",
        has=("type", "error"),
    ),
    *(
        Seam(f"{module}.api_router", f"{_CHANGED}:_replace(StreamingResponse",
             says=("StreamingResponse(",))
        for module in (_MESSAGES, _RESPONSES)
    ),
)  # fmt: skip
USAGE = (
    Seam(
        f"{_CHATS}._create_chat_completion", f"{_TOLD}:STATE_KEY",
        says=("raw_request.state.request_metadata = request_metadata",),
    ),
    *(
        Seam(f"{_CHATS}.{name}", f"{_TOLD}:final_usage_info",
             says=("request_metadata.final_usage_info =",))
        for name in ("chat_completion_stream_generator", "chat_completion_full_generator")
    ),
    Seam(
        "vllm.entrypoints.serve.engine.protocol:UsageInfo", f"{_TOLD}:completion_tokens_details",
        has=("completion_tokens_details",),
    ),
    Seam(
        "vllm.entrypoints.serve.engine.protocol:CompletionTokenUsageInfo",
        f"{_TOLD}:reasoning_tokens", has=("reasoning_tokens",),
    ),
    Seam(
        f"{_CHAT}:_get_mm_token_counts", f"{_TOLD}:mm_placeholders",
        says=('engine_input.get("mm_placeholders")', "p.length for p in ranges"),
    ),
    Seam("vllm.multimodal.inputs:PlaceholderRange", f"{_TOLD}:each.length", has=("length",)),
)  # fmt: skip
POOLING = (
    Seam(
        f"{_POOLING}.utils:enable_scoring_api", _ABILITIES, kind="plain",
        begins=("supported_tasks", "model_config"),
    ),
    Seam(
        "vllm.config:ModelConfig.get_pooling_task", _ABILITIES, kind="plain",
        only=("self", "supported_tasks"),
    ),
    Seam(
        "vllm.v1.engine.async_llm:AsyncLLM.__init__", "server/launcher.py:engine.model_config",
        says=("self.model_config = vllm_config.model_config",),
    ),
    Seam(
        f"{_POOLING}.factories:init_pooling_state", f"{_ABILITIES}:def of",
        says=("pooling_task = model_config.get_pooling_task(supported_tasks)",
              'if pooling_task == "embed"', 'if pooling_task == "classify"',
              "if enable_scoring_api(supported_tasks, model_config)"),
    ),
    Seam(
        f"{_POOLING}.base.serving:PoolingBaseServing._init_ctx", f"{_IDS}:_PREFIXES",
        says=('request_id = f"{self.request_id_prefix}-{base_request_id}"',),
    ),
    *(
        Seam(f"{_POOLING}.{module}.serving:{name}", f'{_IDS}:"{prefix}-"',
             says=(f'request_id_prefix = "{prefix}"',))
        for module, name, prefix in (("scoring", "ServingScores", "score"),
                                     ("pooling", "ServingPooling", "pooling"),
                                     ("classify", "ServingClassification", "classify"))
    ),
    *(
        Seam(f"{_POOLING}.scoring.protocol:{name}", f"{_PEEK}:_PAIRED", has=texts)
        for name, texts in (("RerankRequest", ("documents",)),
                            ("ScoreDataRequest", ("data_1", "data_2")),
                            ("ScoreQueriesDocumentsRequest", ("queries", "documents")),
                            ("ScoreQueriesItemsRequest", ("queries", "items")),
                            ("ScoreTextRequest", ("text_1", "text_2")))
    ),
)  # fmt: skip
ROUTES = (*RESPONSES, *MESSAGES, *USAGE, *POOLING)
