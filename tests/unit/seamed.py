"""vLLM and Starlette as the launcher prepares them, for one test alone."""

from typing import Any

import pytest
from starlette.responses import StreamingResponse
from vllm.entrypoints.anthropic import api_router as messages_router
from vllm.entrypoints.generate.base.serving import GenerateBaseServing
from vllm.entrypoints.generate.beam_search.online import BeamSearchOnlineMixin
from vllm.entrypoints.launchers import app as vllm_app
from vllm.entrypoints.openai.responses.serving import OpenAIServingResponses
from vllm.entrypoints.serve.instrumentator import metrics as vllm_metrics

from server.engine_client import seams

SEAMS: tuple[tuple[Any, str], ...] = (
    (StreamingResponse, "__call__"),
    (vllm_app, "init_exception_handler"),
    (messages_router, "create_error_response"),
    *((GenerateBaseServing, name) for name in seams.STREAM_ERRORS),
    (BeamSearchOnlineMixin, "beam_search"),
    (OpenAIServingResponses, "create_responses"),
    (OpenAIServingResponses, "responses_full_generator"),
    (vllm_metrics, "attach_router"),
)


def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have vLLM as the launcher prepares it, for this test alone."""
    for owner, name in SEAMS:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    seams.install()
