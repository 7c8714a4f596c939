"""A beam search ends as its beams do: vLLM's own search over an engine of ours."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator

import pytest
from vllm.entrypoints.generate.beam_search.online import BeamSearchOnlineMixin
from vllm.entrypoints.openai.chat_completion.serving import OpenAIServingChat
from vllm.entrypoints.openai.completion.serving import OpenAIServingCompletion
from vllm.logprobs import Logprob
from vllm.outputs import RequestOutput
from vllm.sampling_params import BeamSearchParams

from server.engine_client import seams
from server.record import waste
from server.record.request import Usage
from server.requests.live_request import LiveRequest
from tests.unit import seamed
from tests.unit import served as vllm
from tests.unit.asgi import Install, end
from tests.unit.helpers import hook_failures
from tests.unit.served import CACHED_TOKENS, EOS, PROMPT_TOKENS, Served

COMPLETIONS = "/v1/completions"


BODY = json.dumps(
    {"model": "tiny-llama", "prompt": "a", "use_beam_search": True, "n": 2, "max_tokens": 3}
).encode()


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    seamed.prepared(monkeypatch)
    return vllm.served(monkeypatch)


async def test_beams_that_stop_by_themselves_are_no_waste(app: Served, install: Install) -> None:
    records = install()
    app.core.likely = {EOS: Logprob(-0.1)}
    answer = await app.post(COMPLETIONS, BODY)
    assert answer.status_code == 200, answer.text
    assert end(records[0]) == ("ok", "stop", 200)
    assert records[0].finish_reasons == ("stop",)
    assert waste.of(records[0]) is None


async def test_beams_that_are_cut_off_are(app: Served, install: Install) -> None:
    records = install()
    await app.post(COMPLETIONS, BODY)
    assert end(records[0]) == ("ok", "length", 200)
    assert records[0].finish_reasons == ("length", "length")
    assert waste.of(records[0]) == "truncated"


async def test_what_the_engine_made_is_counted_call_by_call(app: Served, install: Install) -> None:
    # One beam in the first step, two in each of the other two.
    records = install()
    await app.post(COMPLETIONS, BODY)
    assert records[0].usage == Usage(5 * PROMPT_TOKENS, 5 * CACHED_TOKENS, 5)


async def test_an_engine_that_fails_in_a_search_is_the_servers_fault(
    app: Served, install: Install
) -> None:
    records = install()
    app.core.fails = KeyError("text of a prompt")
    await app.post(COMPLETIONS, BODY)
    assert end(records[0])[:2] == ("server_error", "exception")
    assert records[0].error_type == "KeyError"


async def test_a_search_outside_of_a_request_passes(app: Served) -> None:
    assert len([output async for output in _search(app)]) == 1


async def test_two_prompts_at_once_end_as_the_answers_of_both(
    app: Served, live: LiveRequest
) -> None:
    first, second = _search(app), _search(app)
    await asyncio.gather(anext(first), anext(second))
    assert live.beams == ["length"] * 4


async def test_ends_that_cannot_be_read_break_no_search(
    app: Served, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()

    def explode(*_: object) -> None:
        raise RuntimeError("text of a prompt")

    monkeypatch.setattr(seams, "add_finish_reasons", explode)
    with hook_failures("output", 1):
        assert (await app.post(COMPLETIONS, BODY)).status_code == 200


def _search(app: Served) -> AsyncGenerator[RequestOutput, None]:
    prompt = {"type": "token", "prompt_token_ids": [1]}
    return app.serving.beam_search(prompt, "id", BeamSearchParams(beam_width=2, max_tokens=2))


@pytest.mark.parametrize("serving", [OpenAIServingChat, OpenAIServingCompletion])
def test_both_routes_search_by_the_method_that_we_wrap(serving: type) -> None:
    owner = next(cls for cls in serving.__mro__ if "beam_search" in vars(cls))
    assert owner is BeamSearchOnlineMixin
