"""The Collector is killed under load: serving, metrics and alerting go on, losses are counted."""

import pytest

from tests.conftest import run_stack
from tests.e2e.client import poll
from tests.e2e.stores import HTTP, samples, total
from tests.faults.load import load
from tests.faults.parts import Parts, assert_all_signals

pytestmark = pytest.mark.fault
ALERTS = "http://127.0.0.1:9093/api/v2/alerts?active=true"
SERVED = 'sum(llm_requests_total{job="llm-server"})'


def _alerts() -> set[tuple[str, str]]:
    """Name and description of what fires for the Collector; a second restart reads differently."""
    found = HTTP.get(ALERTS).raise_for_status().json()
    own = [alert for alert in found if alert["labels"].get("job") == "otel-collector"]
    return {(a["labels"]["alertname"], a["annotations"]["description"]) for a in own}


def _planned_restart_is_over() -> bool:
    """TargetRestarted takes what begins within 2 minutes of Prometheus for a planned restart."""
    seconds = 'time() - process_start_time_seconds{job="prometheus"}'
    restarted = 'changes(process_start_time_seconds{job="prometheus"}[11m])'
    return total(seconds) > 130 or (total(seconds) > 0 and total(restarted) == 0)


def _unaccounted(signal: str) -> float:
    items = {
        result: samples(signal=signal, result=result)["llm_telemetry_items_total"]
        for result in ("made", "delivered", "failed", "dropped")
    }
    made = items.pop("made")
    assert made > 0, f"no {signal} were made: this would check nothing"
    return made - sum(items.values())


def test_no_request_fails_and_the_alert_fires(parts: Parts) -> None:
    poll("a stack that runs for two minutes", _planned_restart_is_over, 150)
    alerts, first = _alerts(), total(SERVED)
    with load(parts.settings, rate=3, seconds=40) as rows:
        poll("load on the server", lambda: total(SERVED) > first)
        parts.kill("otel-collector")
        after = total(SERVED)
        poll("metrics going on after the kill", lambda: total(SERVED) > after)
    assert rows
    assert [row for row in rows if not row.provoked] == []
    fired = poll("an alert for the Collector", lambda: _alerts() - alerts, 180)
    status = run_stack("status", STATE_DIR=str(parts.settings.state)).stdout
    for name, _ in fired:
        assert name in status
    assert "otel-collector" in status.split("Active alerts")[1]


@pytest.mark.parametrize("signal", ["spans", "logs"])
def test_every_item_made_is_delivered_or_counted_as_lost(parts: Parts, signal: str) -> None:
    assert parts.pid("otel-collector")
    poll(f"all {signal} settled", lambda: _unaccounted(signal) == 0, 90)


def test_all_signals_come_back(parts: Parts) -> None:
    assert parts.pid("otel-collector")
    assert_all_signals()
