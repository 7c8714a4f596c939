"""Talks of which the SDKs differ in nothing but their own client and error."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from clients import leaving
from clients.conversation import Conversation, Place, Talk, told
from clients.said import COUNTED, LEFT, Said

Error = type[Exception]


def own_id(ask: Callable[[Conversation, Said], object], error: Error) -> Talk:
    """One question, asked by `ask`, whose own x-request-id has to come back."""

    def talk_of_it(talk: Conversation) -> None:
        said = talk.request()
        with told(said, error):
            ask(talk, said)
            said.check(said.own_id_back == said.caller_id, "x-request-id is not ours")

    return talk_of_it


def cancel(read_on: Callable[[Conversation, Said], AsyncIterator[None]], error: Error) -> Talk:
    """A task of asyncio that is cancelled while it reads: what a web application does."""

    def talk_of_it(talk: Conversation) -> None:
        said = talk.request(LEFT)
        with told(said, error):
            asyncio.run(leaving.cancelled(read_on(talk, said), said))

    return talk_of_it


def models(sdk: Callable[[Place], Any], error: Error) -> Talk:
    """The list, which has to have the model."""

    def talk_of_it(talk: Conversation) -> None:
        said = talk.request(COUNTED)
        with told(said, error):
            raw = sdk(talk.place).models.with_raw_response.list(extra_headers=said.own_id)
            said.answered(raw.headers, raw.status_code)
            known = [model.id for model in raw.parse()]
            said.check(talk.place.model in known, "the model is not in the list")

    return talk_of_it
