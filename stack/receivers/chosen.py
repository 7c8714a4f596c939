"""The receivers that `.env` names beside alertlog: what is set by half is refused."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from stack.errors import Fault
from stack.receivers import files
from stack.settings import Settings, read_env_file

TEAMS = ("serving", "observability", "cost")
"""Whom an alert's label `team` names, and so whom a key may be written for: SLACK_CHANNEL_COST."""
SEVERITIES = {
    "slack": "critical|warning",
    "email": "critical|warning",
    "pagerduty": "critical",
    "webhook": "critical|warning",
    "heartbeat": "none",
}
"""What each kind of receiver is told, as a regular expression for the label `severity`."""
_CHANNEL = re.compile(r"[#@]?[^\s{}<>#@]{1,80}")
_ADDRESS = r"[^\s@{},<>\"]+@[^\s@{},<>\"]+"
_ADDRESSES = re.compile(rf"{_ADDRESS}(\s*,\s*{_ADDRESS})*")
_SMARTHOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}")
_USER = re.compile(r"[^\s{}]+")
_MAX_VALUE = 2000
"""Characters of a value; longer than any list of addresses, shorter than a file put there."""
_WEBHOOKS = ("SLACK_WEBHOOK_FILE", *(f"SLACK_WEBHOOK_FILE_{team.upper()}" for team in TEAMS))
_EMAIL = ("ALERT_EMAIL_FROM", "ALERT_EMAIL_SMARTHOST")
_LOGIN = ("ALERT_EMAIL_USER", "ALERT_EMAIL_PASSWORD_FILE")


@dataclass(frozen=True)
class Receiver:
    """One receiver: its name, its kind, its secret file if it has one, what else its block says."""

    name: str
    kind: str
    secret: Path | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    team: str = ""
    """Empty for one that is told of every team that has none of its own."""

    @property
    def shown(self) -> str:
        """Name and place in a few words, without anything secret."""
        place = self.words.get("channel") or self.words.get("to") or ""
        return f"{self.name} ({place})" if place else self.name


def chosen(settings: Settings) -> tuple[Receiver, ...]:
    """Every receiver that the settings name; raises Fault with key and fix for one of no use."""
    ours = read_env_file(settings.repo / ".env")
    _check_teams(ours)
    settings = _without_foreign(settings, ours)
    found = [*_slack(settings), *_email(settings)]
    for kind, key, holds in (
        ("pagerduty", "PAGERDUTY_KEY_FILE", files.KEY),
        ("webhook", "ALERT_WEBHOOK_URL_FILE", files.URL),
        ("heartbeat", "ALERT_HEARTBEAT_URL_FILE", files.URL),
    ):
        if _value(settings, key):
            name = "heartbeat-outside" if kind == "heartbeat" else kind
            found.append(Receiver(name, kind, files.secret(settings, key, holds)))
    return tuple(found)


def _value(settings: Settings, key: str) -> str:
    return settings.values.get(key, "").strip()


def _without_foreign(settings: Settings, ours: Mapping[str, str]) -> Settings:
    """The settings without a channel that only the shell names, where no webhook is named.

    Other tools call theirs SLACK_CHANNEL too; a channel alone reaches nobody.
    """
    if any(_value(settings, key) for key in _WEBHOOKS):
        return settings
    kept = {
        key: text
        for key, text in settings.values.items()
        if not key.startswith("SLACK_CHANNEL") or ours.get(key)
    }
    return replace(settings, values=kept)


def _check_teams(ours: Mapping[str, str]) -> None:
    """Of `.env` only: the shell has variables of others, such as SLACK_CHANNEL_ID in many a CI."""
    known = {team.upper() for team in TEAMS}
    for key in sorted(ours):
        for base in ("SLACK_CHANNEL_", "SLACK_WEBHOOK_FILE_", "ALERT_EMAIL_TO_"):
            if key.startswith(base) and key.removeprefix(base) not in known:
                raise Fault(f"{key} names no team", f"teams are {', '.join(sorted(known))}")


def _of_teams(settings: Settings, *bases: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each team with keys of its own, and for every base the key that holds for it."""
    for team in TEAMS:
        own = {base: f"{base}_{team.upper()}" for base in bases}
        if any(_value(settings, key) for key in own.values()):
            yield team, {b: key if _value(settings, key) else b for b, key in own.items()}


def _need(settings: Settings, key: str, because: str) -> str:
    """The value of a key that another one needs; raises Fault without it."""
    if value := _value(settings, key):
        return value
    raise Fault(f"{because} is set, but {key} is not", f"set {key} in .env, or leave both out")


def _shaped(settings: Settings, key: str, shape: re.Pattern[str], like: str) -> str:
    value = _value(settings, key)
    # YAML allows no control characters, and nobody sees those that it does.
    is_one = len(value) <= _MAX_VALUE and value.isprintable() and shape.fullmatch(value)
    if value and not is_one:
        # Not the value: some write user and password in front of a host.
        raise Fault(f"{key} is not understood", f"write it like {like}")
    return value


def _slack(settings: Settings) -> Iterator[Receiver]:
    both = "SLACK_WEBHOOK_FILE", "SLACK_CHANNEL"
    teams = list(_of_teams(settings, *both))
    given = [both[1], *(key for _, keys in teams for key in keys.values())]
    for key in [key for key in given if _value(settings, key) and key != both[0]]:
        _need(settings, both[0], key)
    if _value(settings, both[0]):
        for team, keys in [("", dict(zip(both, both, strict=True))), *teams]:
            path = files.secret(settings, keys[both[0]], files.URL)
            channel = _shaped(settings, keys[both[1]], _CHANNEL, "#llm-alerts")
            yield Receiver(_name("slack", team), "slack", path, {"channel": channel}, team)


def _name(kind: str, team: str) -> str:
    return f"{kind}-{team}" if team else kind


def _email(settings: Settings) -> Iterator[Receiver]:
    base = "ALERT_EMAIL_TO"
    teams = list(_of_teams(settings, base))
    given = [*_EMAIL, *_LOGIN, *(keys[base] for _, keys in teams)]
    for key in [key for key in given if _value(settings, key)]:
        _need(settings, base, key)
    if not _value(settings, base):
        return
    for key in _EMAIL:
        _need(settings, key, base)
    words, path = _relay(settings), _login(settings)
    for team, keys in [("", {base: base}), *teams]:
        to = _shaped(settings, keys[base], _ADDRESSES, "oncall@example.org")
        yield Receiver(_name("email", team), "email", path, {"to": to, **words}, team)


def _relay(settings: Settings) -> dict[str, str]:
    sender = _shaped(settings, _EMAIL[0], re.compile(_ADDRESS), "alerts@example.org")
    relay = _shaped(settings, _EMAIL[1], _SMARTHOST, "smtp.example.org:587")
    if not files.is_port(relay.rpartition(":")[2]):
        raise Fault(f"{_EMAIL[1]} has a port that is none", "give one from 1 to 65535, such as 587")
    user = _shaped(settings, _LOGIN[0], _USER, "alerts@example.org")
    host = relay.rpartition(":")[0]
    return {"sender": sender, "smarthost": relay, "user": user, "host": host}


def _login(settings: Settings) -> Path | None:
    for key, other in (_LOGIN, _LOGIN[::-1]):
        if _value(settings, key):
            _need(settings, other, key)
    return (
        files.secret(settings, _LOGIN[1], files.PASSWORD) if _value(settings, _LOGIN[1]) else None
    )


def is_on_this_machine(host: str) -> bool:
    """True for a mail relay that no network lies in front of."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
