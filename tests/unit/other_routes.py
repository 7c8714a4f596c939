"""vLLM's own /v1/responses and /v1/messages without a model; only the engine core is ours."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from vllm.entrypoints.anthropic import api_router as messages_router
from vllm.entrypoints.anthropic.serving import AnthropicServingMessages
from vllm.entrypoints.generate.base.serving import GenerateBaseServing
from vllm.entrypoints.launchers import app as vllm_app
from vllm.entrypoints.openai.models.serving import OpenAIModelRegistry
from vllm.entrypoints.openai.responses import api_router as responses_router
from vllm.entrypoints.openai.responses.serving import OpenAIServingResponses
from vllm.entrypoints.serve.engine.serving import BaseServing
from vllm.multimodal.inputs import PlaceholderRange
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.renderers.online_renderer import ResponsesRenderResult
from vllm.v1.engine.async_llm import AsyncLLM

from server.gateway.middleware import Middleware
from tests.unit import served
from tests.unit.seamed import prepared
from tests.unit.served import MOST_TOKENS, NAMES, Core

RESPONSES, MESSAGES, COUNT = "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"
IMAGE_TOKENS = 5
PROMPT = {
    "type": "multimodal",
    "prompt_token_ids": list(range(12)),
    "mm_placeholders": {"image": [PlaceholderRange(offset=1, length=IMAGE_TOKENS)]},
}
ASKED: dict[str, dict[str, Any]] = {
    RESPONSES: {"input": "hi", "max_output_tokens": 3},
    MESSAGES: {
        "model": NAMES[0], "max_tokens": 3, "messages": [{"role": "user", "content": "hi"}],
    },
}  # fmt: skip
"""A body for each."""


class Reasoning:
    """A parser that takes the first token for reasoning."""

    reasoning_parser = reasoning_parser_cls = tool_parser = tool_parser_cls = None

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def count_reasoning_tokens(self, tokens: Any) -> int:
        return 1

    def parse_delta(self, *, delta_text: str, **_: Any) -> Any:
        from vllm.entrypoints.generate.base.protocol import DeltaMessage

        return DeltaMessage(content=delta_text)

    def set_prompt_token_ids(self, tokens: Any) -> None:
        pass

    def parse(self, text: str, *_: Any, **__: Any) -> Any:
        return None, text, []


def _serving(cls: Any, core: Core) -> Any:
    made = cls.__new__(cls)
    config: Any = SimpleNamespace(
        model=NAMES[0], max_model_len=MOST_TOKENS, is_encoder_decoder=False, is_diffusion=False
    )
    paths: Any = [SimpleNamespace(name=name, model_path="path") for name in NAMES]
    models = OpenAIModelRegistry(config, paths)
    BaseServing.__init__(made, models, config)
    tokenizer = SimpleNamespace(eos_token_id=served.EOS, decode=lambda *_, **__: "a")
    made.renderer = SimpleNamespace(tokenizer=tokenizer, get_tokenizer=lambda: tokenizer)
    made.online_renderer = Renderer()
    settings = {
        "engine_client": core.llm, "has_kv_connector": False, "system_fingerprint": None,
        "return_tokens_as_token_ids": False, "chat_template": None, "override_max_tokens": None,
        "chat_template_content_format": "auto", "enable_prompt_tokens_details": False,
        "enable_force_include_usage": False, "enable_per_request_metrics": False,
        "enable_log_outputs": False, "default_sampling_params": {}, "tool_server": None,
    }  # fmt: skip
    for name, value in settings.items():
        setattr(made, name, value)
    return made


class Renderer:
    """Renders every conversation as the same prompt, which holds a picture."""

    trust_request_chat_template = False
    raises: Exception | None = None

    def validate_chat_template(self, **_: Any) -> None:
        pass

    async def render_responses(self, *_: Any, **__: Any) -> Any:
        if self.raises is not None:
            raise self.raises
        return ResponsesRenderResult(messages=[], engine_input=dict(PROMPT))  # type: ignore[typeddict-item]

    async def render_chat(self, *_: Any, **__: Any) -> Any:
        if self.raises is not None:
            raise self.raises
        return [{"role": "user"}], [dict(PROMPT)]


def responses(core: Core, parser: Any) -> Any:
    made = _serving(OpenAIServingResponses, core)
    more = {
        "chat_template_kwargs": {}, "parser": parser, "enable_store": True, "use_harmony": False,
        "enable_auto_tools": False, "response_store": {}, "msg_store": {}, "event_store": {},
        "background_tasks": {},
    }  # fmt: skip
    for name, value in more.items():
        setattr(made, name, value)
    made.response_store_lock = asyncio.Lock()
    return made


def messages(core: Core, parser: Any) -> Any:
    made = _serving(AnthropicServingMessages, core)
    more = {
        "default_chat_template_kwargs": {}, "parser_cls": parser, "response_role": "assistant",
        "_include_reasoning_tokens_details": parser is not None, "enable_log_deltas": False,
        "enable_auto_tools": False, "exclude_tools_when_tool_choice_none": False,
        "trust_request_chat_template": False, "_merge_inline_system": False,
        "_disabled_thinking_effort": None,
    }  # fmt: skip
    for name, value in more.items():
        setattr(made, name, value)
    return made


class Hanging:
    """An output queue of the engine whose answer has begun and does not end."""

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        made = CompletionOutput(0, "a", [1], None, None, finish_reason=None)
        self._outputs = [RequestOutput(request_id, "", list(range(12)), None, [made], False)]
        self.waits = asyncio.Event()

    def get_nowait(self) -> RequestOutput | None:
        return self._outputs.pop() if self._outputs else None

    async def get(self) -> RequestOutput:
        self.waits.set()
        await asyncio.Future()
        raise AssertionError

    def close(self) -> None:
        pass


class Other:
    """The application behind our middleware, and a client of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, parser: Any = None) -> None:
        prepared(monkeypatch)
        monkeypatch.setattr(GenerateBaseServing, "_preflight", lambda *_: None)
        self.core = Core(monkeypatch)
        app = FastAPI()
        app.include_router(responses_router.router)
        app.include_router(messages_router.router)
        app.state.args = SimpleNamespace(log_error_stack=False)
        app.state.engine_client = SimpleNamespace(errored=False, is_running=True)
        app.state.server = None
        self.responses = responses(self.core, parser)
        self.messages = messages(self.core, parser)
        app.state.openai_serving_responses = self.responses
        app.state.anthropic_serving_messages = self.messages
        vllm_app.init_exception_handler(app)
        self.inner, self.app = app, Middleware(app)

    def hang(self, monkeypatch: pytest.MonkeyPatch) -> Hanging:
        """Have the engine begin an answer and not end it; the queue of that answer."""
        queue = Hanging("an-id")

        async def add_request(*_: Any, **__: Any) -> Hanging:
            return queue

        monkeypatch.setattr(AsyncLLM, "add_request", add_request)
        return queue

    async def post(self, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, json=body, headers=headers)
