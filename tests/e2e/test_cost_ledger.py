"""Device time on the live engine: who pays what is what was measured, and it all adds up."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from stack.settings import Settings
from tests.conftest import run_stack
from tests.e2e.client import CHAT, COMPLETIONS, Client, Exchange, poll
from tests.e2e.ledger import unheard
from tests.e2e.stores import Story, samples, story

pytestmark = pytest.mark.e2e
ASK = {"x-llm-cost": "include"}
GPU_COST = "llm_request_gpu_cost_microdollars"
NANODOLLAR = 0.001
"""In microdollars."""


def wait_until_alone() -> None:
    poll("an idle engine", lambda: samples()["llm_bill_open_microdollars"] == 0, 20)


def complete(client: Client, prompt: int, answer: int) -> Exchange:
    """A completion of so many tokens in and out, none of them cached."""
    body: dict[str, Any] = {"prompt": unheard(prompt), "max_tokens": answer, "ignore_eos": True}
    sent = client.post(COMPLETIONS, body, headers=ASK)
    assert sent.status == 200
    return sent


def booked() -> float:
    """Microdollars of device time that requests have paid."""
    return samples(part="requests")["llm_bill_microdollars_total"]


def assert_books_hold(before: float, *lines: dict[str, Any]) -> None:
    """The bill's requests grew by what these requests paid, and by nothing else."""
    paid = before + sum(line["gpu_cost_microdollars"] for line in lines)
    poll("their cost in the books", lambda: booked() == pytest.approx(paid, abs=1e-6, rel=0))


def assert_engine_time(found: Story, line: dict[str, Any]) -> None:
    """Alone: no more than the request's own time, and most of what the engine had it."""
    whole = (found.server.end_ns - found.server.start_ns) / 1e9
    engine = line["prefill_seconds"] + line["decode_seconds"]
    # How close the two clocks agree is measured by tests.bench.shares, on an idle machine.
    assert engine / 2 < line["gpu_seconds"] <= whole


def finished(sent: Exchange) -> dict[str, Any]:
    return story(sent.trace_id).finished


def test_alone_a_request_pays_for_all_of_its_engine_time(client: Client) -> None:
    wait_until_alone()
    before = booked()
    found = story(complete(client, 200, 200).trace_id)
    assert_engine_time(found, found.finished)
    assert_books_hold(before, found.finished)


def test_a_long_answer_costs_more_than_a_long_prompt_of_as_many_tokens(client: Client) -> None:
    wait_until_alone()
    reader, writer = (finished(complete(client, *tokens)) for tokens in ((900, 20), (20, 900)))
    sizes = [line["input_tokens"] + line["output_tokens"] for line in (reader, writer)]
    assert sizes == [920, 920]
    by_time = [line["gpu_seconds"] for line in (reader, writer)]
    by_cost = [line["gpu_cost_microdollars"] for line in (reader, writer)]
    # Money is booked in whole nanodollars, of which a quick device spends few on a prompt.
    rounding = NANODOLLAR / min(by_cost) + NANODOLLAR / max(by_cost)
    assert by_cost[1] / by_cost[0] == pytest.approx(by_time[1] / by_time[0], rel=rounding)
    # 900 steps against a handful.
    assert by_cost[1] > 2 * by_cost[0]


def test_two_together_share_their_steps_and_no_step_is_paid_twice() -> None:
    wait_until_alone()
    before = booked()
    with ThreadPoolExecutor(2) as pool:
        sent = list(pool.map(lambda _: complete(Client(), 20, 1500), range(2)))
    stories = [story(each.trace_id) for each in sent]
    begins = [found.server.start_ns for found in stories]
    ends = [found.server.end_ns for found in stories]
    assert max(begins) < min(ends), "they were not served together"
    paid = sum(found.finished["gpu_seconds"] for found in stories)
    assert 0 < paid <= (max(ends) - min(begins)) / 1e9
    assert_books_hold(before, *(found.finished for found in stories))


@pytest.mark.parametrize("stream", [False, True])
def test_who_asks_is_told_what_the_log_line_says(client: Client, stream: bool) -> None:
    body = {"messages": [{"role": "user", "content": "Cost?"}], "stream": stream}
    sent = client.post(CHAT, body, headers=ASK)
    line = finished(sent)
    told = sent.usage["cost_microdollars"] if stream else sent.headers["x-llm-cost-microdollars"]
    assert float(told) == line["cost_microdollars"] > 0
    # What a device costs is told only where the operator says so.
    assert "gpu_cost" not in sent.text
    assert "x-llm-gpu-cost-microdollars" not in sent.headers


def test_who_does_not_ask_is_told_nothing(client: Client) -> None:
    for stream in (False, True):
        sent = client.chat("Cost?", stream=stream)
        assert not [name for name in sent.headers if name.startswith("x-llm-")]
        assert "cost_microdollars" not in sent.text


def test_an_abort_pays_and_is_booked_as_an_abort(client: Client) -> None:
    before = samples(outcome="aborted").get("llm_gpu_cost_microdollars_total", 0.0)
    body = {"prompt": unheard(20), "max_tokens": 1500, "ignore_eos": True}
    line = finished(client.abort_stream(COMPLETIONS, body, events=5))
    assert line["outcome"] == "aborted"
    assert line["gpu_cost_microdollars"] > 0
    grown = samples(outcome="aborted")["llm_gpu_cost_microdollars_total"] - before
    assert grown == pytest.approx(line["gpu_cost_microdollars"], abs=1e-6)


def test_every_answer_of_a_request_is_in_its_cost(client: Client) -> None:
    wait_until_alone()
    count = samples()[f"{GPU_COST}_count"]
    body = {"prompt": [unheard(30), unheard(30)], "n": 3, "max_tokens": 60, "ignore_eos": True}
    before = booked()
    sent = client.post(COMPLETIONS, body, headers=ASK)
    assert len(json.loads(sent.text)["choices"]) == 6
    found = story(sent.trace_id)
    # Alone, six engine requests are in every step: their shares are the steps.
    assert_engine_time(found, found.finished)
    assert_books_hold(before, found.finished)
    assert samples()[f"{GPU_COST}_count"] == count + 1


def test_the_audit_agrees(client: Client, stack: Settings) -> None:
    sent = client.chat(f"Audit {secrets.token_hex(4)}")
    story(sent.trace_id)
    done = run_stack("cost-audit", STATE_DIR=str(stack.state))
    assert done.returncode == 0, done.stdout
    for part in ("requests", "idle", "start_up", "stall", "lost", "bill = clock x price"):
        assert part in done.stdout
