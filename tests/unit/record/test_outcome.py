"""Outcome: the order in which signs are believed, and only reasons that are labels."""

import dataclasses
import itertools

import pytest
from vllm.exceptions import GracefulHTTPError, VLLMClientError
from vllm.v1.engine.exceptions import EngineDeadError

from server.gateway.api_keys import Tenants
from server.gateway.exchange import Exchange
from server.record.outcome import STATUS_REASONS, Signs, decide
from server.record.request import Outcome
from server.signals import red
from tests.unit.asgi import CHAT, gate
from tests.unit.helpers import killed_record

FINE = Signs(
    timed_out=False,
    disconnected=False,
    refusal=None,
    hint=None,
    error=None,
    finish_reasons=("stop",),
    status_code=200,
    response_complete=True,
    raised=False,
)


def _bare(cls: type[BaseException]) -> BaseException:
    return cls.__new__(cls)


CLIENT, OVERLOADED = _bare(VLLMClientError), _bare(GracefulHTTPError)
TABLE = [
    ({}, Outcome.OK, "stop"),
    ({"finish_reasons": ("stop", "length")}, Outcome.OK, "length"),
    ({"finish_reasons": ()}, Outcome.OK, "complete"),
    ({"finish_reasons": ("repetition",)}, Outcome.OK, "stop"),
    ({"hint": "invalid_json"}, Outcome.OK, "stop"),
    ({"status_code": 400}, Outcome.CLIENT_ERROR, "bad_request"),
    ({"status_code": 422}, Outcome.CLIENT_ERROR, "bad_request"),
    ({"status_code": 400, "hint": "invalid_json"}, Outcome.CLIENT_ERROR, "invalid_json"),
    ({"status_code": 401}, Outcome.CLIENT_ERROR, "auth"),
    ({"status_code": 403}, Outcome.CLIENT_ERROR, "auth"),
    ({"status_code": 404}, Outcome.CLIENT_ERROR, "unknown_model"),
    ({"status_code": 405}, Outcome.CLIENT_ERROR, "method_not_allowed"),
    ({"status_code": 413}, Outcome.CLIENT_ERROR, "too_large"),
    ({"status_code": 500}, Outcome.SERVER_ERROR, "exception"),
    ({"status_code": 503}, Outcome.SERVER_ERROR, "exception"),
    ({"status_code": None}, Outcome.SERVER_ERROR, "exception"),
    ({"response_complete": False}, Outcome.SERVER_ERROR, "exception"),
    ({"raised": True}, Outcome.SERVER_ERROR, "exception"),
    # A 200 that lies: what the engine said comes before the status.
    ({"finish_reasons": ("stop", "abort")}, Outcome.ABORTED, "engine_abort"),
    ({"finish_reasons": ("abort", "error")}, Outcome.SERVER_ERROR, "engine_error"),
    ({"error": CLIENT}, Outcome.CLIENT_ERROR, "bad_request"),
    ({"error": OVERLOADED}, Outcome.SERVER_ERROR, "overloaded"),
    ({"error": EngineDeadError()}, Outcome.SERVER_ERROR, "engine_dead"),
    ({"error": KeyError("x")}, Outcome.SERVER_ERROR, "exception"),
    ({"error": CLIENT, "finish_reasons": ("error",)}, Outcome.CLIENT_ERROR, "bad_request"),
    # Ours, then the client's, then the clock's word is believed before the engine's.
    ({"refusal": "auth", "error": KeyError("x")}, Outcome.CLIENT_ERROR, "auth"),
    ({"disconnected": True, "refusal": "auth"}, Outcome.ABORTED, "client_disconnect"),
    ({"disconnected": True, "error": KeyError("x")}, Outcome.ABORTED, "client_disconnect"),
    ({"timed_out": True, "disconnected": True}, Outcome.TIMEOUT, "deadline"),
    ({"timed_out": True, "status_code": 504}, Outcome.TIMEOUT, "deadline"),
]


@pytest.mark.parametrize(("changes", "outcome", "reason"), TABLE)
def test_precedence(changes: dict[str, object], outcome: Outcome, reason: str) -> None:
    assert decide(dataclasses.replace(FINE, **changes)) == (outcome, reason)


def test_an_error_class_is_found_by_any_ancestor() -> None:
    class DeeperError(VLLMClientError):
        pass

    signs = dataclasses.replace(FINE, error=_bare(DeeperError))
    assert decide(signs) == (Outcome.CLIENT_ERROR, "bad_request")


def _every_sign() -> list[Signs]:
    choices = {
        "timed_out": (False, True),
        "disconnected": (False, True),
        "hint": (None, "invalid_json"),
        "error": (None, CLIENT, OVERLOADED, EngineDeadError(), KeyError("x")),
        "finish_reasons": ((), ("stop",), ("length",), ("abort",), ("error",), ("repetition",)),
        "status_code": (None, 200, 400, *STATUS_REASONS, 418, 500, 504),
        "response_complete": (False, True),
        "raised": (False, True),
    }
    rows = itertools.product(*choices.values())
    return [dataclasses.replace(FINE, **dict(zip(choices, row, strict=True))) for row in rows]


def test_every_outcome_has_its_reason_among_the_labels_and_each_label_is_used() -> None:
    found = {decide(signs) for signs in _every_sign()}
    for outcome, reason in found:
        assert reason in red.REASONS[outcome], f"{outcome}: {reason} is no label"
    # Given by routes.py, observer.py, http.py and the journal; their own tests hold them to it.
    refusals = {"unknown_route", "unsupported_operation", "killed"}
    every = {(outcome, reason) for outcome in Outcome for reason in red.REASONS[outcome]}
    assert {reason for _, reason in every - found} == refusals


def test_what_the_journal_finds_is_a_label() -> None:
    lost = killed_record()
    assert lost.reason in red.REASONS[lost.outcome]


def test_a_refused_key_is_a_label() -> None:
    refusal = gate(Tenants({"0" * 64: "acme"})).refuse(
        "POST", CHAT, {"authorization": "Bearer wrong"}
    )
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (401, "auth")
    assert refusal.reason in red.REASONS[Outcome.CLIENT_ERROR]


async def test_a_refused_body_is_a_label() -> None:
    class Large:
        _method = "POST"
        _gate = gate(max_body_bytes=1024)

        class _caller:  # noqa: N801
            @staticmethod
            async def receive() -> dict[str, object]:
                return {"type": "http.request", "body": b"x" * 1025, "more_body": False}

    refusal = await Exchange._read_body(Large())  # type: ignore[arg-type]
    assert refusal is not None
    assert (refusal.status, refusal.reason) == (413, "too_large")
    assert refusal.reason in red.REASONS[Outcome.CLIENT_ERROR]
