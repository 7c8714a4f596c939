"""What vLLM does where reading it is not enough; what can be read is in stack/upgrade/seams.py."""

import ast
import importlib
import inspect
import json
import os
import re
import textwrap
from argparse import Namespace
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import vllm
from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.responses import StreamingResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from vllm import exceptions
from vllm.config.logging import LoggingConfig
from vllm.config.observability import ObservabilityConfig
from vllm.distributed import utils
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.launchers import app as vllm_app
from vllm.entrypoints.launchers import cli_args
from vllm.entrypoints.launchers.utils.server_utils import get_uvicorn_log_config
from vllm.entrypoints.openai.chat_completion import api_router as chat_router
from vllm.entrypoints.openai.completion import api_router as completion_router
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
from vllm.entrypoints.openai.models.protocol import BaseModelPath
from vllm.entrypoints.openai.models.serving import OpenAIModelRegistry, OpenAIServingModels
from vllm.entrypoints.serve.engine.serving import BaseServing
from vllm.entrypoints.serve.instrumentator import register_instrumentator_api_routers
from vllm.entrypoints.serve.middleware import register
from vllm.exceptions import VLLMError
from vllm.logger import configure_logging_from_args
from vllm.lora.request import LoRARequest
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.buckets import BUCKET_FAMILY_KEYS

from server import flags
from server.few_cores import sleep_between_looks
from server.gateway.middleware import Middleware
from server.gateway.refusals import MAX_SEQUENCES
from server.signals.instruments import VLLM_BUCKETS
from tests.unit.helpers import SPAN_ID, TRACE_ID
from tests.unit.seamed import prepared


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


def source(owner: Any) -> str:
    return textwrap.dedent(inspect.getsource(owner))


def assigned(cls: type) -> set[str]:
    """The attributes that a class' __init__ assigns on self."""
    tree = ast.parse(source(cls.__init__))
    targets = [
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return {
        target.attr
        for target in targets
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    }


def test_the_version_is_the_one_that_the_seams_were_read_in() -> None:
    assert vllm.__version__ == "0.32.0", "read every seam again, then pin the new version"


@pytest.mark.parametrize("owner", [OpenAIModelRegistry, OpenAIServingModels])
def test_a_response_names_the_adapter_else_the_first_served_name(owner: type) -> None:
    models = owner.__new__(owner)
    models.base_model_paths = [BaseModelPath("first", "path"), BaseModelPath("alias", "path")]
    assert models.model_name() == "first"
    adapter = LoRARequest(lora_name="adapter", lora_int_id=1, lora_path="path")
    expected = "adapter" if owner is OpenAIServingModels else "first"
    assert models.model_name(adapter) == expected


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_the_served_model(name: str | None) -> None:
    assert BaseServing.__new__(BaseServing)._is_model_supported(name)


def test_a_finish_reason_stands_on_each_sequence() -> None:
    assert "outputs" in parameters(RequestOutput.__init__)
    assert "finish_reason" in {field.name for field in fields(CompletionOutput)}
    found = CompletionOutput(0, "", [], None, None, finish_reason="stop")
    assert found.finish_reason == "stop"


@pytest.mark.parametrize(
    "error",
    [exceptions.VLLMClientError, exceptions.GracefulHTTPError, EngineDeadError],
    ids=["VLLMClientError", "GracefulHTTPError", "EngineDeadError"],
)
def test_error_classes_that_outcome_knows_by_name(error: type[Exception]) -> None:
    assert issubclass(error, exceptions.VLLMError)
    assert not issubclass(EngineDeadError, exceptions.VLLMClientError)


@pytest.mark.parametrize("default", [None, "other"])
def test_vllm_builds_its_request_id_from_our_header(default: str | None) -> None:
    ours = f"{TRACE_ID}-{SPAN_ID}"
    raw = Namespace(headers={"X-Request-Id": ours})
    assert BaseServing._base_request_id(raw, default) == ours


def test_the_flags_that_the_launcher_sets_exist() -> None:
    args = flags.parse([])
    stock = cli_args.make_arg_parser(flags.FlexibleArgumentParser()).parse_args([])
    needed = {"host", "port", "model", "served_model_name", "middleware", "disable_fastapi_docs",
              "disable_uvicorn_access_log", "otlp_traces_endpoint", "custom_histogram_buckets",
              "lora_modules", "tool_parser_plugin", "reasoning_parser_plugin"}  # fmt: skip
    missing = needed - vars(stock).keys()
    assert not missing, f"vllm serve lost the flags {missing}"
    assert args.model == stock.model


def test_vllm_counts_no_http_requests_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(monkeypatch)
    app = FastAPI()
    register_instrumentator_api_routers(app)
    assert app.user_middleware == []
    assert "/metrics" not in {getattr(route, "path", "") for route in app.routes}


def test_the_last_middleware_is_outermost() -> None:
    args = flags.parse(["--middleware", "starlette.middleware.gzip.GZipMiddleware"])
    app = FastAPI()
    register.init_entrypoints_middleware(args, app, ("generate",))
    outermost = app.user_middleware[0].cls
    assert outermost is Middleware, f"{outermost} stands outside of our middleware"
    assert len(app.user_middleware) > 1


def test_one_logging_file_configures_vllm_and_uvicorn(tmp_path: Path) -> None:
    assert "pylogging_config_file" in {field.name for field in fields(LoggingConfig)}
    path = tmp_path / "logging.json"
    config = {"version": 1, "disable_existing_loggers": False}
    path.write_text(json.dumps(config))
    args = Namespace(log_config_file=str(path), disable_access_log_for_endpoints=None)
    assert get_uvicorn_log_config(args) == config
    text = source(configure_logging_from_args)
    assert "pylogging_config_file=args.log_config_file" in text, "--log-config-file is not read"
    text = source(AsyncEngineArgs.create_logging_config)
    assert "pylogging_config_file=self.log_config_file" in text, "the engine core reads it not"


def test_our_grids_are_taken_under_vllms_names() -> None:
    unknown = VLLM_BUCKETS.keys() - set(BUCKET_FAMILY_KEYS)
    assert not unknown, f"--custom-histogram-buckets lost the families {unknown}"
    config = ObservabilityConfig(custom_histogram_buckets=VLLM_BUCKETS)
    assert config.custom_histogram_buckets == VLLM_BUCKETS


@pytest.mark.parametrize(("cores", "yields"), [(1, False), (4, False), (5, True), (64, True)])
def test_vllm_sleeps_instead_of_yielding_where_cores_are_few(
    monkeypatch: pytest.MonkeyPatch, cores: int, yields: bool
) -> None:
    called: list[str] = []
    monkeypatch.setattr(os, "sched_yield", lambda: called.append("yield"))
    monkeypatch.setattr(utils.time, "sleep", lambda _: called.append("sleep"))
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(utils, "USE_SCHED_YIELD", True)
    sleep_between_looks()
    utils.sched_yield()
    assert called == ["yield" if yields else "sleep"]


@pytest.mark.parametrize("protocol", ["h11_impl", "httptools_impl"])
def test_uvicorn_speaks_the_asgi_in_which_an_application_listens_for_a_disconnect(
    protocol: str,
) -> None:
    # From 2.4 on Starlette waits for an OSError of send() instead: gateway/test_http_stall.py.
    module = importlib.import_module(f"uvicorn.protocols.http.{protocol}")
    assert '"spec_version": "2.3"' in source(module), (
        "read _inner_send in server/gateway/exchange.py again"
    )
    assert "if spec_version >= (2, 4):" in source(StreamingResponse.__call__)


@pytest.mark.parametrize("protocol", ["h11_impl", "httptools_impl"])
def test_a_connection_can_be_reached_from_its_receive(protocol: str) -> None:
    cycle = importlib.import_module(f"uvicorn.protocols.http.{protocol}").RequestResponseCycle
    assert "transport" in assigned(cycle), "connection.cut() finds no transport"
    assert inspect.iscoroutinefunction(cycle.receive)
    for middleware in (ServerErrorMiddleware, ProxyHeadersMiddleware):
        text = source(middleware.__call__)
        assert re.search(r"await self\.app\(scope, receive, ", text), f"{middleware} wraps receive"


@pytest.mark.parametrize("router", [chat_router, completion_router])
def test_streams_are_answered_by_the_class_whose_end_we_close(router: Any) -> None:
    assert router.StreamingResponse is StreamingResponse
    text = source(StreamingResponse)
    assert "async for chunk in self.body_iterator:" in text
    assert "aclose" not in text, "Starlette closes its streams now: drop server/seams.close_streams"


def test_exceptions_become_answers_in_the_handlers_that_we_wrap() -> None:
    assert "init_exception_handler(app)" in source(vllm_app.build_app)
    app = FastAPI()
    vllm_app.init_exception_handler(app)
    plain = [h for h in app.exception_handlers.values() if not inspect.iscoroutinefunction(h)]
    assert app.exception_handlers.keys() >= {VLLMError, ValueError, NotImplementedError, Exception}
    assert not plain, f"{plain} are no coroutine functions"


def test_vllm_bounds_prompts_and_answers_and_not_their_product() -> None:
    assert vllm.envs.VLLM_MAX_N_SEQUENCES == MAX_SEQUENCES
    assert vllm.envs.VLLM_MAX_COMPLETION_PROMPTS == 1024
    request = CompletionRequest(prompt=["a"] * 1024, n=16_384)
    assert request.n == 16_384, "vLLM bounds the product now: drop it from refusals.py"
