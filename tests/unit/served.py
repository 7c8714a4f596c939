"""vLLM without a model: its own routes, protocols and generate(); only the engine core is ours."""

import asyncio
import json
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from vllm.entrypoints.generate.base.serving import GenerateBaseServing
from vllm.entrypoints.launchers import app as vllm_app
from vllm.entrypoints.openai.chat_completion import api_router as chat_router
from vllm.entrypoints.openai.chat_completion.protocol import (
    ChatCompletionRequest,
    ChatCompletionResponse,
    ChatCompletionResponseChoice,
    ChatMessage,
)
from vllm.entrypoints.openai.completion import api_router as completion_router
from vllm.entrypoints.openai.completion.protocol import (
    CompletionRequest,
    CompletionResponse,
    CompletionResponseChoice,
)
from vllm.entrypoints.openai.models.serving import OpenAIModelRegistry
from vllm.entrypoints.serve.engine.protocol import ErrorResponse, UsageInfo
from vllm.entrypoints.serve.engine.serving import BaseServing
from vllm.exceptions import GenerationError
from vllm.logprobs import Logprob
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.serial_utils import MsgpackEncoder

from server.engine_client.observed_engine import ObservedLLM
from server.gateway.middleware import Middleware
from tests.unit.helpers import state

PROMPT_TOKENS, CACHED_TOKENS, MOST_TOKENS = 12, 4, 32
NAMES = ("tiny-llama", "an-alias")
ADAPTER = SimpleNamespace(lora_name="an-adapter")
EOS = 2


class Bare(ObservedLLM):
    """An ObservedLLM without an engine core."""

    def __del__(self) -> None:
        pass


class Core:
    """What AsyncLLM.add_request would ask: answers each request with as many tokens as it may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.llm = Bare.__new__(Bare)
        self.llm.output_processor = SimpleNamespace(
            external_req_ids=defaultdict(list), request_states={}
        )
        self.llm.log_requests = False
        self.llm.input_processor = SimpleNamespace(resolve_watermarking=lambda _: None)
        self.likely = {5: Logprob(-0.1), 6: Logprob(-0.2)}
        self.tokens: list[int] = []
        self.ran: list[str] = []
        self.asked: list[str] = []
        self.aborted: list[str] = []
        self.refuses: Exception | None = None
        self.fails: Exception | None = None
        monkeypatch.setattr(AsyncLLM, "add_request", self._add_request)
        monkeypatch.setattr(AsyncLLM, "abort", self._abort)

    async def _abort(self, request_id: str, internal: bool = False) -> None:
        self.aborted.append(request_id)

    async def _add_request(
        self,
        request_id: str,
        prompt: Any,
        params: SamplingParams,
        lora_request: Any = None,
        **named: Any,
    ) -> Any:
        await asyncio.sleep(0)
        if self.refuses is not None:
            raise self.refuses
        # What cannot be written to an engine's process gets no further in vLLM either.
        written = ("reasoning_parser_kwargs", "priority", "session_id")
        MsgpackEncoder().encode((params, *map(named.get, written)))
        queue = Queue(request_id, params, self.fails, self.likely)
        processor = self.llm.output_processor
        # Ids come back where a test seeds `random`, as hypothesis does.
        processor.external_req_ids.pop(request_id, None)
        for index in range(params.n):
            child = state(PROMPT_TOKENS, CACHED_TOKENS, tokens=params.max_tokens)
            child.queue = queue
            processor.external_req_ids[request_id].append(f"{index}_{request_id}")
            processor.request_states[f"{index}_{request_id}"] = child
        self.tokens.append(params.n * (params.max_tokens or 0))
        self.asked.append(request_id)
        self.ran.append(lora_request.lora_name if lora_request else NAMES[0])
        return queue


class Queue:
    """vLLM's RequestOutputCollector with the whole answer in it."""

    def __init__(
        self,
        request_id: str,
        params: SamplingParams,
        fails: Exception | None,
        likely: dict[int, Logprob],
    ) -> None:
        self.request_id = request_id
        self._fails = fails
        answers = [
            CompletionOutput(index, "a", [1], None, [likely], finish_reason="length")
            for index in range(params.n)
        ]
        self._output = RequestOutput(request_id, "", list(range(12)), None, answers, finished=True)

    def get_nowait(self) -> None:
        return None

    async def get(self) -> RequestOutput:
        await asyncio.sleep(0)
        if self._fails is not None:
            raise self._fails
        return self._output

    def close(self) -> None:
        pass


class Serving(GenerateBaseServing):
    """Checks the model as vLLM does and asks the engine as vLLM does."""

    def __init__(self, core: Core) -> None:
        config: Any = SimpleNamespace(model=NAMES[0], max_model_len=MOST_TOKENS)
        paths = [SimpleNamespace(name=name, model_path="path") for name in NAMES]
        registry = OpenAIModelRegistry(config, paths)
        registry.lora_requests = {ADAPTER.lora_name: ADAPTER}
        BaseServing.__init__(self, registry, config)
        self._core = core
        self.engine_client: Any = core.llm
        tokenizer = SimpleNamespace(eos_token_id=EOS, decode=lambda *_, **__: "a")
        self.renderer: Any = SimpleNamespace(get_tokenizer=lambda: tokenizer)
        self.raises: Exception | None = None
        self.breaks: Exception | None = None

    async def _generate(
        self, request: Any, raw: Any, asked: int | None
    ) -> AsyncGenerator[RequestOutput, None] | ErrorResponse:
        if self.raises is not None:
            raise self.raises
        refused = await self._check_model(request)
        if refused is not None:
            return refused
        tokens = min(asked or MOST_TOKENS, MOST_TOKENS)
        if request.use_beam_search:
            prompt: Any = {"type": "token", "prompt_token_ids": [1]}
            beams = request.to_beam_search_params(tokens, {})
            return self.beam_search(prompt, f"cmpl-{self._base_request_id(raw)}", beams)
        params = request.to_sampling_params(tokens, {})
        return self._core.llm.generate(
            {"type": "token", "prompt_token_ids": [1]}, params, self._base_request_id(raw),
            lora_request=self.models.lora_requests.get(request.model),
        )  # fmt: skip

    async def create_chat_completion(self, request: ChatCompletionRequest, raw: Any) -> Any:
        asked = request.max_completion_tokens or request.max_tokens
        outputs = await self._generate(request, raw, asked)
        if isinstance(outputs, ErrorResponse):
            return outputs
        if request.stream:
            return self._stream(outputs)
        return ChatCompletionResponse(
            model=NAMES[0],
            usage=UsageInfo(),
            choices=[
                ChatCompletionResponseChoice(
                    index=0, message=ChatMessage(role="assistant", content=answer)
                )
                for answer in await _answers(outputs)
            ],
        )

    async def create_completion(self, request: CompletionRequest, raw: Any) -> Any:
        outputs = await self._generate(request, raw, request.max_tokens)
        if isinstance(outputs, ErrorResponse):
            return outputs
        if request.stream:
            return self._stream(outputs)
        choices = [CompletionResponseChoice(index=0, text=a) for a in await _answers(outputs)]
        return CompletionResponse(model=NAMES[0], usage=UsageInfo(), choices=choices)

    async def _stream(
        self, outputs: AsyncGenerator[RequestOutput, None]
    ) -> AsyncGenerator[str, None]:
        yield f"data: {json.dumps({'id': 'x', 'choices': []})}\n\n"
        try:
            for answer in await _answers(outputs):
                yield f"data: {json.dumps({'id': 'x', 'choices': [{'text': answer}]})}\n\n"
            if self.breaks is not None:
                raise self.breaks
        except GenerationError as error:
            yield f"data: {self._convert_generation_error_to_streaming_response(error)}\n\n"
        except Exception as error:
            yield f"data: {self.create_streaming_error_response(error)}\n\n"
        yield "data: [DONE]\n\n"


async def _answers(outputs: AsyncGenerator[RequestOutput, None]) -> list[str]:
    return [answer.text async for output in outputs for answer in output.outputs]


class Served:
    """The application behind our middleware, and a client of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[FastAPI], None]) -> None:
        self.core = Core(monkeypatch)
        self.statuses: Counter[int] = Counter()
        self.serving = Serving(self.core)
        app = FastAPI()
        app.include_router(chat_router.router)
        app.include_router(completion_router.router)
        app.state.args = Namespace(log_error_stack=False)
        app.state.engine_client = SimpleNamespace(errored=False, is_running=True)
        app.state.server = None
        app.state.openai_serving_chat = self.serving
        app.state.openai_serving_completion = self.serving
        prepare(app)
        app.add_middleware(Middleware)
        self.app = app

    async def post(self, path: str, body: bytes) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        headers = {"content-type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await client.post(path, content=body, headers=headers)
        self.statuses[answer.status_code] += 1
        return answer

    async def post_together(
        self, path: str, body: object, headers: dict[str, str], times: int
    ) -> list[httpx.Response]:
        """The answers to so many requests that are alike and sent at once."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            sent = [client.post(path, json=body, headers=headers) for _ in range(times)]
            return await asyncio.gather(*sent)


def served(monkeypatch: pytest.MonkeyPatch) -> Served:
    """vLLM's routes over an engine of ours; install an observer before it is asked."""
    # What the launcher has changed in it is looked up now.
    return Served(monkeypatch, vllm_app.init_exception_handler)
