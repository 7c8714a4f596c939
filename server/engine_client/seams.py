"""What we change in code that is not ours, each where nothing else holds; contract tests pin it."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from typing import Any

from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from vllm.entrypoints.anthropic import api_router as anthropic_router
from vllm.entrypoints.generate.base.serving import GenerateBaseServing
from vllm.entrypoints.generate.beam_search.online import BeamSearchOnlineMixin
from vllm.entrypoints.launchers import app as vllm_app
from vllm.entrypoints.openai.responses.serving import OpenAIServingResponses
from vllm.entrypoints.serve.instrumentator import metrics as vllm_metrics

from server.engine_client.observed_engine import add_finish_reasons
from server.requests import response_ids
from server.requests.live_request import CURRENT
from server.signals.hook_errors import guarded


def install() -> None:
    """Change everything below, before vLLM makes its application; a second time changes nothing."""
    close_streams()
    note_errors()
    note_beams()
    name_responses()
    count_once()


def close_streams() -> None:
    """Have a stream's generator closed when its response ends, however it ends.

    Starlette drops one that waits in a send to a caller that does not read; until the garbage
    collector finds it, the engine generates for nobody.
    """
    _replace(StreamingResponse, "__call__", _closing)


def note_errors() -> None:
    """Have the exceptions noted that vLLM turns into an answer, where no middleware sees them."""
    _replace(vllm_app, "init_exception_handler", _noting_handlers)
    _replace(anthropic_router, "create_error_response", _noting_first)
    for name in STREAM_ERRORS:
        _replace(GenerateBaseServing, name, _noting_argument)


def note_beams() -> None:
    """Have the ends noted that a beam search decides on: none of its engine calls knows them."""
    _replace(BeamSearchOnlineMixin, "beam_search", _noting_ends)


def name_responses() -> None:
    """Have a response named by our id, kept by nobody, and its reasoning noted.

    Its route takes the id that the caller gives, invents one otherwise, and asks for none of ours.
    """
    _replace(OpenAIServingResponses, "create_responses", _naming)
    _replace(OpenAIServingResponses, "responses_full_generator", _noting_reasoning)


def count_once() -> None:
    """Have vLLM count no HTTP requests: RED once more, on a page of its own that is closed here.

    It costs each request a search of the routes, a response and six series, and each token a frame.
    """
    _replace(vllm_metrics, "attach_router", _attaching_nothing)


STREAM_ERRORS = (
    "create_streaming_error_response", "_convert_generation_error_to_streaming_response",
)  # fmt: skip
"""What of vLLM writes an error into a stream that has begun."""
_OURS = "__llm_observability__"


def _replace(owner: Any, name: str, change: Callable[[Any], Any]) -> None:
    found = getattr(owner, name)
    if hasattr(found, _OURS):
        return
    changed = change(found)
    setattr(changed, _OURS, True)
    setattr(owner, name, changed)


def _attaching_nothing(attach: Callable[[Starlette], None]) -> Callable[[Starlette], None]:
    @wraps(attach)
    def attaching(app: Starlette) -> None:
        pass

    return attaching


def _closing(respond: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    @wraps(respond)
    async def closing(self: StreamingResponse, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await respond(self, scope, receive, send)
        finally:
            close = getattr(self.body_iterator, "aclose", None)
            if close is not None:
                await close()

    return closing


def _noting_handlers(prepare: Callable[[Starlette], None]) -> Callable[[Starlette], None]:
    @wraps(prepare)
    def preparing(app: Starlette) -> None:
        prepare(app)
        for error, handler in app.exception_handlers.items():
            app.exception_handlers[error] = _noting(handler)

    return preparing


def _noting_ends(search: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., Any]:
    @wraps(search)
    async def searching(self: Any, *args: Any, **named: Any) -> AsyncGenerator[Any, None]:
        live = CURRENT.get()
        ends: list[str] = []
        with guarded("output"):
            if live is not None:
                live.beams = ends = [] if live.beams is None else live.beams
        async with aclosing(search(self, *args, **named)) as outputs:
            async for output in outputs:
                with guarded("output"):
                    add_finish_reasons(ends, output)
                yield output

    return searching


def _note(error: object) -> None:
    with guarded("failure"):
        live = CURRENT.get()
        if live is not None and isinstance(error, Exception):
            live.fail(error)


def _noting(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(handler)
    async def handling(request: Any, error: Exception) -> Any:
        _note(error)
        return await handler(request, error)

    return handling


def _noting_first(make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def making(error: object, *args: Any, **named: Any) -> Any:
        _note(error)
        return make(error, *args, **named)

    return making


def _naming(create: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(create)
    async def creating(self: Any, request: Any, *args: Any, **named: Any) -> Any:
        with guarded("begin_call"):
            live = CURRENT.get()
            if live is not None:
                request.request_id = response_ids.of_response(live.request_id)
                # Refused by name in front; whatever was overlooked there is not done here.
                request.store = request.background = False
        return await create(self, request, *args, **named)

    return creating


def _noting_reasoning(make: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(make)
    async def making(self: Any, *args: Any, **named: Any) -> Any:
        made = await make(self, *args, **named)
        with guarded("output"):
            live = CURRENT.get()
            usage = getattr(made, "usage", None)
            # Without a parser it is 0 of everything, which nobody has counted.
            if live is not None and usage is not None and self.parser is not None:
                live.reasoning = usage.output_tokens_details.reasoning_tokens
        return made

    return making


def _noting_argument(write: Callable[..., str]) -> Callable[..., str]:
    @wraps(write)
    def writing(self: Any, error: object, *args: Any, **named: Any) -> str:
        _note(error)
        return write(self, error, *args, **named)

    return writing
