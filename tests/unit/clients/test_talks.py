"""What the talks share, and the two that bring a program of their own."""

import json
import re
from types import SimpleNamespace

import pytest

from clients import script
from clients.conversation import Conversation, Place, told
from clients.said import NO_KEY, Usage
from clients.talks import browser, litellm_proxy

PLACE = Place("http://127.0.0.1:8000", "the-key", "tiny-llama", 2048, "clients-1")


class Refused(Exception):  # noqa: N818, as SDKs name theirs
    """An SDK's error: it has a response."""

    def __init__(self) -> None:
        self.response = SimpleNamespace(status_code=401, headers={"X-Trace-Id": "ab"})


class Narrower(Refused):
    """What another package makes of it."""


def test_each_request_has_an_id_of_its_own() -> None:
    talk = Conversation(PLACE, "openai", "tools")
    first, second = talk.request(), talk.request(NO_KEY)
    assert first.caller_id == "clients-1-openai-tools-1"
    assert (second.caller_id[-1], second.want) == ("2", NO_KEY)
    assert talk.said == [first, second]


def test_a_refusal_is_kept_with_what_it_derives_from() -> None:
    said = Conversation(PLACE, "openai", "wrong-key").request(NO_KEY)
    with told(said, Refused):
        raise Narrower
    said.check_refused("Refused")
    assert (said.status, said.trace_id, said.refusal, said.fault) == (401, "ab", "Narrower", "")
    said.check_refused("BadRequestError")
    assert said.fault == "refused as Narrower, not BadRequestError"


def test_of_any_other_error_only_the_name_is_kept() -> None:
    said = Conversation(PLACE, "openai", "plain").request()
    with told(said, Refused):
        raise ValueError("the caller's own words")
    assert said.fault == "the client failed with ValueError"


def test_the_first_fault_is_kept_and_a_gateways_headers_are_read() -> None:
    said = Conversation(PLACE, "litellm", "plain").request()
    said.answered({"LLM_Provider-X-Trace-Id": "cd", "llm_provider-x-request-id": said.caller_id})
    assert (said.trace_id, said.own_id_back, said.status) == ("cd", said.caller_id, 200)
    said.check(False, "first")
    said.check(False, "second")
    assert said.fault == "first"


def test_the_prompt_that_is_too_long_has_more_words_than_the_context_has_tokens() -> None:
    assert len(PLACE.too_long.split()) > PLACE.longest


def test_the_proxy_has_the_model_twice_and_the_key_in_no_file() -> None:
    found = litellm_proxy.configuration(PLACE)
    good, bad = found["model_list"]
    assert good["litellm_params"]["model"] == "hosted_vllm/tiny-llama"
    assert bad["litellm_params"]["api_key"] == PLACE.wrong_key
    assert PLACE.key not in json.dumps(found)


def _talks() -> list[Conversation]:
    talks = [Conversation(PLACE, "browser", feature) for feature in browser.WANTED]
    for talk in talks:
        for want in browser.WANTED[talk.feature]:
            talk.request(want)
    return talks


def test_the_page_is_given_an_object_for_each_request() -> None:
    talks = _talks()
    given = browser.place_json(talks)
    assert {f: len(each) for f, each in given["requests"].items()} == {
        feature: len(wants) for feature, wants in browser.WANTED.items()
    }
    assert given["requests"]["tools"][1]["caller_id"] == talks[2].said[1].caller_id
    assert given["schema"] == script.Trip.model_json_schema()


def test_the_page_has_a_talk_for_each_feature_and_asks_for_nothing_that_it_is_not_given() -> None:
    page = (browser.HERE / "page.html").read_text()
    for feature in browser.WANTED:
        assert f'async "{feature}"(' in page
    given = browser.place_json(_talks())
    assert set(re.findall(r"\bplace\.(\w+)", page)) - {"json"} <= set(given)


def test_what_the_page_tells_stands_where_the_others_put_theirs() -> None:
    talk = Conversation(PLACE, "browser", "plain")
    usage = {"input": 10, "output": 5, "cached": None}
    words = {"headers": {"x-trace-id": "ab"}, "status": 200, "usage": usage, "fault": ""}
    browser.take(first := talk.request(), words)
    browser.take(second := talk.request(), {**words, "usage": None, "fault": "no finish_reason"})
    assert (first.usage, first.trace_id, first.fault) == (Usage(10, 5), "ab", "")
    assert (second.usage, second.fault) == (None, "no finish_reason")


@pytest.mark.parametrize("origin", [browser.ORIGIN, browser.STRANGER])
def test_the_page_stays_on_loopback(origin: str) -> None:
    assert origin.partition("//")[2].split(":")[0] in ("127.0.0.1", "localhost")
