"""One alert through a real Alertmanager to a listener in each receiver's place."""

import base64
import email
import email.policy
import json
import re
import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from stack.commands import alerttest
from stack.errors import Fault
from stack.receivers import probe, render
from stack.receivers import running as alertmanager
from stack.receivers.chosen import chosen
from stack.settings import Settings
from tests.unit.listening import listening
from tests.unit.receiving import (
    ALERTMANAGER,
    SECRETS,
    everything,
    needs_alertmanager,
    running,
    secret_file,
)

SECRET_PATH = "T000/B000/secret"


class Hooks(ThreadingHTTPServer):
    """Takes every POST; `answers` has the status and the body of paths that answer otherwise."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Hook)
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, tuple[int, str]] = {}

    def bodies(self, path: str, test_id: str) -> list[dict[str, Any]]:
        return [body for at, body in self.taken if at == path and test_id in json.dumps(body)]


class Hook(BaseHTTPRequestHandler):
    server: Hooks

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, text = self.server.answers.get(self.path, (200, "ok"))
        if status == 200:
            self.server.taken.append((self.path, body))
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Relay(socketserver.ThreadingTCPServer):
    """As much of a mail relay as Alertmanager speaks to; it keeps logins, recipients, messages."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Dialogue)
        self.logins: list[bytes] = []
        self.recipients: list[str] = []
        self.mails: list[EmailMessage] = []


class Dialogue(socketserver.StreamRequestHandler):
    server: Relay
    SAYS: ClassVar[dict[str, bytes]] = {
        "EHLO": b"250-here\r\n250 AUTH PLAIN",
        "AUTH": b"235 come in",
        "DATA": b"354 go on",
        "QUIT": b"221 bye",
    }

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in iter(self.rfile.readline, b""):
            verb = line[:4].decode().upper()
            self.wfile.write(self.SAYS.get(verb, b"250 ok") + b"\r\n")
            if verb == "AUTH":
                self.server.logins.append(base64.b64decode(line.split()[2]))
            elif verb == "RCPT":
                self.server.recipients.append(line.decode().strip().rpartition(":")[2])
            elif verb == "DATA":
                self._take()

    def _take(self) -> None:
        lines = iter(self.rfile.readline, b".\r\n")
        parsed = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.server.mails.append(parsed)
        self.wfile.write(b"250 taken\r\n")


@contextmanager
def served(relay: Relay) -> Iterator[int]:
    threading.Thread(target=relay.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield relay.server_address[1]
    finally:
        relay.shutdown()
        relay.server_close()


class Place(SimpleNamespace):
    settings: Settings
    hooks: Hooks
    relay: Relay
    folder: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An Alertmanager with every receiver, and somebody who listens in the place of each."""
    folder, hooks, relay = tmp_path_factory.mktemp("place"), Hooks(), Relay()
    with listening(hooks) as url, served(relay) as port:
        files = {
            "SLACK_WEBHOOK_FILE": f"{url}/slack/{SECRET_PATH}",
            "ALERT_WEBHOOK_URL_FILE": f"{url}/webhook/{SECRET_PATH}",
            "ALERT_HEARTBEAT_URL_FILE": f"{url}/heartbeat/{SECRET_PATH}",
        }
        relay_at = {"ALERT_EMAIL_SMARTHOST": f"127.0.0.1:{port}"}
        settings = everything(folder, **relay_at)
        for key, text in files.items():
            secret_file(folder, key, text)
        configure(folder, settings, url)
        with running(folder) as address:
            yield Place(settings=settings, hooks=hooks, relay=relay, folder=folder, address=address)


def configure(folder: Path, settings: Settings, url: str) -> None:
    """The rendered configuration, with PagerDuty's address and the time to wait changed."""
    text = render.rendered(settings, chosen(settings), render.on_host)
    text = text.replace("group_wait: 10s", "group_wait: 0s")
    key = "routing_key_file:"
    text = text.replace(key, f"url: {url}/pagerduty\n        {key}")
    (folder / "alertmanager.yaml").write_text(text)
    shutil.copytree(ALERTMANAGER / "templates", folder / "templates")
    (folder / "url").mkdir()
    for name in ("alertlog", "heartbeat"):
        (folder / "url" / name).write_text(f"{url}/{name}\n")


@pytest.fixture
def watched(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """`make alert-test` asks this Alertmanager; a record is there when alertlog was told."""
    monkeypatch.setattr(alertmanager, "URL", place.address)
    monkeypatch.setattr(probe, "URL", place.address)
    monkeypatch.setattr(alerttest, "WAIT_SECONDS", 20.0)
    store = SimpleNamespace(logs=SimpleNamespace(name="the test's store"))
    monkeypatch.setattr(alerttest, "stores", lambda settings: store)
    monkeypatch.setattr(
        alerttest, "_is_recorded", lambda _, sent: bool(place.hooks.bodies("/alertlog", sent.id))
    )
    lines = (place.folder / "log").read_text
    monkeypatch.setattr(alerttest, "_log", lambda settings: lines().splitlines())
    return place


def with_team(settings: Settings, team: str) -> Settings:
    values = {**settings.values, "TEAM": team}
    return Settings(settings.repo, settings.state, settings.cache, values)


def id_in(text: str) -> str:
    found = re.search(r"AlertTest ([0-9a-f]{8}):", text)
    assert found
    return found.group(1)


@needs_alertmanager
def test_every_receiver_is_told(watched: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert alerttest.alert_test(watched.settings) == 0
    said = capsys.readouterr().out
    name = id_in(said)
    for line in ("alertlog: its record is in", "slack (#llm): Slack answered", "pagerduty: "):
        assert f"arrived  {line}" in said
    for line in ("email-serving (gpu@example.org): the mail relay", "webhook: the address"):
        assert f"arrived  {line}" in said
    assert "slack-cost (#cost) was not asked: make alert-test TEAM=cost" in said
    assert "email (oncall@example.org) was not asked: make alert-test TEAM=observability" in said
    assert "heartbeat-outside hears Watchdog only" in said
    assert SECRET_PATH not in said and SECRETS["PAGERDUTY_KEY_FILE"] not in said

    (slack,) = watched.hooks.bodies(f"/slack/{SECRET_PATH}", name)
    assert slack["channel"] == "#llm"
    assert slack["attachments"][0]["title"].startswith("CRITICAL AlertTest: ")
    assert slack["attachments"][0]["title_link"].startswith("http://127.0.0.1:3000/d/llm-overview?")
    (page,) = watched.hooks.bodies("/pagerduty", name)
    assert page["routing_key"] == SECRETS["PAGERDUTY_KEY_FILE"]
    assert page["payload"]["summary"] == f"AlertTest: a test of the receivers, {name}"
    assert (page["payload"]["severity"], page["payload"]["group"]) == ("critical", "serving")
    assert [link["text"] for link in page["links"]] == ["Board", "Logs", "Runbook"]
    # A test has no chapter of its own: the index is a page that exists.
    assert page["links"][-1]["href"] == "http://127.0.0.1:9095/runbooks/"
    (hook,) = watched.hooks.bodies(f"/webhook/{SECRET_PATH}", name)
    assert hook["alerts"][0]["labels"]["alertname"] == "AlertTest"
    assert watched.relay.logins == [b"\0alerts@example.org\0correct horse"]
    assert watched.relay.recipients == ["<gpu@example.org>"]
    (mail,) = watched.relay.mails
    assert mail["Subject"] == f"[CRITICAL] AlertTest: a test of the receivers, {name}"
    assert mail["From"] == "alerts@example.org"
    kinds = [part.get_content_type() for part in mail.iter_parts()]
    assert kinds == ["text/plain", "text/html"]


@needs_alertmanager
def test_another_team_has_its_own(watched: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert alerttest.alert_test(with_team(watched.settings, "cost")) == 0
    said = capsys.readouterr().out
    (slack,) = watched.hooks.bodies(f"/slack/{SECRET_PATH}", id_in(said))
    assert slack["channel"] == "#cost"
    with pytest.raises(Fault, match="TEAM=sales is unknown: use one of serving, "):
        alerttest.alert_test(with_team(watched.settings, "sales"))


@needs_alertmanager
def test_one_that_refuses_is_named_with_the_reason(
    watched: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerttest, "WAIT_SECONDS", 3.0)
    watched.hooks.answers = {
        f"/slack/{SECRET_PATH}": (404, "no_service"),
        f"/webhook/{SECRET_PATH}": (500, "on fire"),
    }
    try:
        assert alerttest.alert_test(watched.settings) == 3
    finally:
        watched.hooks.answers = {}
    said = capsys.readouterr().out
    assert re.search(r"FAILED   slack \(#llm\): \d+ attempts failed: .*404.*no_service", said)
    assert re.search(r"FAILED   webhook: \d+ attempts failed: .*500", said)
    assert "arrived  pagerduty" in said and "arrived  alertlog" in said
    assert SECRET_PATH not in said


@needs_alertmanager
def test_a_receiver_that_alertmanager_does_not_know_is_named(watched: Place) -> None:
    settings = Settings(
        watched.settings.repo,
        watched.settings.state,
        watched.settings.cache,
        {**watched.settings.values, "PAGERDUTY_KEY_FILE": ""},
    )
    with pytest.raises(
        Fault, match=r"pagerduty is either in \.env or in the Alertmanager.*make up"
    ):
        alerttest.alert_test(settings)


@needs_alertmanager
def test_a_new_configuration_is_taken_and_a_broken_one_is_not(watched: Place) -> None:
    file = watched.folder / "alertmanager.yaml"
    good = file.read_text()
    alertmanager.reload()
    try:
        file.write_text(good.replace("receiver: alertlog", "receiver: nobody", 1))
        with pytest.raises(Fault, match=r"keeps its old receivers: .*nobody"):
            alertmanager.reload()
    finally:
        file.write_text(good)
    alertmanager.reload()


def test_without_an_alertmanager_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager, "URL", "http://127.0.0.1:9")
    with pytest.raises(Fault, match="Alertmanager does not answer"):
        alertmanager.counts()


def test_counters_are_read_by_receiver() -> None:
    name = "alertmanager_notification_requests"
    labels = '{integration="slack",receiver_name="slack"}'
    lines = [
        f"# HELP {name}_total x",
        f"{name}_total{labels} 3",
        f"{name}_failed_total{labels} 1",
        f'{name}_total{{integration="email"}} 9',
    ]
    text = "\n".join(lines)
    now = alertmanager.read_counts(text)
    assert now == {"slack": alertmanager.Count(3, 1)}
    assert now["slack"].since(alertmanager.Count(2, 1)) == alertmanager.Count(1, 0)
    assert now["slack"].since(alertmanager.Count(7, 0)) == now["slack"]
