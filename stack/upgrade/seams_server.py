"""What we hold on to of vLLM's API server: its start, its flags, its answers and its errors."""

from stack.upgrade.seam import Seam

_LAUNCHER = "server/launcher.py"
_FLAGS = "server/flags.py"
_OBSERVED = "server/engine_client/observed_engine.py"
_MODELS = "server/requests/models.py"
_CHANGED = "server/engine_client/seams.py"
_REFUSALS = "server/gateway/refusals.py"
_OUTCOME = "server/record/outcome.py"
_LAUNCHERS = "vllm.entrypoints.launchers"
_OPENAI = "vllm.entrypoints.openai"

START = (
    Seam(
        f"{_LAUNCHERS}.api_server.entry:build_and_serve", f"{_LAUNCHER}:await build_and_serve",
        kind="async", begins=("engine_client", "listen_address", "sock", "args"),
    ),
    Seam(
        f"{_LAUNCHERS}.launcher:setup_server", f"{_LAUNCHER}:return setup_server", kind="plain",
        only=("args", "reuse_port"), says=("return listen_address, sock",),
    ),
    Seam(
        f"{_LAUNCHERS}.launcher:serve_http", f"{_OBSERVED}:self._readiness.drain()",
        says=("engine_client.shutdown, timeout=timeout",),
    ),
    Seam(f"{_LAUNCHERS}.cli_args:make_arg_parser", _FLAGS, given=("parser",)),
    Seam(
        f"{_LAUNCHERS}.cli_args:propagate_flash_late_interaction",
        f"{_LAUNCHER}:propagate_flash_late_interaction(args", begins=("args", "engine_args"),
    ),
    Seam(
        f"{_LAUNCHERS}.cli_args:validate_parsed_serve_args",
        f"{_LAUNCHER}:validate_parsed_serve_args(args)", given=("args",),
    ),
    Seam(
        "vllm.entrypoints.serve.utils.api_utils:cli_env_setup", f"{_LAUNCHER}:cli_env_setup()",
        kind="plain", given=("self",),
    ),
    Seam(
        "vllm.utils.system_utils:decorate_logs", f"{_LAUNCHER}:decorate_logs(",
        begins=("process_name",), takes=("skip_if_decorated",),
    ),
    Seam("vllm.utils.argparse_utils:FlexibleArgumentParser", _FLAGS, has=("parse_args",)),
    Seam(
        "vllm.engine.arg_utils:AsyncEngineArgs", f"{_LAUNCHER}:engine_args.",
        has=("from_cli_args", "create_engine_config", "enable_log_requests",
             "aggregate_engine_logging"),
    ),
    Seam(
        "vllm.engine.arg_utils:AsyncEngineArgs.create_engine_config",
        f"{_LAUNCHER}:create_engine_config", given=("usage_context",),
    ),
    Seam("vllm.envs:enable_envs_cache", _LAUNCHER, kind="plain", given=("self",)),
    Seam("vllm.v1.executor:Executor.get_class", _LAUNCHER, kind="plain", given=("vllm_config",)),
    Seam("vllm.usage.usage_lib:UsageContext", _LAUNCHER, has=("OPENAI_API_SERVER",)),
    Seam("vllm.tool_parsers:ToolParserManager", _LAUNCHER, has=("import_tool_parser",)),
    Seam(
        "vllm.reasoning:ReasoningParserManager", _LAUNCHER, has=("import_reasoning_parser",)
    ),
    Seam(f"{_OPENAI}.models.protocol:LoRAModulePath", f"{_FLAGS}:adapter.name", has=("name",)),
    Seam(
        "vllm.entrypoints.serve.middleware.register:init_entrypoints_middleware",
        f"{_FLAGS}:args.middleware", says=("args.middleware", "app.add_middleware("),
    ),
)  # fmt: skip
LOGS = (
    Seam(
        "vllm.config.logging:LoggingConfig", f"{_FLAGS}:args.log_config_file",
        has=("pylogging_config_file",),
    ),
    Seam(
        "vllm.logger:configure_logging_from_args", f"{_LAUNCHER}:configure_logging_from_args(",
        given=("args",), says=("pylogging_config_file=args.log_config_file",),
    ),
    Seam(
        "vllm.engine.arg_utils:EngineArgs.create_logging_config", f"{_FLAGS}:args.log_config_file",
        says=("pylogging_config_file=self.log_config_file",),
    ),
    Seam(
        f"{_LAUNCHERS}.utils.server_utils:get_uvicorn_log_config",
        f"{_FLAGS}:args.log_config_file", given=("args",), says=("log_config_file",),
    ),
    Seam(
        "vllm.logger", "server/signals/log_events.py:vllm_process_name",
        says=("record.vllm_process_name =",),
    ),
    Seam("vllm.v1.metrics.loggers", "server/logging.json", says=("init_logger(__name__)",)),
)  # fmt: skip
ANSWERS = (
    Seam(
        "vllm.entrypoints.serve.engine.serving:BaseServing._base_request_id",
        "server/requests/live_request.py:def request_id",
        says=('raw_request.headers.get("X-Request-Id")', "return req_id"),
    ),
    *(
        Seam(f"{_OPENAI}.{name}.serving",
             "server/requests/live_request.py:def request_id",
             says=(f'f"{prefix}-{{self._base_request_id(',))
        for name, prefix in (("chat_completion", "chatcmpl"), ("completion", "cmpl"))
    ),
    *(
        Seam(f"{_OPENAI}.{name}.serving", f"{_CHANGED}:for name in STREAM_ERRORS",
             says=("self._convert_generation_error_to_streaming_response(e)",
                   "data = self.create_streaming_error_response(e)"))
        for name in ("chat_completion", "completion")
    ),
    *(
        Seam(f"{_OPENAI}.models.serving:{name}.model_name", f"{_MODELS}:class Models",
             begins=("self", "lora_request"), says=("return self.base_model_paths[0].name",))
        for name in ("OpenAIModelRegistry", "OpenAIServingModels")
    ),
    Seam(
        "vllm.entrypoints.serve.engine.serving:BaseServing._is_model_supported",
        f"{_MODELS}:class Models", says=("if not model_name:", "return True"),
    ),
    Seam(
        "vllm.entrypoints.serve.engine.protocol:ErrorResponse",
        "server/gateway/stream_errors.py:def _code",
        has=("error",),
    ),
    Seam(
        "vllm.entrypoints.serve.engine.protocol:ErrorInfo",
        "server/gateway/stream_errors.py:def _code",
        has=("code", "message", "type"),
    ),
    Seam(
        "vllm.entrypoints.generate.base.protocol:StreamOptions",
        "loadtest/generator/people.py:include_usage", has=("include_usage",),
    ),
    *(
        Seam(f"{_OPENAI}.{module}.protocol:{name}",
             "server/gateway/cost_told.py:def is_usage_event", has=("choices", "usage"))
        for module, name in (("chat_completion", "ChatCompletionStreamResponse"),
                             ("completion", "CompletionStreamResponse"))
    ),
    *(
        Seam(f"{_OPENAI}.{name}.api_router", f"{_CHANGED}:_replace(StreamingResponse",
             says=("StreamingResponse(",))
        for name in ("chat_completion", "completion")
    ),
    Seam(
        "vllm.entrypoints.generate.base.serving:GenerateBaseServing"
        ".create_streaming_error_response", _CHANGED, kind="plain", begins=("self", "message"),
    ),
    Seam(
        "vllm.entrypoints.generate.base.serving:GenerateBaseServing"
        "._convert_generation_error_to_streaming_response", _CHANGED, kind="plain",
    ),
    Seam(
        "vllm.entrypoints.generate.beam_search.online:BeamSearchOnlineMixin.beam_search", _CHANGED,
        kind="async generator",
    ),
    Seam(
        f"{_LAUNCHERS}.app:init_exception_handler", _CHANGED, kind="plain", begins=("app",)
    ),
    Seam(
        "vllm.entrypoints.serve.instrumentator.metrics:attach_router", _CHANGED, kind="plain",
        only=("app",), says=("Instrumentator(", 'Mount("/metrics"'),
    ),
    Seam(
        "vllm.entrypoints.serve.instrumentator:register_instrumentator_api_routers",
        f"{_CHANGED}:attach_router", says=("from .metrics import attach_router",),
    ),
    Seam(
        f"{_LAUNCHERS}.app:build_app", f"{_CHANGED}:init_exception_handler",
        says=("init_exception_handler(app)",),
    ),
    *(
        Seam(where, _OUTCOME)
        for where in ("vllm.exceptions:VLLMClientError", "vllm.exceptions:GracefulHTTPError",
                      "vllm.v1.engine.exceptions:EngineDeadError")
    ),
    Seam(
        f"{_OPENAI}.chat_completion.protocol:ChatCompletionRequest",
        "server/requests/body_peek.py:class _Asked",
        has=("model", "stream", "n", "structured_outputs"),
    ),
    Seam(
        f"{_OPENAI}.completion.protocol:CompletionRequest",
        "server/requests/body_peek.py:class _Asked",
        has=("model", "stream", "n", "structured_outputs", "prompt"),
    ),
    *(
        Seam(f"{_OPENAI}.{module}.protocol:{name}.check_structured_outputs_count",
             f"{_REFUSALS}:check_structured_outputs_count",
             says=("structured_outputs_kwargs.get(k)",))
        for module, name in (("chat_completion", "ChatCompletionRequest"),
                             ("completion", "CompletionRequest"))
    ),
    Seam(
        "vllm.envs", f"{_REFUSALS}:MAX_SEQUENCES",
        says=("VLLM_MAX_N_SEQUENCES: int = 16384", "VLLM_MAX_COMPLETION_PROMPTS: int = 1024"),
    ),
)  # fmt: skip
SERVER = (*START, *LOGS, *ANSWERS)
