"""LiveRequest: phases that tile, tokens of children and batches, TTFT and TPOT, settling."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from server.record.request import Operation, Outcome, Phase, Usage
from server.requests import live_request as live_module
from server.requests.engine_call import EngineCall
from server.requests.live_request import LiveRequest
from server.wire.report import Settlement
from tests.unit.helpers import SPAN_ID, STARTED_NS, TRACE_ID, state

START = 1000.0
PATIENCE = 10.0


def request(*calls: EngineCall, end: float = START + 2.0, **changes: Any) -> LiveRequest:
    """A request that started at 1000 s on the monotonic clock."""
    live = LiveRequest(TRACE_ID, SPAN_ID, "POST", "/v1/chat/completions", Operation.CHAT)
    live.started, live.ended, live.started_ns = START, end, STARTED_NS
    live.status_code, live.response_complete = 200, True
    live.calls.extend(calls)
    for name, value in changes.items():
        setattr(live, name, value)
    return live


def call(*states: Any, at: float = START + 0.1, reasons: tuple[str, ...] = ("stop",)) -> EngineCall:
    return EngineCall(called_at=at, states=states, finish_reasons=list(reasons))


def usual(**changes: Any) -> Any:
    """Scheduled at 0.3 s, first token at 0.5 s, the 11th and last at 1.5 s."""
    times = {"scheduled": START + 0.3, "first": START + 0.5, "last": START + 1.5, "tokens": 11}
    return state(**{**times, **changes})


def names(phases: tuple[Phase, ...]) -> list[str]:
    return [phase.name for phase in phases]


def assert_tiles(live: LiveRequest) -> tuple[Phase, ...]:
    record = live.to_record()
    assert record.duration_seconds is not None
    assert record.phases[0].start == 0.0
    for left, right in zip(record.phases, record.phases[1:], strict=False):
        assert left.end == right.start
    assert all(phase.seconds >= 0 for phase in record.phases)
    assert record.phases[-1].end == record.duration_seconds
    total = sum(phase.seconds for phase in record.phases)
    assert total == pytest.approx(record.duration_seconds)
    return record.phases


def test_phases_tile_the_request() -> None:
    phases = assert_tiles(request(call(usual())))
    assert names(phases) == ["tokenize", "queue", "prefill", "decode", "deliver"]
    assert [phase.seconds for phase in phases] == pytest.approx([0.1, 0.2, 0.2, 1.0, 0.5])
    assert all(phase.complete for phase in phases)


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({"scheduled": START + 0.05}, [0.1, 0.0, 0.4, 1.0, 0.5]),
        ({"first": START + 0.2}, [0.1, 0.2, 0.0, 1.2, 0.5]),
        ({"last": START + 0.4}, [0.1, 0.2, 0.2, 0.0, 1.5]),
        ({"last": START + 2.7}, [0.1, 0.2, 0.2, 1.5, 0.0]),
        ({"first": START + 2.5, "last": START + 2.6}, [0.1, 0.2, 1.7, 0.0, 0.0]),
    ],
    ids=["scheduled before called", "first before scheduled", "last before first",
         "last after the end", "first after the end"],
)  # fmt: skip
def test_clocks_out_of_order_are_clamped(times: dict[str, float], seconds: list[float]) -> None:
    phases = assert_tiles(request(call(usual(**times))))
    assert [phase.seconds for phase in phases] == pytest.approx(seconds)


def test_without_a_token_the_rest_is_one_incomplete_queue() -> None:
    waiting = state(prefilling=True, tokens=0, scheduled=START + 0.3)
    phases = assert_tiles(request(call(waiting, reasons=())))
    assert names(phases) == ["tokenize", "queue"]
    assert [phase.complete for phase in phases] == [True, False]
    assert [phase.seconds for phase in phases] == pytest.approx([0.1, 1.9])


def test_a_request_that_never_reached_the_engine_has_no_phases() -> None:
    assert request().to_record().phases == ()


def test_several_calls_span_from_the_first_call_to_the_last_token() -> None:
    late = call(usual(scheduled=START + 0.6, first=START + 0.9, last=START + 1.8), at=START + 0.4)
    phases = assert_tiles(request(call(usual()), late))
    assert [phase.end for phase in phases] == pytest.approx([0.1, 0.3, 0.5, 1.8, 2.0])


def test_n_answers_count_their_prompt_once() -> None:
    children = (
        usual(prompt=100, cached=0, tokens=5),
        usual(prompt=100, cached=96, tokens=7),
        usual(prompt=100, cached=96, tokens=9),
    )
    record = request(call(*children)).to_record()
    assert record.usage == Usage(100, 0, 21) and record.engine_requests == 3


def test_a_batch_counts_every_prompt() -> None:
    calls = (call(usual(prompt=10, cached=4, tokens=3)), call(usual(prompt=20, tokens=5)))
    record = request(*calls).to_record()
    assert record.usage == Usage(30, 4, 8) and record.engine_requests == 2


def test_a_prefill_that_was_cut_off_used_what_the_engine_took_in() -> None:
    cut = call(usual(prompt=100, prefilling=True, tokens=0))
    assert cut.usage({}) == Usage()
    settled = {"engine-id": Settlement("engine-id", 5, 48, 0, 16, 1, 0, 0)}
    assert cut.usage(settled) == Usage(64, 16, 0)


def test_what_was_computed_twice_is_still_one_prompt() -> None:
    settled = {"engine-id": Settlement("engine-id", 5, 180, 0, 16, 1, 0, 0)}
    assert call(usual(prompt=100, prefilling=True, tokens=0)).usage(settled) == Usage(100, 16, 0)


def test_a_prefill_that_was_cut_off_is_told_from_the_queue() -> None:
    cut = request(call(state(prefilling=True, tokens=0), reasons=()))
    begun = int((START + 0.4) * 1e9)
    cut.account.settled["engine-id"] = Settlement("engine-id", 5, 48, 0, 0, begun, 0, 0)
    phases = assert_tiles(cut)
    assert names(phases) == ["tokenize", "queue", "prefill"]
    assert [phase.complete for phase in phases] == [True, True, False]
    assert [phase.seconds for phase in phases] == pytest.approx([0.1, 0.3, 1.6])


def test_one_filled_child_is_enough_for_the_prompt_to_count() -> None:
    waiting, filled = state(prefilling=True, tokens=0), usual(prompt=10, cached=2, tokens=3)
    assert call(waiting, filled).usage({}) == Usage(10, 2, 3)


def test_a_state_without_statistics_has_input_only() -> None:
    bare = usual(prompt=10)
    bare.stats = None
    assert call(bare).usage({}) == Usage(10, 0, 0)


def test_a_call_that_was_never_added_used_nothing() -> None:
    assert EngineCall().usage({}) == Usage()


def test_ttft_is_from_the_requests_start_to_the_earliest_first_token() -> None:
    record = request(call(usual(), usual(first=START + 0.4))).to_record()
    assert record.time_to_first_token_seconds == pytest.approx(0.4)


def test_ttft_is_never_negative() -> None:
    record = request(call(usual(first=START - 1.0))).to_record()
    assert record.time_to_first_token_seconds == 0.0


def test_tpot_is_decode_time_over_the_gaps_between_tokens() -> None:
    record = request(call(usual())).to_record()
    assert record.time_per_output_token_seconds == pytest.approx(1.0 / 10)


def test_tpot_weighs_children_by_their_gaps() -> None:
    # 10 gaps in 1.0 s and 2 gaps in 0.8 s.
    children = (usual(), usual(tokens=3, last=START + 1.3))
    record = request(call(*children)).to_record()
    assert record.time_per_output_token_seconds == pytest.approx(1.8 / 12)


@pytest.mark.parametrize("tokens", [0, 1])
def test_one_token_has_no_gap(tokens: int) -> None:
    record = request(call(usual(tokens=tokens, last=START + 0.5))).to_record()
    assert record.time_per_output_token_seconds is None


def test_without_a_token_there_is_neither_ttft_nor_tpot() -> None:
    record = request(call(state(prefilling=True, tokens=0), reasons=())).to_record()
    assert record.time_to_first_token_seconds is None
    assert record.time_per_output_token_seconds is None


def test_to_record_carries_every_field() -> None:
    live = request(call(usual()), tenant="acme", model="tiny-llama", stream=True)
    record = live.to_record()
    assert (record.trace_id, record.span_id) == (TRACE_ID, SPAN_ID)
    assert (record.tenant, record.model, record.stream) == ("acme", "tiny-llama", True)
    assert (record.method, record.route) == ("POST", "/v1/chat/completions")
    assert (record.operation, record.outcome) == (Operation.CHAT, Outcome.OK)
    assert (record.reason, record.status_code, record.error_type) == ("stop", 200, None)
    assert (record.started_ns, record.duration_seconds) == (STARTED_NS, 2.0)
    assert record.finish_reasons == ("stop",)
    assert record.response_id == f"chatcmpl-{TRACE_ID}-{SPAN_ID}"


def test_the_record_says_what_the_engine_was_asked_for() -> None:
    made = call(usual())
    made.params = SimpleNamespace(temperature=0.5, max_tokens=9, stop=["a caller's text"])
    assert request(made).to_record().parameters == (("max_tokens", 9), ("temperature", 0.5))
    assert request(made, beams=["stop"]).to_record().parameters == ()
    assert request().to_record().parameters == ()


@pytest.mark.parametrize(
    ("changes", "response_id"),
    [
        ({"operation": Operation.TEXT_COMPLETION}, f"cmpl-{TRACE_ID}-{SPAN_ID}"),
        ({"operation": Operation.EMBEDDINGS}, None),
        ({"operation": Operation.OTHER}, None),
        ({"status_code": 400}, None),
        ({"calls": []}, None),
    ],
)
def test_the_response_id_is_the_one_vllm_builds(
    changes: dict[str, Any], response_id: str | None
) -> None:
    assert request(call(usual()), **changes).to_record().response_id == response_id


def test_an_exceptions_name_is_the_error_type_else_the_reason() -> None:
    live = request(status_code=500)
    assert live.to_record().error_type == "exception"
    live.fail(KeyError("text of a prompt"))
    live.fail(ValueError("what followed"))
    raised = live.to_record()
    assert (raised.outcome, raised.error_type) == (Outcome.SERVER_ERROR, "KeyError")
    live.disconnected = True
    gone = live.to_record()
    assert (gone.outcome, gone.error_type) == (Outcome.ABORTED, "client_disconnect")


def test_an_engine_calls_error_decides() -> None:
    failed = call(usual(), reasons=())
    failed.error = ValueError("text of a prompt")
    record = request(failed).to_record()
    assert (record.outcome, record.error_type) == (Outcome.SERVER_ERROR, "exception")


def test_the_request_id_holds_trace_and_span() -> None:
    assert request().request_id == f"{TRACE_ID}-{SPAN_ID}"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What settles does so because its calls have ended, however slow the machine is."""
    monkeypatch.setattr(live_module, "FINAL_GRACE_SECONDS", 2 * PATIENCE)


async def test_settle_does_not_wait_when_nothing_is_open() -> None:
    live = request()
    live.begin_call(EngineCall())
    live.end_call()
    # It ends at its first step: nothing was awaited.
    with pytest.raises(StopIteration):
        live.settle().send(None)


async def test_settle_waits_for_the_last_open_call(patient: None) -> None:
    live = request()
    live.begin_call(EngineCall())
    live.begin_call(EngineCall())
    settled = asyncio.create_task(live.settle())
    live.end_call()
    await asyncio.sleep(0.02)
    assert not settled.done()
    live.end_call()
    await asyncio.wait_for(settled, PATIENCE)


async def test_settle_waits_again_for_a_later_call(patient: None) -> None:
    live = request()
    live.begin_call(EngineCall())
    live.end_call()
    live.begin_call(EngineCall())
    settled = asyncio.create_task(live.settle())
    await asyncio.sleep(0.02)
    assert not settled.done()
    live.end_call()
    await asyncio.wait_for(settled, PATIENCE)


async def test_settle_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "FINAL_GRACE_SECONDS", 0.05)
    live = request()
    live.begin_call(EngineCall())
    begun = time.monotonic()
    await live.settle()
    assert time.monotonic() - begun >= 0.05
