"""The `anthropic` package on /v1/messages and its token count."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from anthropic import Anthropic, APIStatusError, AsyncAnthropic

from clients import script
from clients.conversation import Conversation, Place, Talk, told
from clients.said import COUNTED, LEFT, NO_KEY, TOO_LONG, Said, Usage
from clients.talks import sdk_talks

ASKED: Any = [{"role": "user", "content": script.QUESTION}]
FUNCTION: Any = {
    "name": script.TOOL,
    "description": script.ABOUT,
    "input_schema": script.PARAMETERS,
}


def sdk(place: Place, key: str = "") -> Any:
    """The client as people make it: the key goes into x-api-key."""
    return Anthropic(base_url=place.api, api_key=key or place.shown_key)


def _usage(found: Any) -> Usage:
    """Anthropic's input is without what was read from the cache."""
    cached = found.cache_read_input_tokens
    return Usage(found.input_tokens + (cached or 0), found.output_tokens, cached)


def _ask(talk: Conversation, said: Said, messages: Any, **fields: Any) -> Any:
    asked = {"max_tokens": script.TOKENS, "extra_headers": said.own_id, **fields}
    ways = sdk(talk.place).messages.with_raw_response
    raw = ways.create(model=talk.place.model, messages=messages, **asked)
    said.answered(raw.headers, raw.status_code)
    answer = raw.parse()
    said.usage = _usage(answer.usage)
    return answer


def plain(talk: Conversation) -> None:
    """One question, one answer."""
    said = talk.request()
    with told(said, APIStatusError):
        said.check(bool(_ask(talk, said, ASKED).stop_reason), "no stop_reason")


def stream(talk: Conversation) -> None:
    """The SDK's own stream, which adds its message up."""
    said = talk.request()
    asked: Any = {"max_tokens": script.TOKENS, "messages": ASKED, "extra_headers": said.own_id}
    with (
        told(said, APIStatusError),
        sdk(talk.place).messages.stream(model=talk.place.model, **asked) as events,
    ):
        message = events.get_final_message()
        said.answered(events.response.headers, events.response.status_code)
        said.usage = _usage(message.usage)
        said.check(bool(message.stop_reason), "no stop_reason")


def abort(talk: Conversation) -> None:
    """Left after a few pieces of text."""
    said = talk.request(LEFT)
    words = [{"role": "user", "content": script.STORY}]
    # The SDK has no argument for a temperature any more.
    more = {"extra_headers": said.own_id, "extra_body": {"temperature": 0}}
    asked: Any = {"max_tokens": script.LONG_TOKENS, "messages": words, **more}
    with (
        told(said, APIStatusError),
        sdk(talk.place).messages.stream(model=talk.place.model, **asked) as events,
    ):
        said.answered(events.response.headers, events.response.status_code)
        pieces = iter(events.text_stream)
        for _ in range(script.SEEN):
            next(pieces)


async def _read_on(talk: Conversation, said: Said) -> AsyncIterator[None]:
    """Streams for long; says that it goes on with each piece."""
    place, words = talk.place, [{"role": "user", "content": script.STORY}]
    more = {"extra_headers": said.own_id, "extra_body": {"temperature": 0}}
    asked: Any = {"max_tokens": script.LONG_TOKENS, "messages": words, **more}
    async with (
        AsyncAnthropic(base_url=place.api, api_key=place.shown_key) as client,
        client.messages.stream(model=place.model, **asked) as events,
    ):
        said.answered(events.response.headers, events.response.status_code)
        async for _ in events.text_stream:
            yield


def tools(talk: Conversation) -> None:
    """A call of a named tool, and the answer to its result."""
    said = talk.request()
    with told(said, APIStatusError):
        choice = {"type": "tool", "name": script.TOOL}
        fields = {"tools": [FUNCTION], "tool_choice": choice, "max_tokens": script.MANY_TOKENS}
        answer = _ask(talk, said, ASKED, **fields)
        calls = [block for block in answer.content if block.type == "tool_use"]
        said.check(len(calls) == 1, f"{len(calls)} tools were called")
        said.check(answer.stop_reason == "tool_use", f"stop_reason is {answer.stop_reason}")
        for call in calls[:1]:
            said.check(call.name == script.TOOL, "another tool was called")
            said.check("city" in call.input, "the arguments are not the tool's")
            _after_tool(talk, [*ASKED, {"role": "assistant", "content": answer.content}], call.id)


def _after_tool(talk: Conversation, messages: list[Any], call: str) -> None:
    said = talk.request()
    with told(said, APIStatusError):
        result = {"type": "tool_result", "tool_use_id": call, "content": script.RESULT}
        messages = [*messages, {"role": "user", "content": [result]}]
        _ask(talk, said, messages, tools=[FUNCTION], tool_choice={"type": "none"})


def structured(talk: Conversation) -> None:
    """An answer of a pydantic model."""
    said = talk.request()
    with told(said, APIStatusError):
        asked: Any = {"max_tokens": script.MANY_TOKENS, "extra_headers": said.own_id}
        ways = sdk(talk.place).messages
        answer = ways.parse(
            model=talk.place.model, messages=ASKED, output_format=script.Trip, **asked
        )
        # What parses shows no headers.
        said.answered({})
        said.usage = _usage(answer.usage)
        said.check(isinstance(answer.parsed_output, script.Trip), "nothing was parsed")


def wrong_key(talk: Conversation) -> None:
    """Refused as the SDK's own error."""
    said = talk.request(NO_KEY)
    with told(said, APIStatusError):
        asked: Any = {"max_tokens": script.TOKENS, "messages": ASKED, "extra_headers": said.own_id}
        ways = sdk(talk.place, talk.place.wrong_key).messages
        ways.create(model=talk.place.model, **asked)
    said.check_refused("AuthenticationError")


def too_long(talk: Conversation) -> None:
    """More than the model's context."""
    said = talk.request(TOO_LONG)
    with told(said, APIStatusError):
        _ask(talk, said, [{"role": "user", "content": talk.place.too_long}])
    said.check_refused("BadRequestError")


def count(talk: Conversation) -> None:
    """What is counted before is what is used afterwards."""
    counted, asked = talk.request(COUNTED), talk.request()
    with told(counted, APIStatusError):
        ways = sdk(talk.place).messages.with_raw_response
        own: Any = {"messages": ASKED, "extra_headers": counted.own_id}
        raw = ways.count_tokens(model=talk.place.model, **own)
        counted.answered(raw.headers, raw.status_code)
        tokens = raw.parse().input_tokens
        with told(asked, APIStatusError):
            _ask(talk, asked, ASKED)
            used = asked.usage.input if asked.usage else 0
            asked.check(tokens == used, f"{tokens} tokens were counted, {used} used")


TALKS: Mapping[str, Talk] = {
    "plain": plain,
    "stream": stream,
    "tools": tools,
    "structured": structured,
    "abort": abort,
    "cancel": sdk_talks.cancel(_read_on, APIStatusError),
    "wrong-key": wrong_key,
    "too-long": too_long,
    "own-id": sdk_talks.own_id(lambda talk, said: _ask(talk, said, ASKED), APIStatusError),
    "models": sdk_talks.models(sdk, APIStatusError),
    "count": count,
}
