"""How a plan is sent: exact lengths, the recorded moments, each tenant by its key."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from loadtest import plan as plans
from loadtest.generator import repeated
from loadtest.generator.people import COMPLETIONS
from loadtest.generator.settings import Settings, SettingsError, read
from loadtest.generator.told import Told
from loadtest.generator.worker import Clock, Worker
from loadtest.plan import Plan
from loadtest.rows import MAIN, Row
from server.record.request import Outcome
from tests.unit.replaying import planned, recorded
from tests.unit.scripted import END, chunk, head, scripted

KEYS = (("acme", "key-a"), ("*", "key-rest"))
USAGE = '{"usage":{"prompt_tokens":64,"completion_tokens":5}}'


def asked(made: Plan, number: int = 0) -> dict[str, Any]:
    (ask,) = repeated.visit(made, number, ()).asks
    return dict(json.loads(ask.body))


def test_a_request_has_as_many_tokens_as_it_had_and_no_text() -> None:
    body = asked(planned(recorded(0, (64, 0, 5), stream=False)))
    assert len(body.pop("prompt")) == 64
    assert body == {"model": "tiny-llama", "max_tokens": 5, "ignore_eos": True}


def test_a_stream_stays_one_and_tells_its_tokens() -> None:
    made = planned(recorded(0, (64, 0, 5)))
    (ask,) = repeated.visit(made, 0, ()).asks
    assert ask.stream and ask.path == COMPLETIONS
    assert asked(made)["stream"] is True
    assert asked(made)["stream_options"] == {"include_usage": True}


def test_who_hung_up_hangs_up_after_the_same_time() -> None:
    gone = recorded(0, (64, 0, 3), outcome=Outcome.ABORTED, duration_seconds=0.7)
    visit = repeated.visit(planned(gone), 0, ())
    assert (visit.kind, visit.asks[0].seconds) == ("recorded hang up", 0.7)
    assert json.loads(visit.asks[0].body)["max_tokens"] == 2048 - 64


@pytest.mark.parametrize(
    ("tenant", "runs_as", "key"), [("acme", "acme", "key-a"), ("beta", "*", "key-rest")]
)
def test_a_tenant_has_its_own_key_and_the_others_one(tenant: str, runs_as: str, key: str) -> None:
    visit = repeated.visit(planned(recorded(0, tenant=tenant)), 0, KEYS)
    assert (visit.tenant, visit.key) == (runs_as, key)
    assert key not in repr(visit)


def settings(folder: Path, made: Plan, **env: str) -> Settings:
    plans.write(made, folder / "plan.jsonl")
    given = {"SHAPE": "replay", "PLAN": str(folder / "plan.jsonl"), "RUNS_FOLDER": str(folder)}
    return read(given | env)


def test_the_plan_says_how_long_it_takes_and_how_patient_its_clients_are(tmp_path: Path) -> None:
    made = planned(recorded(0, duration_seconds=100.0), recorded(30))
    found = settings(tmp_path, made)
    assert (found.duration, found.patience, found.plan) == (pytest.approx(31.0), 300.0, made)
    assert settings(tmp_path, made, PATIENCE="9").patience == 9


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SHAPE": "replay"}, "SHAPE=replay goes with PLAN"),
        ({"PLAN": "x"}, "SHAPE=replay goes with PLAN"),
        ({"SHAPE": "replay", "PLAN": "/nowhere/plan"}, "PLAN: /nowhere/plan: No such file"),
        ({"SHAPE": "replay", "PLAN": __file__}, "PLAN: .* is no plan of this version"),
    ],
)
def test_a_replay_without_its_plan_does_not_start(env: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=f"^{said}"):
        read(env)


class _Told:
    """Keeps the rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.models: list[str] = []

    def begin(self, ask: object, model: str, start_ns: int) -> tuple[str, str, None]:
        self.models.append(model)
        return "1" * 32, "2" * 16, None

    def ended(self, row: Row, span: object, seen: object) -> None:
        self.rows.append(row)


def test_a_worker_sends_the_plan_when_it_is_due(tmp_path: Path) -> None:
    made = planned(
        recorded(0, (64, 0, 5), stream=False, tenant="acme"),
        recorded(0.3, (64, 0, 5), stream=False),
    )
    answer = (head(200, "application/json"), chunk(USAGE), END)
    with scripted(*answer, times=2) as (url, requests):
        known = replace(settings(tmp_path, made), url=url, keys=KEYS)
        told, now = _Told(), time.monotonic_ns()
        stage = {
            "number": 0, "phase": MAIN, "rate": 1.0, "begun_ns": now, "seconds": 0.5,
            "offset": 0.0, "model": "base", "ahead_ns": Clock.now().ahead_ns,
        }  # fmt: skip
        worker = Worker(known, 0, cast("Told", told))
        done = worker.run(stage)
        worker._visits.join()
    assert (done.intended, done.dropped) == (2, 0)
    due = [row.intended_start_ns - stage["ahead_ns"] - now for row in told.rows]
    assert due == [0, pytest.approx(300_000_000, abs=1000)]
    assert [(row.input_tokens, row.output_tokens, row.outcome) for row in told.rows] == [
        (64, 5, "ok")
    ] * 2
    assert told.models == ["tiny-llama"] * 2
    assert [b"Bearer key-a" in sent for sent in requests] == [True, False]
    assert b"Bearer key-rest" in requests[1]
