"""The seams of vLLM that tell whether the engine answers; a failure names what moved."""

import inspect
import textwrap
from typing import Any

from vllm.entrypoints.launchers import launcher
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.core import EngineCore, EngineCoreProc
from vllm.v1.engine.core_client import AsyncMPClient
from vllm.v1.engine.output_processor import OutputProcessor
from vllm.v1.metrics.loggers import StatLoggerManager

from server.engine_client.observed_engine import ObservedLLM
from server.readiness.watch import Engine


def source(owner: Any) -> str:
    return textwrap.dedent(inspect.getsource(owner))


def test_the_client_knows_what_is_in_the_engine() -> None:
    assert "len(self.request_states)" in source(OutputProcessor.get_num_unfinished_requests)
    text = source(AsyncLLM._add_request)
    before, after = "self.output_processor.add_request(", "self.engine_core.add_request_async("
    assert text.index(before) < text.index(after), "a request is known before it is handed over"


def test_every_message_of_a_step_reaches_the_first_logger() -> None:
    assert "logger_ref[0].record(" in source(AsyncLLM._run_output_handler)
    assert "for stat_logger in self.stat_loggers:" in source(StatLoggerManager.record)
    assert "if outputs.outputs or outputs.scheduler_stats:" in source(AsyncMPClient)


def test_the_question_that_costs_nothing_is_answered_between_steps() -> None:
    method = AsyncMPClient.is_scheduler_paused_async
    assert inspect.iscoroutinefunction(method)
    assert list(inspect.signature(method).parameters) == ["self"]
    assert '"is_scheduler_paused"' in source(method)
    answer = source(EngineCore.is_scheduler_paused)
    assert "model_executor" not in answer, "it asks the workers: a worker that hangs decides"
    # Its decorator hides the source of the method itself.
    loop = source(EngineCoreProc).partition("def run_busy_loop(")[2]
    assert loop.index("_process_input_queue()") < loop.index("_process_engine_step()")
    assert "self.input_queue.empty()" in source(EngineCoreProc._process_input_queue)


def test_a_planned_end_begins_with_the_engines_shutdown() -> None:
    assert "engine_client.shutdown, timeout=timeout" in source(launcher.serve_http)


def test_our_engine_is_one_that_can_be_watched() -> None:
    asked = [name for name in vars(Engine) if not name.startswith("_")]
    assert asked == ["get_num_unfinished_requests", "request_ids", "answer"]
    assert all(callable(getattr(ObservedLLM, name)) for name in asked)
    assert inspect.iscoroutinefunction(ObservedLLM.answer)
    assert isinstance(AsyncLLM.errored, property)
