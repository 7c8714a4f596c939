"""The `openai` package on /v1/chat/completions and /v1/responses."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from openai import APIStatusError, AsyncOpenAI, OpenAI

from clients import script
from clients.conversation import Conversation, Place, Talk, told
from clients.said import LEFT, NO_KEY, TOO_LONG, Said, Usage
from clients.talks import sdk_talks

ASKED: Any = [{"role": "user", "content": script.QUESTION}]


def sdk(place: Place, key: str = "") -> Any:
    """The client as people make it."""
    return OpenAI(base_url=f"{place.api}/v1", api_key=key or place.shown_key)


def _usage(found: Any) -> Usage | None:
    if found is None:
        return None
    details = found.prompt_tokens_details
    cached = None if details is None else details.cached_tokens
    return Usage(found.prompt_tokens, found.completion_tokens, cached)


def _chat(talk: Conversation, said: Said, messages: Any, **fields: Any) -> Any:
    """One whole answer of the chat."""
    chats = sdk(talk.place).chat.completions.with_raw_response
    asked = {"max_tokens": script.TOKENS, "extra_headers": said.own_id, **fields}
    raw = chats.create(model=talk.place.model, messages=messages, **asked)
    said.answered(raw.headers, raw.status_code)
    answer = raw.parse()
    said.usage = _usage(answer.usage)
    return answer


def plain(talk: Conversation) -> None:
    """One question, one answer."""
    said = talk.request()
    with told(said, APIStatusError):
        answer = _chat(talk, said, ASKED)
        said.check(bool(answer.choices[0].finish_reason), "no finish_reason")


def _stream(talk: Conversation, said: Said, messages: Any, **fields: Any) -> Any:
    chats = sdk(talk.place).chat.completions.with_raw_response
    asked = {"extra_headers": said.own_id, "stream": True, **fields}
    raw = chats.create(model=talk.place.model, messages=messages, **asked)
    said.answered(raw.headers, raw.status_code)
    return raw.parse()


def stream(talk: Conversation) -> None:
    """Read to its end; the last chunk has the usage."""
    said = talk.request()
    with told(said, APIStatusError):
        options = {"stream_options": {"include_usage": True}, "max_tokens": script.TOKENS}
        chunks = list(_stream(talk, said, ASKED, **options))
        said.usage = _usage(chunks[-1].usage)
        ended = [one for chunk in chunks for one in chunk.choices if one.finish_reason]
        said.check(len(ended) == 1, f"{len(ended)} chunks with a finish_reason")


def abort(talk: Conversation) -> None:
    """Left after a few chunks."""
    said = talk.request(LEFT)
    with told(said, APIStatusError):
        words = [{"role": "user", "content": script.STORY}]
        fields = {"max_tokens": script.LONG_TOKENS, "temperature": 0}
        chunks = _stream(talk, said, words, extra_body={"ignore_eos": True}, **fields)
        for _ in range(script.SEEN):
            next(chunks)
        chunks.close()


async def _read_on(talk: Conversation, said: Said) -> AsyncIterator[None]:
    """Streams for long; says that it goes on with each chunk."""
    place = talk.place
    words: Any = [{"role": "user", "content": script.STORY}]
    more = {"extra_body": {"ignore_eos": True}, "extra_headers": said.own_id, "temperature": 0}
    async with AsyncOpenAI(base_url=f"{place.api}/v1", api_key=place.shown_key) as client:
        chats: Any = client.chat.completions.with_raw_response
        asked = {"messages": words, "max_tokens": script.LONG_TOKENS, "stream": True, **more}
        raw = await chats.create(model=place.model, **asked)
        said.answered(raw.headers, raw.status_code)
        async for _ in raw.parse():
            yield


def tools(talk: Conversation) -> None:
    """A call of a named tool, and the answer to its result."""
    said = talk.request()
    with told(said, APIStatusError):
        fields = {
            "tools": [script.FUNCTION],
            "tool_choice": script.CHOICE,
            "max_tokens": script.MANY_TOKENS,
        }
        message = _chat(talk, said, ASKED, **fields).choices[0].message
        calls = message.tool_calls or []
        said.check(len(calls) == 1, f"{len(calls)} tools were called")
        for call in calls[:1]:
            said.check(call.function.name == script.TOOL, "another tool was called")
            given = json.loads(call.function.arguments)
            said.check("city" in given, "the arguments are not the tool's")
            _after_tool(talk, [*ASKED, message], call.id)


def _after_tool(talk: Conversation, messages: list[Any], call: str) -> None:
    said = talk.request()
    with told(said, APIStatusError):
        result = {"role": "tool", "tool_call_id": call, "content": script.RESULT}
        _chat(talk, said, [*messages, result], tools=[script.FUNCTION], tool_choice="none")


def structured(talk: Conversation) -> None:
    """An answer of a pydantic model."""
    said = talk.request()
    with told(said, APIStatusError):
        chats = sdk(talk.place).chat.completions.with_raw_response
        asked: Any = {"max_tokens": script.MANY_TOKENS, "extra_headers": said.own_id}
        model = talk.place.model
        raw = chats.parse(model=model, messages=ASKED, response_format=script.Trip, **asked)
        said.answered(raw.headers, raw.status_code)
        answer = raw.parse()
        said.usage = _usage(answer.usage)
        said.check(isinstance(answer.choices[0].message.parsed, script.Trip), "nothing was parsed")


def wrong_key(talk: Conversation) -> None:
    """Refused as the SDK's own error."""
    said = talk.request(NO_KEY)
    with told(said, APIStatusError):
        chats = sdk(talk.place, talk.place.wrong_key).chat.completions
        chats.create(model=talk.place.model, messages=ASKED, extra_headers=said.own_id)
    said.check_refused("AuthenticationError")


def too_long(talk: Conversation) -> None:
    """More than the model's context."""
    said = talk.request(TOO_LONG)
    with told(said, APIStatusError):
        _chat(talk, said, [{"role": "user", "content": talk.place.too_long}])
    said.check_refused("BadRequestError")


def completions(talk: Conversation) -> None:
    """The older API, whole and as a stream."""
    whole, events = talk.request(), talk.request()
    with told(whole, APIStatusError):
        raw = _complete(talk, whole)
        whole.usage = _usage(raw.usage)
    with told(events, APIStatusError):
        options = {"stream": True, "stream_options": {"include_usage": True}}
        events.usage = _usage(list(_complete(talk, events, **options))[-1].usage)


def _complete(talk: Conversation, said: Said, **fields: Any) -> Any:
    ways = sdk(talk.place).completions.with_raw_response
    asked = {"prompt": script.QUESTION, "max_tokens": script.TOKENS, **fields}
    raw = ways.create(model=talk.place.model, extra_headers=said.own_id, **asked)
    said.answered(raw.headers, raw.status_code)
    return raw.parse()


def _response_usage(found: Any) -> Usage:
    return Usage(found.input_tokens, found.output_tokens, found.input_tokens_details.cached_tokens)


def responses(talk: Conversation) -> None:
    """/v1/responses, whole and as a stream."""
    whole, events = talk.request(), talk.request()
    with told(whole, APIStatusError):
        raw = _respond(talk, whole)
        whole.answered(raw.headers, raw.status_code)
        whole.usage = _response_usage(raw.parse().usage)
    with told(events, APIStatusError):
        raw = _respond(talk, events, stream=True)
        events.answered(raw.headers, raw.status_code)
        last = list(raw.parse())[-1]
        events.usage = _response_usage(last.response.usage)


def _respond(talk: Conversation, said: Said, **fields: Any) -> Any:
    ways = sdk(talk.place).responses.with_raw_response
    asked = {
        "input": script.QUESTION,
        "max_output_tokens": script.TOKENS,
        "extra_headers": said.own_id,
    }
    return ways.create(model=talk.place.model, **asked, **fields)


TALKS: Mapping[str, Talk] = {
    "plain": plain,
    "stream": stream,
    "tools": tools,
    "structured": structured,
    "abort": abort,
    "cancel": sdk_talks.cancel(_read_on, APIStatusError),
    "wrong-key": wrong_key,
    "too-long": too_long,
    "own-id": sdk_talks.own_id(lambda talk, said: _chat(talk, said, ASKED), APIStatusError),
    "responses": responses,
    "completions": completions,
    "models": sdk_talks.models(sdk, APIStatusError),
}
