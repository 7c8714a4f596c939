"""LangChain's `ChatOpenAI` on /v1/chat/completions and /v1/responses."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from langchain_openai import ChatOpenAI
from openai import APIStatusError

from clients import script
from clients.conversation import Conversation, Talk, told
from clients.said import LEFT, NO_KEY, TOO_LONG, Said, Usage
from clients.talks import sdk_talks


def _model(talk: Conversation, said: Said, key: str = "", **fields: Any) -> Any:
    """The client as people make it; with a base_url it asks for no usage of a stream by itself."""
    place = talk.place
    asked: Any = {"max_tokens": script.TOKENS, "stream_usage": True, **fields}
    return ChatOpenAI(
        base_url=f"{place.api}/v1",
        api_key=key or place.shown_key,
        model=place.model,
        include_response_headers=True,
        default_headers=said.own_id,
        **asked,
    )


def _take(said: Said, message: Any) -> None:
    """Headers and usage of an answer, or of all the chunks of a stream added up."""
    said.answered(message.response_metadata.get("headers", {}))
    used = message.usage_metadata
    if used:
        cached = used.get("input_token_details", {}).get("cache_read")
        said.usage = Usage(used["input_tokens"], used["output_tokens"], cached)


def plain(talk: Conversation) -> None:
    """One question, one answer."""
    said = talk.request()
    with told(said, APIStatusError):
        message = _model(talk, said).invoke(script.QUESTION)
        _take(said, message)
        said.check(bool(message.response_metadata.get("finish_reason")), "no finish_reason")


def _sum(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return whole


def stream(talk: Conversation) -> None:
    """Read to its end, its chunks added up."""
    said = talk.request()
    with told(said, APIStatusError):
        _take(said, _sum(list(_model(talk, said).stream(script.QUESTION))))


def abort(talk: Conversation) -> None:
    """Left after a few chunks."""
    said = talk.request(LEFT)
    fields: Any = {"max_tokens": script.LONG_TOKENS, "temperature": 0}
    with told(said, APIStatusError):
        chunks = _model(talk, said, extra_body={"ignore_eos": True}, **fields).stream(script.STORY)
        seen = [next(chunks) for _ in range(script.SEEN)]
        chunks.close()
        said.answered(_sum(seen).response_metadata.get("headers", {}))


async def _read_on(talk: Conversation, said: Said) -> AsyncIterator[None]:
    """Streams for long; says that it goes on with each chunk."""
    fields: Any = {"max_tokens": script.LONG_TOKENS, "temperature": 0}
    model = _model(talk, said, extra_body={"ignore_eos": True}, **fields)
    async for chunk in model.astream(script.STORY):
        # The first has the headers, and a stream that is left adds nothing up.
        if "headers" in chunk.response_metadata:
            said.answered(chunk.response_metadata["headers"])
        yield


def tools(talk: Conversation) -> None:
    """A call of a named tool, and the answer to its result."""
    said = talk.request()
    with told(said, APIStatusError):
        bound = _model(talk, said, max_tokens=script.MANY_TOKENS).bind_tools(
            [script.FUNCTION], tool_choice=script.TOOL
        )
        message = bound.invoke(script.QUESTION)
        _take(said, message)
        calls = message.tool_calls
        said.check(len(calls) == 1, f"{len(calls)} tools were called")
        for call in calls[:1]:
            said.check(call["name"] == script.TOOL, "another tool was called")
            said.check("city" in call["args"], "the arguments are not the tool's")
            _after_tool(talk, [("user", script.QUESTION), message], call["id"])


def _after_tool(talk: Conversation, messages: list[Any], call: str) -> None:
    said = talk.request()
    with told(said, APIStatusError):
        result = {"role": "tool", "tool_call_id": call, "content": script.RESULT}
        bound = _model(talk, said).bind_tools([script.FUNCTION], tool_choice="none")
        _take(said, bound.invoke([*messages, result]))


def structured(talk: Conversation) -> None:
    """An answer of a pydantic model."""
    said = talk.request()
    with told(said, APIStatusError):
        model = _model(talk, said, max_tokens=script.MANY_TOKENS)
        found = model.with_structured_output(script.Trip, method="json_schema", include_raw=True)
        answer = found.invoke(script.QUESTION)
        _take(said, answer["raw"])
        said.check(isinstance(answer["parsed"], script.Trip), "nothing was parsed")


def wrong_key(talk: Conversation) -> None:
    """Refused as the error of the SDK below."""
    said = talk.request(NO_KEY)
    with told(said, APIStatusError):
        _model(talk, said, talk.place.wrong_key).invoke(script.QUESTION)
    said.check_refused("AuthenticationError")


def too_long(talk: Conversation) -> None:
    """More than the model's context."""
    said = talk.request(TOO_LONG)
    with told(said, APIStatusError):
        _model(talk, said).invoke(talk.place.too_long)
    said.check_refused("BadRequestError")


def responses(talk: Conversation) -> None:
    """/v1/responses, whole and as a stream."""
    whole, events = talk.request(), talk.request()
    with told(whole, APIStatusError):
        _take(whole, _model(talk, whole, use_responses_api=True).invoke(script.QUESTION))
    with told(events, APIStatusError):
        chunks = _model(talk, events, use_responses_api=True).stream(script.QUESTION)
        _take(events, _sum(list(chunks)))


TALKS: Mapping[str, Talk] = {
    "plain": plain,
    "stream": stream,
    "tools": tools,
    "structured": structured,
    "abort": abort,
    "cancel": sdk_talks.cancel(_read_on, APIStatusError),
    "wrong-key": wrong_key,
    "too-long": too_long,
    "own-id": sdk_talks.own_id(
        lambda talk, said: _take(said, _model(talk, said).invoke(script.QUESTION)), APIStatusError
    ),
    "responses": responses,
}
