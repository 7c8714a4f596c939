"""One synthetic alert, sent as Prometheus sends one, and where Alertmanager takes it."""

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stack.errors import Fault
from stack.http import answered, get_json
from stack.receivers.running import URL

NAME = "AlertTest"
LASTS = datetime.timedelta(minutes=10)
"""When it ends by itself, should nobody be left to end it."""


@dataclass(frozen=True)
class Probe:
    """A test alert: its id, its team, and when it began (UTC)."""

    id: str
    team: str
    began: datetime.datetime

    @property
    def labels(self) -> dict[str, str]:
        """Its labels; the id makes it a group of its own, which waits for no other."""
        return {
            "alertname": NAME,
            "severity": "critical",
            "team": self.team,
            "test_id": self.id,
        }

    def _body(self, ends: datetime.datetime) -> bytes:
        notes = {
            "summary": f"a test of the receivers, {self.id}",
            "description": "`make alert-test` sent this. Nothing is wrong.",
            "value": "1",
            "threshold": "0",
            "dashboard_url": "http://127.0.0.1:3000/d/llm-overview",
            "runbook_url": "http://127.0.0.1:9095/runbooks/",
        }
        times = {"startsAt": self.began.isoformat(), "endsAt": ends.isoformat()}
        return json.dumps([{"labels": self.labels, "annotations": notes, **times}]).encode()

    def fire(self) -> None:
        """Send it; raises Fault when Alertmanager does not take it."""
        self._send(self.began + LASTS)

    def resolve(self, now: datetime.datetime) -> None:
        """Say that it is over; raises Fault when Alertmanager does not take it."""
        self._send(now)

    def _send(self, ends: datetime.datetime) -> None:
        status, said = answered(f"{URL}/api/v2/alerts", self._body(ends))
        if status != 200:
            reason = f"Alertmanager did not take the alert ({status}): {said.strip()[:200]}"
            raise Fault(reason, "is it up? `make status`")

    def look(self) -> Mapping[str, Any] | None:
        """What Alertmanager says of it: `receivers` and `status`; None while it knows none."""
        matcher = quote(f'test_id="{self.id}"')
        found = get_json(f"{URL}/api/v2/alerts?filter={matcher}") or []
        return found[0] if found else None
