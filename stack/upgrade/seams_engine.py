"""What we hold on to of vLLM's engine: its client, the states of requests, steps, statistics."""

from stack.upgrade.seam import Seam

_OBSERVED = "server/engine_client/observed_engine.py"
_CALL = "server/requests/engine_call.py"
_METERED = "server/engine_core/metered_scheduler.py"
_METERING = "server/engine_client/metering.py"
_LOGGER = "server/engine_client/stat_logger.py"
_LAUNCHER = "server/launcher.py"
_WATCH = "server/readiness/watch.py"

_ENGINE = "vllm.v1.engine.async_llm:AsyncLLM"
_PROCESSOR = "vllm.v1.engine.output_processor:OutputProcessor"
_STEP = "vllm.v1.core.sched.output"
_SCHEDULER = "vllm.v1.core.sched.scheduler:Scheduler"
_STATS = "vllm.v1.metrics.stats"
_CLIENT = "vllm.v1.engine.core_client"
_CORE = "vllm.v1.engine.core"

CLIENT = (
    Seam(
        _ENGINE, f"{_OBSERVED}:class ObservedLLM",
        has=("output_processor", "engine_core"),
        lacks=("died", "answer", "request_ids", "_ledger", "_readiness", "_ended", "_states",
               "_begin_ledger", "_end_ledger"),
        says=("self.vllm_config = vllm_config",),
    ),
    Seam(
        f"{_ENGINE}.__init__", f"{_LAUNCHER}:engine = ObservedLLM(",
        given=("vllm_config", "executor_class", "log_stats", "usage_context", "log_requests",
               "aggregate_engine_logging", "stat_loggers"),
    ),
    Seam(
        f"{_ENGINE}.from_vllm_config", f"{_LAUNCHER}:engine = ObservedLLM(",
        says=("executor_class=Executor.get_class(vllm_config),",
              "log_stats=not disable_log_stats,", "log_requests=enable_log_requests,"),
    ),
    Seam(
        f"{_ENGINE}.add_request", f"{_OBSERVED}:async def add_request", kind="async",
        begins=("self", "request_id", "prompt", "params", "arrival_time", "lora_request"),
        says=("-> RequestOutputCollector:", "queue = RequestOutputCollector(", "for idx in range(",
              "self.observability_config.otlp_traces_endpoint is None"),
    ),
    Seam(
        f"{_ENGINE}._add_request", f"{_WATCH}:get_num_unfinished_requests",
        says=("self.output_processor.add_request(", "self.engine_core.add_request_async("),
    ),
    Seam(
        f"{_ENGINE}.generate", f"{_OBSERVED}:def generate", kind="async generator",
        takes=("request_id",),
        says=("await self.add_request(", "lora_request=lora_request,",
              "raise EngineGenerateError() from e"),
    ),
    Seam(
        f"{_ENGINE}.encode", f"{_OBSERVED}:def encode", kind="async generator",
        takes=("request_id",),
        says=("await self.add_request(", "lora_request=lora_request,",
              "raise EngineGenerateError() from e"),
    ),
    Seam(
        f"{_ENGINE}.shutdown", f"{_OBSERVED}:def shutdown", kind="plain", only=("self", "timeout")
    ),
    Seam(
        f"{_ENGINE}.errored", f"{_LAUNCHER}:engine.errored",
        says=("@property", "self.engine_core.resources.engine_dead"),
    ),
    Seam(f"{_ENGINE}.get_num_unfinished_requests", _WATCH, kind="plain", only=("self",)),
    Seam(
        f"{_ENGINE}.get_supported_tasks", _LAUNCHER, kind="async", given=("self",),
        says=("self.engine_core.get_supported_tasks_async()",),
    ),
    Seam(f"{_ENGINE}.reset_mm_cache", _LAUNCHER, kind="async", given=("self",)),
    Seam(
        f"{_ENGINE}._run_output_handler", f"{_LOGGER}:self._pulse.beat()",
        says=("logger_ref[0].record(",),
    ),
    Seam(_PROCESSOR, _OBSERVED + ":processor", has=("external_req_ids", "request_states")),
    Seam(
        f"{_PROCESSOR}.add_request", f"{_OBSERVED}:processor.external_req_ids",
        says=("self.request_states[request_id] = req_state",
              "self.external_req_ids[req_state.external_req_id].append(request_id)"),
    ),
    Seam(
        f"{_PROCESSOR}.get_num_unfinished_requests", _WATCH, says=("len(self.request_states)",)
    ),
    Seam(
        "vllm.v1.engine.output_processor:RequestState", f"{_CALL}:class EngineState",
        has=("request_id", "prompt_len", "num_cached_tokens", "is_prefilling", "stats", "queue"),
        says=("RequestStateStats(arrival_time=arrival_time) if log_stats",),
    ),
    Seam(
        f"{_STATS}:RequestStateStats", f"{_CALL}:class EngineTimes",
        has=("num_generation_tokens", "scheduled_ts", "first_token_ts", "last_token_ts"),
        says=("num_generation_tokens: int = 0", "scheduled_ts: float = 0.0",
              "first_token_ts: float = 0.0", "last_token_ts: float = 0.0"),
    ),
    Seam(
        "vllm.outputs:RequestOutput.__init__", f"{_OBSERVED}:outputs",
        takes=("outputs", "finished"),
    ),
    Seam(
        "vllm.v1.engine.output_processor:RequestState.make_request_output",
        f"{_OBSERVED}:\"finished\"", says=("finished = finish_reason is not None",),
    ),
    Seam("vllm.outputs:CompletionOutput", f"{_OBSERVED}:finish_reason", has=("finish_reason",)),
    Seam("vllm.lora.request:LoRARequest", f"{_OBSERVED}:lora_name", has=("lora_name",)),
    Seam(
        "vllm.v1.engine:FINISH_REASON_STRINGS", "server/record/outcome.py:def _of_finish",
        says=('("stop", "length", "abort", "error", "repetition")',),
    ),
    Seam(f"{_CLIENT}:BackgroundResources", f"{_OBSERVED}:engine_dead", has=("engine_dead",)),
    Seam(
        f"{_CLIENT}:AsyncMPClient", f"{_LOGGER}:self._pulse.beat()", has=("resources",),
        says=("if outputs.outputs or outputs.scheduler_stats:",),
    ),
    Seam(
        f"{_CLIENT}:AsyncMPClient.is_scheduler_paused_async", _OBSERVED, kind="async",
        only=("self",), says=('"is_scheduler_paused"',),
    ),
    Seam(
        "vllm.sampling_params:SamplingParams", "server/requests/sampling.py:NAMES",
        has=("max_tokens", "temperature", "top_p", "top_k", "seed", "n", "frequency_penalty",
             "presence_penalty"),
    ),
)  # fmt: skip
CORE = (
    Seam(
        f"{_SCHEDULER}.schedule", f"{_METERED}:def schedule", kind="plain",
        only=("self", "throttle_prefills"),
    ),
    Seam(
        f"{_SCHEDULER}.update_from_output", f"{_METERED}:def update_from_output", kind="plain",
        only=("self", "scheduler_output", "model_runner_output"),
        says=("-> dict[int, EngineCoreOutputs]:",),
    ),
    Seam(
        "vllm.v1.core.sched.async_scheduler:AsyncScheduler",
        f"{_METERED}:class MeteredAsyncScheduler",
        has=("requests", "finished_req_ids", "has_unfinished_requests", "vllm_config"),
        lacks=("_meter", "_fault", "_guard", "_start", "_scheduled", "_done", "_tell", "_file",
               "_log_model"),
    ),
    Seam(
        f"{_STEP}:SchedulerOutput", _METERED + ":output.scheduled_new_reqs",
        has=("scheduled_new_reqs", "scheduled_cached_reqs", "num_scheduled_tokens",
             "finished_req_ids"),
        says=("num_scheduled_tokens: dict[str, int]", "finished_req_ids: set[str]"),
    ),
    Seam(f"{_STEP}:NewRequestData", f"{_METERED}:req_id", has=("req_id",)),
    Seam(f"{_STEP}:CachedRequestData", f"{_METERED}:resumed_req_ids", has=("resumed_req_ids",)),
    Seam(
        "vllm.v1.request:Request", "server/engine_core/request_table.py:class EngineRequest",
        has=("num_computed_tokens", "num_prompt_tokens"),
    ),
    Seam("vllm.v1.engine:EngineCoreOutputs", _METERED, has=("scheduler_stats",)),
    Seam(
        f"{_CORE}:EngineCore.is_scheduler_paused", f"{_OBSERVED}:is_scheduler_paused_async",
        silent=("model_executor",),
    ),
    Seam(
        f"{_CORE}:EngineCoreProc", f"{_OBSERVED}:is_scheduler_paused_async",
        says=("_process_input_queue()", "_process_engine_step()", "self.input_queue.empty()"),
    ),
    Seam(
        "vllm.config:VllmConfig", _METERING,
        has=("scheduler_config", "parallel_config", "model_config", "shutdown_timeout"),
    ),
    Seam(
        "vllm.config:SchedulerConfig", f"{_METERING}:scheduler_cls",
        has=("scheduler_cls", "async_scheduling"),
        says=('self.scheduler_cls.startswith("vllm.")',
              "resolve_obj_by_qualname(self.scheduler_cls)"),
    ),
    Seam("vllm.config:ParallelConfig", f"{_METERING}:world_size", has=("world_size",)),
    Seam("vllm.config:ModelConfig", f"{_METERED}:model_config.model", has=("model",)),
    Seam(
        "vllm.platforms.interface:Platform", f"{_METERED}:current_platform",
        has=("get_device_name", "device_type"),
    ),
    Seam(
        "vllm.platforms.interface:Platform.get_device_name", _METERED, kind="plain",
        given=("cls",),
    ),
    Seam("vllm.compilation.compiler_interface", "server/signals/stacks.py"),
)  # fmt: skip
STATISTICS = (
    Seam(
        "vllm.v1.metrics.loggers:StatLoggerBase", f"{_LOGGER}:class LedgerStatLogger",
        abstract=("__init__", "log_engine_initialized", "record"), lacks=("_ledger", "_pulse"),
    ),
    Seam(
        "vllm.v1.metrics.loggers:StatLoggerBase.record", f"{_LOGGER}:def record", kind="plain",
        begins=("self", "scheduler_stats", "iteration_stats"),
    ),
    Seam(
        "vllm.v1.metrics.loggers:StatLoggerManager.record", f"{_LOGGER}:def record",
        says=("for stat_logger in self.stat_loggers:",),
    ),
    Seam(
        "vllm.v1.metrics.loggers:PrometheusStatLogger", "server/catalogue/vllm.py:_LABELS",
        says=('labelnames = ["model_name", "engine"]',),
    ),
    Seam(f"{_STATS}:SchedulerStats", _LOGGER, has=("kv_connector_stats",)),
    Seam(f"{_STATS}:IterationStats", _LOGGER, has=("finished_requests",)),
    Seam(
        f"{_STATS}:FinishedRequestStats", _LOGGER,
        has=("queued_time", "prefill_time", "decode_time", "inference_time"),
    ),
    Seam(
        "vllm.v1.metrics.buckets:BucketFamilyKey", "server/signals/instruments.py:VLLM_BUCKETS",
        says=('"request_latency"', '"time_to_first_token"', '"inter_token_latency"'),
    ),
    Seam(
        "vllm.config:ObservabilityConfig", "server/flags.py:args.custom_histogram_buckets",
        has=("custom_histogram_buckets", "otlp_traces_endpoint"),
    ),
    Seam("vllm.distributed.utils:USE_SCHED_YIELD", "server/few_cores.py"),
    Seam(
        "vllm.distributed.utils:sched_yield", "server/few_cores.py:USE_SCHED_YIELD",
        says=("if USE_SCHED_YIELD:", "time.sleep("),
    ),
)  # fmt: skip
ENGINE = (*CLIENT, *CORE, *STATISTICS)
