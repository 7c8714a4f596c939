"""Who is told of what, as amtool reads the configuration that `.env` makes."""

import itertools
from pathlib import Path

import pytest
import yaml

from stack.receivers import render
from stack.receivers.chosen import chosen
from tests.unit.receiving import (
    ALERTMANAGER,
    EMAIL,
    LOGIN,
    SECRETS,
    amtool,
    everything,
    needs_amtool,
    secret_file,
    settings_of,
    written,
)

DEFAULT = ALERTMANAGER / "alertmanager.yaml"
TABLE = [
    # Only alertlog and the heartbeat, whatever it is.
    (False, "severity=critical team=serving", "alertlog"),
    (False, "severity=warning team=cost", "alertlog"),
    (False, "severity=none alertname=Watchdog", "heartbeat"),
    (False, "alertname=WithoutSeverity", "alertlog"),
    # Everything of .env.
    (True, "severity=critical team=serving", "alertlog slack email-serving pagerduty webhook"),
    (True, "severity=critical team=observability", "alertlog slack email pagerduty webhook"),
    (True, "severity=critical team=cost", "alertlog slack-cost email pagerduty webhook"),
    (True, "severity=critical", "alertlog slack email pagerduty webhook"),
    (True, "severity=critical team=unheard", "alertlog slack email pagerduty webhook"),
    (True, "severity=warning team=serving", "alertlog slack email-serving webhook"),
    (True, "severity=warning team=cost", "alertlog slack-cost email webhook"),
    (True, "severity=info team=serving", "alertlog"),
    (True, "severity=criticality team=serving", "alertlog"),
    (True, "severity=none alertname=Watchdog team=observability", "heartbeat heartbeat-outside"),
]


@needs_amtool
@pytest.mark.parametrize(("is_full", "labels", "receivers"), TABLE)
def test_an_alert_goes_to(tmp_path: Path, is_full: bool, labels: str, receivers: str) -> None:
    config = written(everything(tmp_path)) if is_full else DEFAULT
    wanted = ",".join(receivers.split())
    flags = [f"--config.file={config}", f"--verify.receivers={wanted}"]
    said = amtool("config", "routes", "test", *flags, *labels.split())
    assert said.split() == [wanted]


@needs_amtool
@pytest.mark.parametrize("many", range(6))
def test_alertmanager_takes_every_choice_of_receivers(tmp_path: Path, many: int) -> None:
    kinds: list[dict[str, str]] = [
        {key: secret_file(tmp_path, key)} for key in SECRETS if "EMAIL" not in key
    ]
    kinds.append({**EMAIL, **LOGIN, **_file(tmp_path, "ALERT_EMAIL_PASSWORD_FILE")})
    for some in itertools.combinations(kinds, many):
        keys = {key: value for kind in some for key, value in kind.items()}
        said = amtool("check-config", str(written(settings_of(tmp_path, **keys))))
        assert f"{many + 2} receivers" in said and "1 templates" in said


def _file(folder: Path, key: str) -> dict[str, str]:
    return {key: secret_file(folder, key)}


@needs_amtool
def test_teams_and_a_relay_without_a_login_are_taken_too(tmp_path: Path) -> None:
    teams = {"ALERT_EMAIL_TO_COST": "a@example.org, b@example.org"}
    amtool("check-config", str(written(settings_of(tmp_path, **EMAIL, **teams))))
    assert "9 receivers" in amtool("check-config", str(written(everything(tmp_path))))


def test_with_nothing_set_the_configuration_is_the_one_that_is_committed(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert chosen(settings) == ()
    assert render.rendered(settings, (), render.on_host) == DEFAULT.read_text()


def test_the_heartbeat_repeats_each_minute(tmp_path: Path) -> None:
    """A group is looked at every group_interval; one just short of repeat_interval is passed by."""
    found = yaml.safe_load(written(everything(tmp_path)).read_text())
    beats = [route for route in found["route"]["routes"] if "heartbeat" in route["receiver"]]
    assert [beat["receiver"] for beat in beats] == ["heartbeat", "heartbeat-outside"]
    for beat in beats:
        assert (beat["group_interval"], beat["repeat_interval"]) == ("30s", "50s")
        assert beat["matchers"][0].replace('~ "none"', " none") == "severity = none"


def test_a_page_is_seconds_away() -> None:
    route = yaml.safe_load(DEFAULT.read_text())["route"]
    assert (route["group_wait"], route["group_interval"]) == ("10s", "30s")
    assert set(route["group_by"]) == {
        *("alertname", "severity", "job", "instance"),
        *("model", "objective", "tenant", "test_id"),
    }
