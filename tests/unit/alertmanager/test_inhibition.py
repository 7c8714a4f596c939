"""A cause silences its symptoms: the rules as written, and in an Alertmanager that runs."""

import datetime
import json
import re
import shutil
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from stack.http import answered, get_json
from tests.unit.receiving import ALERTMANAGER, REPO, needs_alertmanager, running, wait_for

CONFIG = ALERTMANAGER / "alertmanager.yaml"
RANK = {"none": 0, "warning": 1, "critical": 2}


@cache
def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(CONFIG.read_text())["inhibit_rules"]
    return found


def names(matchers: list[str]) -> list[str]:
    (matcher,) = [one for one in matchers if one.startswith("alertname")]
    return re.sub(r'alertname =~? |"', "", matcher).split("|")


def windows(matchers: list[str]) -> list[str]:
    return re.findall(r"\d+[mhd]", " ".join(one for one in matchers if one.startswith("window")))


def steps() -> set[tuple[str, str]]:
    """Cause and symptom of every rule, an error budget's windows apart."""
    found = set()
    for rule in rules():
        sides = rule["source_matchers"], rule["target_matchers"]
        causes, symptoms = (
            [f"{name} {window}".strip() for name in names(side) for window in windows(side) or [""]]
            for side in sides
        )
        found |= {(cause, symptom) for cause in causes for symptom in symptoms}
    return found


def every_alert() -> dict[str, set[str]]:
    """The severities of each alert in prometheus/alerts/."""
    found: dict[str, set[str]] = {}
    for path in (REPO / "prometheus" / "alerts").glob("*.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                severity = rule["labels"]["severity"]
                found.setdefault(rule["alert"], set()).add(severity)
    return found


def test_no_rule_leads_back_to_its_own_cause() -> None:
    """Two that silence each other would leave nobody to be told."""
    below: dict[str, set[str]] = {}
    for cause, symptom in steps():
        # A burn without a window is a burn of any.
        for name in {cause, cause.partition(" ")[0]}:
            below.setdefault(name, set()).add(symptom)
    for start in below:
        seen, ahead = set[str](), set(below[start])
        while ahead:
            one = ahead.pop()
            assert one != start, f"{start} silences itself"
            seen.add(one)
            ahead |= below.get(one, set()) - seen


def test_every_rule_speaks_of_alerts_that_exist() -> None:
    spoken = {name.partition(" ")[0] for step in steps() for name in step}
    assert spoken <= set(every_alert())


def test_no_cause_is_milder_than_what_it_silences() -> None:
    """What would have paged must not be silenced by what waits for working hours."""
    known = every_alert()
    for cause, symptom in steps():
        if cause in known and symptom in known:
            mildest = min(RANK[severity] for severity in known[cause])
            assert mildest >= max(RANK[severity] for severity in known[symptom]), (cause, symptom)


def seen_labels() -> dict[str, list[set[str]]]:
    """The label names of each alert as promtool saw it fire in tests/rules/."""
    found: dict[str, list[set[str]]] = {}
    for path in (REPO / "tests" / "rules").glob("alerts_*.yaml"):
        for scenario in yaml.safe_load(path.read_text())["tests"]:
            for test in scenario.get("alert_rule_test", []):
                for alert in test.get("exp_alerts") or []:
                    found.setdefault(test["alertname"], []).append(set(alert["exp_labels"]))
    return found


def test_labels_that_have_to_be_equal_are_there() -> None:
    """Two labels that are not there count as equal, and a rule would silence without end."""
    seen = seen_labels()
    for rule in rules():
        wanted = set(rule.get("equal", []))
        for name in names(rule["source_matchers"]) + names(rule["target_matchers"]):
            # A store that is missing has no job, which this rule's matcher leaves out.
            for labels in seen.get(name, []):
                missing = wanted - labels
                assert not missing or (name, missing) == ("TargetMissing", {"job"}), (name, missing)


SERVER = {"job": "llm-server", "instance": "a"}
ONE_REPLICA = (
    "ServerNotReady",
    "EngineStalled",
    "EventLoopBlocked",
    "AdmissionLivelock",
    "QueueGrowing",
    "OldestRequestWaitsTooLong",
    "KvCachePreempting",
    "GpuIdle",
)
"""What a replica that is down says of itself."""
BURN = {"alertname": "ErrorBudgetBurn", "model": "m", "objective": "availability"}
CASES: dict[str, tuple[dict[str, str], list[dict[str, str]], list[dict[str, str]]]] = {
    # A cause; what it silences; what it must leave.
    "a part that is down": (
        {"alertname": "TargetDown", "job": "loki", "instance": "a", "store": "logs"},
        [
            {"alertname": "TargetRestarted", "job": "loki", "instance": "a"},
            {"alertname": "ScrapeFlapping", "job": "loki", "instance": "a"},
            {"alertname": "CollectorQueueFilling", "instance": "c"},
            {"alertname": "TelemetryDiscarded", "job": "otel-collector"},
        ],
        [
            {"alertname": "TargetRestarted", "job": "loki", "instance": "b"},
            {"alertname": "TelemetryDiscarded", "job": "tempo", "reason": "trace_too_large"},
            {"alertname": "ErrorBudgetBurn", "model": "m", "objective": "availability"},
        ],
    ),
    "a part that is missing": (
        {"alertname": "TargetMissing", "job": "tempo"},
        [{"alertname": "ScrapeSlow", "job": "tempo", "instance": "a"}],
        [{"alertname": "ScrapeSlow", "job": "loki", "instance": "a"}],
    ),
    "a store that is missing": (
        {"alertname": "TargetMissing", "store": "traces"},
        [{"alertname": "TelemetryLost", "signal": "spans"}],
        [{"alertname": "TargetRestarted", "job": "tempo", "instance": "a"}],
    ),
    "one of two servers is down": (
        {"alertname": "TargetDown", **SERVER},
        [{"alertname": name, "instance": "a"} for name in ONE_REPLICA],
        [
            *({"alertname": name, "instance": "b"} for name in ONE_REPLICA[:3]),
            # Another one yet: b's stalled engine silences its own queue.
            {"alertname": "QueueGrowing", "instance": "c"},
            {"alertname": "GpuIdle", "instance": "c", "gpu": "0"},
            {**BURN, "window": "15m"},
            {"alertname": "AbortShareHigh", "model": "m"},
            {"alertname": "ExemplarsMissing", "model": "m"},
            {"alertname": "CostSpike", "model": "m"},
            {"alertname": "UnpricedModel", "model": "m"},
            {"alertname": "TenantBudgetExceeded", "tenant": "t", "period": "day"},
            {"alertname": "TelemetryLost", "signal": "spans"},
            {"alertname": "AlertTest", "test_id": "1"},
        ],
    ),
    "no server is there": (
        {"alertname": "TargetMissing", "job": "llm-server"},
        [
            *({"alertname": name, "instance": "a"} for name in ONE_REPLICA),
            {**BURN, "window": "15m"},
            {"alertname": "AbortShareHigh", "model": "m"},
            {"alertname": "CostSpike", "model": "m"},
        ],
        [
            {"alertname": "TenantBudgetExceeded", "tenant": "t", "period": "day"},
            {"alertname": "TelemetryLost", "signal": "spans"},
        ],
    ),
    "another part is down": (
        {"alertname": "TargetDown", "job": "grafana", "instance": "a"},
        [],
        [{**BURN, "window": "1h"}, {"alertname": "CollectorQueueFilling", "instance": "c"}],
    ),
    "the engine is stalled": (
        {"alertname": "EngineStalled", **SERVER},
        [
            {"alertname": "OldestRequestWaitsTooLong", "instance": "a", "model": "m"},
            {"alertname": "GpuIdle", "instance": "a", "gpu": "0"},
        ],
        [
            {"alertname": "QueueGrowing", "instance": "b"},
            {"alertname": "GpuIdle", "instance": "b", "gpu": "0"},
            # Not ready for another reason than the stall, or of another replica.
            {"alertname": "ServerNotReady", "instance": "a"},
            {**BURN, "window": "15m"},
            {"alertname": "AbortShareHigh", "model": "m"},
        ],
    ),
    "an event loop is blocked": (
        {"alertname": "EventLoopBlocked", **SERVER},
        [
            {"alertname": "EventLoopLagHigh", "instance": "a"},
            {"alertname": "OldestRequestWaitsTooLong", "instance": "a", "model": "m"},
        ],
        [
            {"alertname": "EventLoopLagHigh", "instance": "b"},
            {"alertname": "OldestRequestWaitsTooLong", "instance": "b", "model": "m"},
            {"alertname": "ServerNotReady", "instance": "a"},
        ],
    ),
    "a queue behind a full cache": (
        {"alertname": "KvCachePreempting", **SERVER},
        [{"alertname": "QueueGrowing", "instance": "a"}],
        [{"alertname": "QueueGrowing", "instance": "b"}],
    ),
    "budget burns fast": (
        {**BURN, "window": "15m"},
        [{**BURN, "window": window} for window in ("1h", "6h", "1d", "3d")],
        [{**BURN, "window": "3d", "model": "n"}, {**BURN, "window": "1h", "objective": "other"}],
    ),
    "budget burns for an hour": (
        {**BURN, "window": "1h"},
        [{**BURN, "window": window} for window in ("6h", "1d", "3d")],
        [{**BURN, "window": "6h", "objective": "other"}],
    ),
    "the Collector is down": (
        {"alertname": "TargetDown", "job": "otel-collector", "instance": "a"},
        [{"alertname": "TelemetryLost", "signal": "spans"}, {"alertname": "TelemetryRefused"}],
        [{"alertname": "ExemplarsMissing", "model": "m"}],
    ),
    "a disk is nearly full": (
        {"alertname": "DiskSpaceLow", "instance": "a", "mountpoint": "/"},
        [{"alertname": "DiskWillFill", "instance": "a", "mountpoint": "/"}],
        [{"alertname": "DiskWillFill", "instance": "a", "mountpoint": "/data"}],
    ),
    "the books are not kept": (
        {"alertname": "LedgerNotKept", **SERVER},
        [{"alertname": "HookErrors", "instance": "a", "hook": "ledger"}],
        [
            {"alertname": "HookErrors", "instance": "a", "hook": "trace"},
            {"alertname": "HookErrors", "instance": "b", "hook": "ledger"},
        ],
    ),
    "a budget is gone": (
        {"alertname": "TenantBudgetExceeded", "tenant": "t", "period": "day"},
        [{"alertname": "TenantBudgetSoft", "tenant": "t", "period": "day"}],
        [{"alertname": "TenantBudgetSoft", "tenant": "t", "period": "month"}],
    ),
}


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Alertmanager with the committed configuration; its receivers are not there."""
    folder = tmp_path_factory.mktemp("alertmanager")
    shutil.copytree(ALERTMANAGER / "templates", folder / "templates")
    shutil.copy(CONFIG, folder)
    (folder / "url").mkdir()
    for name in ("alertlog", "heartbeat"):
        (folder / "url" / name).write_text("http://127.0.0.1:9/alerts\n")
    with running(folder) as url:
        yield f"{url}/api/v2/alerts"


def send(url: str, alerts: list[dict[str, str]], seconds: float) -> None:
    now = datetime.datetime.now(datetime.UTC)
    ends = (now + datetime.timedelta(seconds=seconds)).isoformat()
    starts = (now - datetime.timedelta(minutes=5)).isoformat()
    rows = [{"labels": labels, "startsAt": starts, "endsAt": ends} for labels in alerts]
    assert answered(url, json.dumps(rows).encode())[0] == 200


def suppressed(url: str) -> list[dict[str, str]]:
    rows = get_json(url) or []
    return [row["labels"] for row in rows if row["status"]["state"] == "suppressed"]


@needs_alertmanager
@pytest.mark.parametrize("case", CASES)
def test_a_cause_silences_its_symptoms_and_nothing_else(alertmanager: str, case: str) -> None:
    cause, silenced, left = CASES[case]
    every = [cause, *silenced, *left]
    send(alertmanager, every, 600)
    try:
        wait_for(lambda: len(get_json(alertmanager) or []) == len(every))
        wait_for(lambda: len(suppressed(alertmanager)) >= len(silenced))
        found = suppressed(alertmanager)
        assert sorted(found, key=str) == sorted(silenced, key=str)
    finally:
        send(alertmanager, every, 0)
        wait_for(lambda: not get_json(alertmanager))
