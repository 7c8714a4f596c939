"""What `.env` may say of receivers: half of one is refused in one line that names key and fix."""

import errno
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from stack.commands import status, up
from stack.containers import compose
from stack.errors import Fault
from stack.receivers import render
from stack.receivers.chosen import Receiver, chosen
from stack.settings import load
from tests.unit.receiving import EMAIL, LOGIN, SECRETS, everything, secret_file, settings_of

SECRET_KEYS = [key for key in SECRETS if "EMAIL" not in key]
UNLIKELY = "hunter2-must-not-be-shown"


def refusal(folder: Path, **values: str) -> str:
    with pytest.raises(Fault) as caught:
        chosen(settings_of(folder, **values))
    line = str(caught.value)
    assert "\n" not in line and UNLIKELY not in line
    return line


def names(folder: Path, **values: str) -> list[str]:
    return [receiver.name for receiver in chosen(settings_of(folder, **values))]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_set_is_nobody_beside_alertlog(tmp_path: Path) -> None:
    empty = dict.fromkeys([*SECRETS, *EMAIL, *LOGIN, "SLACK_CHANNEL"], "")
    assert names(tmp_path) == names(tmp_path, **empty) == []


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_one_key_is_one_receiver(tmp_path: Path, key: str) -> None:
    (receiver,) = chosen(settings_of(tmp_path, **{key: secret_file(tmp_path, key)}))
    assert receiver.secret == tmp_path / key.lower()


def test_a_team_has_a_receiver_of_its_own(tmp_path: Path) -> None:
    found = {one.name: one for one in chosen(everything(tmp_path))}
    assert list(found) == [
        *("slack", "slack-cost", "email", "email-serving"),
        *("pagerduty", "webhook", "heartbeat-outside"),
    ]
    assert found["slack-cost"].words["channel"] == "#cost"
    assert found["slack-cost"].secret == found["slack"].secret
    assert found["email-serving"].words["to"] == "gpu@example.org"
    other = secret_file(tmp_path, "OTHER", "https://hooks.example.org/other")
    own = {one.name: one for one in chosen(everything(tmp_path, SLACK_WEBHOOK_FILE_COST=other))}
    assert str(own["slack-cost"].secret) == other
    assert own["slack-cost"].words["channel"] == "#cost"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"SLACK_WEBHOOK_FILE_COST": "/none"},
            "SLACK_WEBHOOK_FILE_COST is set, but SLACK_WEBHOOK_FILE is not: set",
        ),
        ({"ALERT_EMAIL_TO": "a@b.c"}, "ALERT_EMAIL_TO is set, but ALERT_EMAIL_FROM is not: set"),
        ({"ALERT_EMAIL_TO_COST": "a@b.c"}, "ALERT_EMAIL_TO_COST is set, but ALERT_EMAIL_TO is not"),
        (LOGIN, "ALERT_EMAIL_USER is set, but ALERT_EMAIL_TO is not"),
        ({**EMAIL, "ALERT_EMAIL_FROM": ""}, "but ALERT_EMAIL_FROM is not"),
        ({**EMAIL, "ALERT_EMAIL_SMARTHOST": ""}, "but ALERT_EMAIL_SMARTHOST is not"),
        ({**EMAIL, "ALERT_EMAIL_TO": ""}, "is set, but ALERT_EMAIL_TO is not"),
        ({**EMAIL, **LOGIN}, "ALERT_EMAIL_USER is set, but ALERT_EMAIL_PASSWORD_FILE is not"),
        (
            {**EMAIL, "ALERT_EMAIL_PASSWORD_FILE": "/none"},
            "ALERT_EMAIL_PASSWORD_FILE is set, but ALERT_EMAIL_USER is not",
        ),
        ({**EMAIL, "ALERT_EMAIL_TO": "nobody"}, "write it like oncall@example.org"),
        ({**EMAIL, "ALERT_EMAIL_TO": "a@b.c, {{ .X }}@d"}, "write it like oncall@example.org"),
        ({**EMAIL, "ALERT_EMAIL_FROM": "a@b, c@d"}, "write it like alerts@example.org"),
        ({**EMAIL, "ALERT_EMAIL_SMARTHOST": "smtp"}, "write it like smtp.example.org:587"),
        ({**EMAIL, "ALERT_EMAIL_SMARTHOST": "a:b:c"}, "write it like smtp.example.org:587"),
    ],
)
def test_what_is_set_by_half_is_refused(tmp_path: Path, values: dict[str, str], said: str) -> None:
    assert said in refusal(tmp_path, **values)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("SLACK_CHANNEL=#llm", "SLACK_CHANNEL is set, but SLACK_WEBHOOK_FILE is not: set"),
        ("SLACK_CHANNEL_COST=#c", "SLACK_CHANNEL_COST is set, but SLACK_WEBHOOK_FILE is not"),
        ("SLACK_CHANNEL_SALES=#s", "SLACK_CHANNEL_SALES names no team: teams are COST, "),
        ("SLACK_CHANNEL_ID=C0123", "SLACK_CHANNEL_ID names no team"),
        ("SLACK_WEBHOOK_FILE_SALES=x", "SLACK_WEBHOOK_FILE_SALES names no team"),
        ("ALERT_EMAIL_TO_SALES=a@b", "ALERT_EMAIL_TO_SALES names no team"),
    ],
)
def test_a_line_of_env_that_reaches_nobody_is_refused(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / ".env").write_text(f"{line}\n")
    key, _, value = line.partition("=")
    # The environment wins, as it does for every key.
    for more in ({}, {key: value}):
        with pytest.raises(Fault) as caught:
            chosen(load(tmp_path, more))
        assert said in str(caught.value)


@pytest.mark.parametrize(
    "foreign",
    [
        {"SLACK_CHANNEL": "general deploys"},
        {"SLACK_CHANNEL_ID": "C0123", "SLACK_CHANNEL": "#ci", "SLACK_CHANNEL_COST": "#x"},
        {"SLACK_CHANNEL_SALES": "#s", "ALERT_EMAIL_TO_SALES": "a@b", "SLACK_WEBHOOK_FILE_X": "x"},
        {"SLACK_CHANNEL": "#ci", "SLACK_WEBHOOK_FILE_X": "x"},
    ],
)
def test_what_others_set_in_the_shell_stops_nothing(
    tmp_path: Path, foreign: dict[str, str]
) -> None:
    for text in ("", "SLACK_CHANNEL=\n"):
        (tmp_path / ".env").write_text(text)
        assert chosen(load(tmp_path, foreign)) == ()
    (tmp_path / ".env").write_text("PAGERDUTY_KEY_FILE=pagerduty_key_file\n")
    secret_file(tmp_path, "PAGERDUTY_KEY_FILE")
    assert [one.name for one in chosen(load(tmp_path, foreign))] == ["pagerduty"]


def test_with_a_webhook_the_shells_channel_counts(tmp_path: Path) -> None:
    file = secret_file(tmp_path, "SLACK_WEBHOOK_FILE")
    (tmp_path / ".env").write_text(f"SLACK_WEBHOOK_FILE={file}\nSLACK_CHANNEL=#env\n")
    for shell, channel in (({}, "#env"), ({"SLACK_CHANNEL": "#shell"}, "#shell")):
        (slack,) = chosen(load(tmp_path, shell))
        assert slack.words["channel"] == channel


def test_the_configuration_holds_no_secret(tmp_path: Path) -> None:
    settings = everything(tmp_path)
    receivers = chosen(settings)
    render.write(settings, receivers, render.on_host)
    text = render.path(settings).read_text()
    assert not any(secret in text for secret in SECRETS.values())
    assert (mode(settings.run), mode(render.path(settings))) == (0o700, 0o644)


def test_only_a_relay_on_this_machine_may_do_without_tls(tmp_path: Path) -> None:
    here = ("127.0.0.1:25", "127.0.0.2:25", "localhost:25", "[::1]:25")
    elsewhere = ("smtp.example.org:25", "127.0.0.1.example.org:25", "[::2]:25", "10.0.0.1:25")
    for relay in (*here, *elsewhere):
        settings = settings_of(tmp_path, **{**EMAIL, "ALERT_EMAIL_SMARTHOST": relay})
        text = render.rendered(settings, chosen(settings), render.on_host)
        assert f"require_tls: {'false' if relay in here else 'true'}\n" in text


def test_an_older_link_to_the_checkout_is_not_written_through(tmp_path: Path) -> None:
    settings, precious = everything(tmp_path), tmp_path / "precious"
    precious.write_text("committed")
    render.path(settings).parent.mkdir(parents=True)
    render.path(settings).symlink_to(precious)
    render.write(settings, (), render.in_container)
    assert precious.read_text() == "committed"
    before = render.path(settings).stat().st_ino
    render.write(settings, chosen(settings), render.in_container)
    # A container that has the file mounted sees the new text only in the same file.
    assert render.path(settings).stat().st_ino == before
    assert render.path(settings).read_text() == render.rendered(
        settings, chosen(settings), render.in_container
    )


@pytest.mark.parametrize("place", [render.on_host, render.in_container])
def test_a_write_that_fails_leaves_the_old_files_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: render.Place
) -> None:
    settings = everything(tmp_path)
    receivers = chosen(settings)
    render.copy_secrets(settings, receivers)
    render.write(settings, receivers, place)
    files = [render.path(settings), *render.secrets_folder(settings).iterdir()]
    before = {file: file.read_bytes() for file in files}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    secret_file(tmp_path, "PAGERDUTY_KEY_FILE", "another")
    monkeypatch.setattr(render.os, "fsync", full)
    for attempt in (
        lambda: render.write(settings, (), place),
        lambda: render.copy_secrets(settings, receivers),
    ):
        with pytest.raises(OSError, match="No space"):
            attempt()
    odd = (Receiver("slack", "slack", receivers[0].secret, {"channel": "#\udcff"}),)
    with pytest.raises(UnicodeEncodeError):
        render.write(settings, odd, place)
    assert {file: file.read_bytes() for file in files} == before
    monkeypatch.undo()
    render.write(settings, receivers, place)
    render.copy_secrets(settings, receivers)
    left = [*render.path(settings).parent.iterdir(), *render.secrets_folder(settings).iterdir()]
    assert not [file for file in left if file.name.endswith(".new")]


def test_containers_get_copies_that_only_they_can_reach(tmp_path: Path) -> None:
    settings = everything(tmp_path)
    folder = render.secrets_folder(settings)
    assert compose._alertmanager(settings) == {}
    render.copy_secrets(settings, chosen(settings))
    render.write(settings, chosen(settings), render.in_container)
    copies = {path.name for path in folder.iterdir()}
    named = {one.name for one in chosen(settings)}
    assert copies == named
    assert (folder / "pagerduty").read_text().strip() == SECRETS["PAGERDUTY_KEY_FILE"]
    assert (mode(folder.parent), mode(folder)) == (0o700, 0o755)
    assert {mode(path) for path in folder.iterdir()} == {0o644}
    text = render.path(settings).read_text()
    assert "/etc/alertmanager/secrets/slack-cost" in text and str(tmp_path) not in text
    assert compose._alertmanager(settings) == {
        "ALERTMANAGER_CONFIG": str(render.path(settings)),
        "ALERTMANAGER_SECRETS": str(folder),
    }
    render.copy_secrets(settings, ())
    assert list(folder.iterdir()) == []


def test_make_up_looks_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up.supervisor, "running", lambda settings: pytest.fail("too late"))
    with pytest.raises(Fault, match="ALERT_EMAIL_TO is set, but ALERT_EMAIL_FROM is not"):
        up.up(settings_of(tmp_path, ALERT_EMAIL_TO="a@b.c"))


def test_make_up_says_who_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    up._tell(settings_of(tmp_path), chosen(everything(tmp_path)))
    given = {"LLM_OTLP_ENDPOINT": "https://otlp.example.org/secret"}
    up._tell(settings_of(tmp_path, **given), ())
    said, second, nobody = capsys.readouterr().out.splitlines()
    assert "the log store, slack (#llm), slack-cost (#cost), email (oncall@example.org), " in said
    assert "pagerduty, webhook, heartbeat-outside (`make alert-test` follows one)" in said
    assert "go to otlp.example.org as well" in second and "secret" not in second
    assert "alerts go to the log store (docs/alerts.md" in nobody


@pytest.mark.parametrize(
    ("status_code", "body", "good", "said"),
    [
        (200, {"status": "ok", "age_seconds": 12.3}, True, "of the alerts: 0m12s ago"),
        (503, {"status": "waiting", "age_seconds": None}, True, "alertlog has just started"),
        (503, {"status": "silent", "age_seconds": 200.5}, False, "3m20s ago, so no alert may"),
        (503, {"status": "silent", "age_seconds": None}, False, "never came, so no alert may"),
        (200, "ok\n", False, "not known: alertlog answered 200"),
        (0, "refused", False, "not known: alertlog answered nothing"),
        (200, [], False, "not known"),
        (200, {"status": "ok", "age_seconds": "x"}, False, "not known"),
        (200, {"status": "ok", "age_seconds": 1e999}, False, "not known"),
        (200, {"status": "ok", "age_seconds": None}, True, "never came"),
    ],
)
def test_the_heartbeat_is_told(status_code: int, body: Any, good: bool, said: str) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    found, line = status.heartbeat_line(status_code, text)
    assert (found, said in line) == (good, True), line
