"""Where an alert leads on the running stack: its page opens, queries run, its rule is loaded."""

from urllib.parse import urldefrag

import pytest

from server.catalogue.alerts import Alert, read
from server.catalogue.uses import Use, uses
from tests.e2e.client import poll
from tests.e2e.stores import HTTP, PROMETHEUS, query

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("stack")]
ALERTS = {alert.annotations["runbook_url"]: alert for alert in read()}
QUERIES = [use for use in uses() if "docs/runbooks/" in use.where]


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: alert.name)
def test_the_link_opens_at_its_heading(alert: Alert) -> None:
    url, anchor = urldefrag(alert.annotations["runbook_url"])
    page = HTTP.get(url).raise_for_status().text
    assert f'id="{anchor}"' in page


@pytest.mark.parametrize("use", QUERIES, ids=lambda use: use.where)
def test_a_query_of_a_runbook_runs(use: Use) -> None:
    query(use.expression)


def test_prometheus_evaluates_every_rule() -> None:
    def unwell() -> list[str]:
        groups = HTTP.get(f"{PROMETHEUS}/api/v1/rules").raise_for_status().json()["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == {
            alert.name for alert in ALERTS.values()
        }
        return [f"{r['name']}: {r.get('lastError')}" for r in rules if r["health"] != "ok"]

    # A group is first evaluated up to its interval after the start, the slowest 2 minutes.
    poll("every rule evaluated without an error", lambda: not unwell(), seconds=300)
