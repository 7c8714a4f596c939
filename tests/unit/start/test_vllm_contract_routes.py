"""What vLLM's other routes do where reading is not enough: the rest is in stack/upgrade/."""

import inspect
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from starlette.responses import StreamingResponse
from vllm.entrypoints.anthropic import api_router as messages_router
from vllm.entrypoints.anthropic.serving import AnthropicServingMessages
from vllm.entrypoints.openai.chat_completion import serving as chat
from vllm.entrypoints.openai.responses import api_router as responses_router
from vllm.entrypoints.openai.responses.protocol import ResponsesRequest, ResponsesResponse
from vllm.entrypoints.pooling.classify.serving import ServingClassification
from vllm.entrypoints.pooling.pooling.serving import ServingPooling
from vllm.entrypoints.pooling.scoring.protocol import ScoreRequest
from vllm.entrypoints.pooling.scoring.serving import ServingScores
from vllm.multimodal.inputs import PlaceholderRange
from vllm.tasks import POOLING_TASKS

from server.engine_client import abilities
from server.record.request import Operation
from server.requests import body_peek, response_ids, told_usage
from server.signals.logs import request_id_in
from tests.unit.helpers import SPAN_ID, TRACE_ID

OURS = f"{TRACE_ID}-{SPAN_ID}"


@pytest.mark.parametrize("router", [messages_router, responses_router])
def test_streams_are_answered_by_the_class_whose_end_we_close(router: Any) -> None:
    assert issubclass(router.StreamingResponse, StreamingResponse)
    assert router.StreamingResponse.__call__ is StreamingResponse.__call__


def test_a_truncation_of_null_is_taken_and_cannot_be_answered() -> None:
    request = ResponsesRequest(input="a", truncation=None)
    params = request.to_sampling_params(4, {})
    with pytest.raises(ValidationError, match="truncation"):
        ResponsesResponse.from_request(request, params, "m", 1, [], "in_progress")


def test_chats_leave_their_usage_on_the_requests_state() -> None:
    assert issubclass(AnthropicServingMessages, chat.OpenAIServingChat)
    usage = chat.UsageInfo(completion_tokens_details=chat._make_completion_tokens_details(7))
    metadata = SimpleNamespace(final_usage_info=usage)
    assert told_usage.reasoning_in({told_usage.STATE_KEY: metadata}) == 7
    assert told_usage.reasoning_in({}) is None


def test_tokens_of_pictures_are_counted_as_vllm_does() -> None:
    ranges = [PlaceholderRange(offset=2, length=5), PlaceholderRange(offset=9, length=3)]
    prompt: Any = {"mm_placeholders": {"image": ranges, "audio": ranges[:1], "video": []}}
    assert told_usage.media_in(prompt) == chat._get_mm_token_counts(prompt)
    assert told_usage.media_in(prompt) == {"image": 8, "audio": 5}
    for other in ({}, {"mm_placeholders": None}, "text", None):
        assert told_usage.media_in(other) == {}


@pytest.mark.parametrize(
    ("serving", "operation"),
    [
        (ServingScores, Operation.SCORE),
        (ServingScores, Operation.RERANK),
        (ServingPooling, Operation.POOLING),
        (ServingClassification, Operation.CLASSIFY),
    ],
)
def test_a_pooling_response_has_the_prefix_and_our_id(serving: Any, operation: Operation) -> None:
    expected = f"{serving.request_id_prefix}-{OURS}"
    assert response_ids.of("/any", operation, OURS) == expected


def test_every_list_of_texts_to_score_is_counted() -> None:
    lists = {name for kind in get_args(ScoreRequest) for name in inspect.get_annotations(kind)}
    assert lists
    assert lists <= set(body_peek._PAIRED), "an unbounded list of texts: count it in body_peek.py"


POOLING = {
    "embed": {"embed", "score", "pooling"},
    "token_embed": {"score", "pooling"},
    "classify": {"classify", "score", "pooling"},
    "token_classify": {"pooling"},
    "plugin": {"pooling"},
    "embed&token_classify": {"pooling"},
}


@pytest.mark.parametrize("task", POOLING_TASKS)
def test_a_pooling_model_can_do_what_vllm_opens_for_its_task(task: str) -> None:
    found = abilities.of((task,), _config(task))
    assert found == POOLING[task], "vLLM has other rules now: read pooling/factories.py again"


def test_a_model_of_several_labels_scores_nothing() -> None:
    assert abilities.of(("classify",), _config("classify", labels=3)) == {"classify", "pooling"}


def test_a_model_that_generates_pools_nothing() -> None:
    assert abilities.of(("generate", "embed"), _config(None)) == {"generate"}


def _config(task: str | None, labels: int = 1) -> Any:
    return SimpleNamespace(
        get_pooling_task=lambda _: task, hf_config=SimpleNamespace(num_labels=labels)
    )


@pytest.mark.parametrize("engine_id", ["resp_{}_0-8f3c2a1b", "resp_{}", "score-{}-1-0a1b2c3d"])
def test_our_id_is_found_in_what_vllm_makes_of_it(engine_id: str) -> None:
    assert request_id_in(engine_id.format(OURS)) == OURS
    for longer in (f"a{OURS}", f"{OURS}a"):
        assert request_id_in(engine_id.format(longer)) is None
