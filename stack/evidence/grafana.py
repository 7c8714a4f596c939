"""Whether Grafana's data sources are registered and answer: /api/health is green without them."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stack.settings import Settings

API = "http://127.0.0.1:3000/api/"
TIMEOUT_SECONDS = 5.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_RESTART = "`make down && make up` restarts it"


@dataclass(frozen=True)
class Source:
    """A provisioned data source: its uid, also its plugin's id, and what its store answers."""

    uid: str
    probe: str


SOURCES = (
    Source("prometheus", "datasources/uid/prometheus/health"),
    Source("loki", "datasources/uid/loki/health"),
    # Through the proxy, since not every version of these plugins has a health check.
    Source("tempo", "datasources/proxy/uid/tempo/api/echo"),
    Source("alertmanager", "datasources/proxy/uid/alertmanager/api/v2/status"),
)
"""The same four as in grafana/provisioning and grafana/healthcheck.sh."""


@dataclass(frozen=True)
class Answer:
    """The status and the body of an answer; status 0 when there was none."""

    status: int
    body: str

    @property
    def reason(self) -> str:
        """The server's own words, at most 120 characters."""
        try:
            said = str(json.loads(self.body)["message"])
        except (ValueError, KeyError, TypeError):
            said = self.body or "no answer"
        return " ".join(said.split())[:120]


Ask = Callable[[str], Answer]


def judge(ask: Ask, password: Path) -> list[str]:
    """What is wrong, a line each with what to do; `ask` gets a path below Grafana's /api/."""
    listed = ask("datasources")
    if listed.status == 401:
        # Each refusal counts towards the lock of the account, so nothing else is asked.
        return [f"grafana refuses the password in {password}: write the one it has there"]
    if listed.status != 200:
        return [f"grafana lists no data sources ({listed.reason}): see `make logs PART=grafana`"]
    known = {str(source["uid"]) for source in json.loads(listed.body)}
    found = (_problem(source, known, ask) for source in SOURCES)
    return [problem for problem in found if problem]


def _problem(source: Source, known: set[str], ask: Ask) -> str:
    """What is wrong with one data source, empty when it is well."""
    named = f"grafana's data source {source.uid}"
    if source.uid not in known:
        return f"{named} is not registered: see `make logs PART=grafana`; {_RESTART}"
    if ask(f"plugins/{source.uid}/settings").status == 404:
        return f"{named} has lost its plugin: see `make logs PART=grafana`; {_RESTART}"
    answer = ask(source.probe)
    if answer.status == 200:
        return ""
    return f"{named} does not answer ({answer.reason}): see `make logs PART={source.uid}`"


def _asker(password: str) -> Ask:
    """Asks Grafana as admin; the password travels in a header, on no command line."""
    login = base64.b64encode(f"admin:{password}".encode()).decode()

    def ask(path: str) -> Answer:
        request = urllib.request.Request(API + path, headers={"Authorization": f"Basic {login}"})
        try:
            with _OPENER.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return Answer(answer.status, answer.read().decode(errors="replace"))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(errors="replace"))
        except (OSError, ValueError) as error:
            return Answer(0, str(error))

    return ask


def problems(settings: Settings) -> list[str]:
    """What is wrong with the running Grafana's data sources, a line each with what to do."""
    password = settings.state / "secrets" / "grafana_admin_password"
    if not password.exists():
        return [f"grafana's password is not in {password}: write the one it has there"]
    return judge(_asker(password.read_text().strip()), password)
