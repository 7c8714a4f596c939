"""What would exhaust vLLM is refused in front, however it is spelled."""

import json
import math
from typing import Any

import pytest

from server.gateway.refusals import MAX_SEQUENCES, refuse
from server.record.request import Outcome
from server.requests.body_peek import ENGINES_NUMBERS, NO_OBJECT, Peek, look
from server.signals import red
from tests.unit import served as vllm
from tests.unit.asgi import CHAT, Client, Inner, Install, end

ONE_MORE = MAX_SEQUENCES + 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("fields", "sequences"),
    [
        ({}, 1),
        ({"n": 7}, 7),
        ({"n": "7"}, 7),
        ({"n": 7.0}, 7),
        ({"n": 0}, 1),
        ({"n": None}, 1),
        ({"n": "x"}, 1),
        ({"n": [7]}, 1),
        ({"n": True}, 1),
        ({"n": "1e999"}, 1),
        ({"n": 10**400}, 1),
        ({"n": math.nan}, 1),
        ({"prompt": "a"}, 1),
        ({"prompt": []}, 1),
        ({"prompt": [5, 6, 7]}, 1),
        ({"prompt": ["a", "b"], "n": 3}, 6),
        ({"prompt": [[5, 6], [7]]}, 2),
        ({"prompt": {"a": [1]}}, 1),
        ({"input": ["a", "b"]}, 2),
        ({"input": [{"role": "user"}, {"role": "user"}]}, 1),
        ({"query": "a", "documents": ["b", "c", {"content": []}]}, 3),
        ({"queries": ["a"], "items": ["b", "c"], "n": 5}, 5),
        ({"data_1": "a", "data_2": ["b", "c"]}, 2),
        ({"text_1": ["a", "b", "c"], "text_2": "b"}, 3),
    ],
    ids=str,
)
def test_sequences_are_prompts_times_answers(
    fields: dict[str, Any], sequences: int, encoding: str
) -> None:
    found = look(json.dumps({"model": "m", **fields}).encode(encoding))
    assert found == Peek("m", False, sequences)


WHOLE = ["é", "\\\\ud800", "🦙", "한국어"]
HALVES = ["\ud800", "\udfff", "a\ud83d", "\ude00\ud83d"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", [*WHOLE, *HALVES], ids=ascii)
@pytest.mark.parametrize("where", ["stop", "x"])
def test_half_a_character_is_the_callers_mistake_wherever_it_stands(
    text: str, where: str, ascii_only: bool, encoding: str
) -> None:
    """vLLM 0.32 answers 500 to such a `stop`: it cannot be written to the engine."""
    body = json.dumps({"model": "m", where: [{text: text}]}, ensure_ascii=ascii_only)
    found = look(body.encode(encoding, "surrogatepass"))
    refusal = refuse(found, CHAT)
    assert (refusal is not None) == (text in HALVES)
    assert refusal is None or (refusal.status, refusal.reason) == (400, "bad_request")


@pytest.mark.parametrize(("body", "found"), [(b"[1]", NO_OBJECT), (b"{", None), (b"\xff", None)])
def test_what_is_no_object_asks_for_nothing(body: bytes, found: Peek | None) -> None:
    assert look(body) is found


def test_the_limit_itself_is_served() -> None:
    assert refuse(Peek(sequences=MAX_SEQUENCES), CHAT) is None
    assert refuse(None, CHAT) is None
    refusal = refuse(Peek(sequences=ONE_MORE), CHAT)
    assert refusal is not None
    assert refusal.reason in red.REASONS[Outcome.CLIENT_ERROR]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("odd", [0, -0.0, 1e308, True, False, "", "x", [], [{}], math.nan, 2**64])
def test_structured_outputs_that_vllm_fails_on_are_the_callers_mistake(
    odd: object, encoding: str
) -> None:
    refusal = refuse(look(json.dumps({"structured_outputs": odd}).encode(encoding)), CHAT)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (400, "bad_request")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("fine", [None, {}, {"regex": "a"}])
def test_structured_outputs_that_are_an_object_are_vllms_to_judge(
    fine: object, encoding: str
) -> None:
    assert refuse(look(json.dumps({"structured_outputs": fine}).encode(encoding)), CHAT) is None


BEYOND = 2**64


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("field", "beyond", "fine"),
    [
        *((field, {"a": [BEYOND]}, {"a": [BEYOND - 1]}) for field in ENGINES_NUMBERS),
        ("top_k", BEYOND, BEYOND - 1),
        ("top_k", f" {BEYOND} ", "5"),
        ("top_k", f"{BEYOND}.0", "x"),
        ("top_k", -(2**63) - 1, -(2**63)),
        ("top_k", 10**400, [{}]),
        ("chat_template_kwargs", {"a": [{"b": BEYOND}]}, {"a": str(BEYOND), "b": 1e300}),
        ("structured_outputs", {"json": {"const": BEYOND}}, {"json": {"const": 1}}),
        ("response_format", {"json_schema": {"schema": {"maximum": BEYOND}}}, {"type": "text"}),
        ("text", {"format": {"schema": {"maximum": BEYOND}}}, {"format": None}),
        ("output_config", {"format": {"schema": {"maximum": BEYOND}}}, {"effort": "low"}),
        ("repetition_detection", {"min_count": BEYOND}, {"min_count": 2}),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_number_that_cannot_be_written_to_the_engine_is_the_callers_mistake(
    field: str, beyond: object, fine: object, encoding: str
) -> None:
    """vLLM 0.32 answers 500 to it (OverflowError), and ends a stream of status 200 so."""
    refusal = refuse(look(json.dumps({field: beyond}).encode(encoding)), CHAT)
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (400, "bad_request")
    assert f"`{field}`" in refusal.message
    assert refuse(look(json.dumps({field: fine}).encode(encoding)), CHAT) is None


def test_a_large_number_that_the_engine_does_not_get_is_none_of_ours() -> None:
    body = {"tools": [{"parameters": {"maximum": BEYOND}}], "metadata": {"a": BEYOND}}
    assert refuse(look(json.dumps(body).encode()), CHAT) is None


TOO_MANY: list[dict[str, Any]] = [
    {"n": ONE_MORE},
    {"n": f" {ONE_MORE} "},
    {"n": float(ONE_MORE)},
    {"n": "16_385"},
    {"n": 17, "prompt": ["a"] * 1024},
    {"prompt": [[1]] * ONE_MORE},
]


@pytest.mark.parametrize("fields", TOO_MANY, ids=lambda fields: str(fields)[:24])
async def test_too_many_answers_never_reach_vllm(install: Install, fields: dict[str, Any]) -> None:
    records, inner = install(), Inner()
    client = Client(inner)
    await client.call(path="/v1/completions", body=(json.dumps(fields).encode(),))
    assert (client.status, client.error["type"], inner.scopes) == (400, "too_large", [])
    assert str(MAX_SEQUENCES) in client.error["message"]
    assert end(records[0]) == ("client_error", "too_large", 400)


@pytest.mark.parametrize("n", ["7", " 7 ", 7.0, "7.0", "0_7", True])
async def test_every_spelling_of_a_number_that_vllm_takes_is_read(
    install: Install, monkeypatch: pytest.MonkeyPatch, n: object
) -> None:
    install()
    app = vllm.served(monkeypatch)
    fields = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1, "n": n}
    body = json.dumps(fields).encode()
    answer = await app.post(CHAT, body)
    found = look(body)
    assert found is not None
    assert answer.status_code == 200
    assert app.core.tokens == [found.sequences]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("field", "said"),
    [("store", True), ("store", "true"), ("store", 1), ("store", [0]), ("background", "yes"),
     ("background", True), ("previous_response_id", "resp_1"), ("previous_response_id", {}),
     ("truncation", None)],
)  # fmt: skip
async def test_a_response_that_cannot_be_served_never_reaches_vllm(
    install: Install, field: str, said: object, encoding: str
) -> None:
    records, inner = install(), Inner()
    client = Client(inner)
    body = json.dumps({"model": "tiny-llama", "input": "a", field: said}).encode(encoding)
    await client.call(path="/v1/responses", body=(body,))
    assert (client.status, client.error["type"], inner.scopes) == (400, "bad_request", [])
    assert f"`{field}`" in client.error["message"]
    assert end(records[0]) == ("client_error", "bad_request", 400)


@pytest.mark.parametrize("off", [None, False, 0, 0.0, "false", "Off", "N", ""])
@pytest.mark.parametrize("field", ["store", "background"])
async def test_a_response_that_is_not_kept_is_vllms_to_serve(
    install: Install, field: str, off: object
) -> None:
    records, inner = install(), Inner()
    client = Client(inner)
    await client.call(path="/v1/responses", body=(json.dumps({"input": "a", field: off}).encode(),))
    assert (client.status, len(inner.scopes)) == (200, 1)
    assert end(records[0]) == ("ok", "complete", 200)


async def test_other_routes_may_say_store(install: Install) -> None:
    install()
    client = Client(Inner())
    await client.call(path=CHAT, body=(b'{"store": true}',))
    assert client.status == 200
