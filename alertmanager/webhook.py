"""Alertmanager's webhook JSON, version 4: what is taken for an alert, and why another is not."""

import json
from collections.abc import Mapping
from typing import Any

Alert = Mapping[str, Any]


class RefusedError(Exception):
    """A request that is not Alertmanager's: its HTTP status and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def _is_text(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _check(alert: object) -> Alert:
    if not isinstance(alert, dict) or alert.get("status") not in ("firing", "resolved"):
        raise RefusedError(400, "each alert needs a status, firing or resolved")
    if not _is_text(alert.get("labels")) or not _is_text(alert.get("annotations", {})):
        raise RefusedError(400, "an alert's labels and annotations must be objects of strings")
    if not alert["labels"].get("alertname") or not isinstance(alert.get("startsAt"), str):
        raise RefusedError(400, "each alert needs the label alertname and a startsAt")
    return alert


def read_alerts(body: bytes) -> list[Alert]:
    """The alerts of Alertmanager's webhook JSON, version 4; raises RefusedError with the reason."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the body is not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("alerts"), list):
        raise RefusedError(400, "the body must be an object with a list `alerts`")
    return [_check(alert) for alert in message["alerts"]]
