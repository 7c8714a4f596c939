"""`make alert-test`: one alert through the whole way, and where it arrived."""

import datetime
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping

from stack.containers import compose
from stack.errors import Fault
from stack.native import supervisor
from stack.receivers.chosen import TEAMS, Receiver, chosen
from stack.receivers.probe import Probe
from stack.receivers.running import Count, counts
from stack.run import last_lines
from stack.say import paint, say, step, title
from stack.settings import Settings
from stack.stores.protocol import StoreError, Window
from stack.stores.running import stores

WAIT_SECONDS = 60.0
FAILED = 3
ALERTLOG = "alertlog"
_TOOK = {
    "slack": "Slack answered `ok`; that the channel shows it, only you can see",
    "email": "the mail relay took it; whether it is in the inbox, only you can see",
    "pagerduty": "PagerDuty's Events API took it; whom it pages, its schedule says",
    "webhook": "the address answered 2xx",
}


def _team(settings: Settings) -> str:
    team = settings.values.get("TEAM", "") or TEAMS[0]
    if team not in TEAMS:
        raise Fault(f"TEAM={team} is unknown", f"use one of {', '.join(TEAMS)}")
    return team


def told(receivers: Iterable[Receiver], team: str) -> list[Receiver]:
    """Those of the receivers that an alert of this team goes to."""
    alerts = [receiver for receiver in receivers if receiver.kind != "heartbeat"]
    own = {receiver.kind for receiver in alerts if receiver.team == team}
    return [one for one in alerts if one.team == (team if one.kind in own else "")]


def error_line(lines: Iterable[str], name: str) -> str:
    """The newest line of Alertmanager's log that says why this receiver failed."""
    marks = (f"receiver={name} ", f'err="{name}/')
    found = [line for line in lines if any(mark in line for mark in marks)]
    newest = found[-1] if found else "its log says nothing: `make logs PART=alertmanager`"
    return newest.partition("err=")[2][:400] or newest[:400]


def _log(settings: Settings) -> list[str]:
    if supervisor.running(settings):
        return last_lines(settings.logs / "alertmanager.log", 500)
    said = compose.output(settings, "logs", "--no-color", "--tail", "500", "alertmanager")
    return said.splitlines()


def _is_recorded(settings: Settings, probe: Probe) -> bool:
    window = Window(probe.began.timestamp() - 60, time.time() + 60)
    try:
        found = stores(settings).logs.alerts(window)
        return any(record.fields.get("test_id") == probe.id for record in found)
    except StoreError:
        return False


def _routed(probe: Probe) -> set[str]:
    """The receivers that Alertmanager sends it to; raises Fault where it keeps it back."""
    until = time.monotonic() + 10
    while not (seen := probe.look()) and time.monotonic() < until:
        time.sleep(0.2)
    if not seen:
        raise Fault("Alertmanager took the alert and does not show it", "see its page on :9093")
    status = seen["status"]
    if held := [*status.get("silencedBy", []), *status.get("inhibitedBy", [])]:
        raise Fault(f"a silence or another alert holds it back: {held[0]}", "see its page on :9093")
    return {receiver["name"] for receiver in seen["receivers"]}


def _follow(
    settings: Settings, probe: Probe, names: set[str], before: Mapping[str, Count]
) -> tuple[dict[str, float], Mapping[str, Count]]:
    """Seconds until each arrived, and what was counted until all did or a minute was over."""
    arrived, start = dict[str, float](), time.monotonic()
    while True:
        now = counts()
        since = {name: one.since(before.get(name, Count())) for name, one in now.items()}
        took = {name for name, one in since.items() if one.tried > one.failed}
        if ALERTLOG in took and not _is_recorded(settings, probe):
            took.remove(ALERTLOG)
        arrived |= {n: time.monotonic() - start for n in (names & took) - set(arrived)}
        if names <= set(arrived) or time.monotonic() - start > WAIT_SECONDS:
            return arrived, since
        time.sleep(0.5)


def _outcomes(
    settings: Settings,
    receivers: Iterable[Receiver],
    arrived: Mapping[str, float],
    since: Mapping[str, Count],
) -> Iterator[tuple[bool, str, str]]:
    """For each receiver whether it arrived, the receiver, and what is known of it."""
    store = stores(settings).logs.name
    logs = _log(settings)
    for name, shown, took in (
        (ALERTLOG, ALERTLOG, f"its record is in {store}"),
        *((one.name, one.shown, _TOOK[one.kind]) for one in receivers),
    ):
        count = since.get(name, Count())
        if name in arrived:
            yield True, shown, f"{took} ({arrived[name]:.0f} s)"
        elif count.tried > count.failed:
            yield False, shown, f"it answered 2xx, but no record is in {store}"
        elif count.failed:
            yield False, shown, f"{count.failed:.0f} attempts failed: {error_line(logs, name)}"
        else:
            yield False, shown, f"not sent within {WAIT_SECONDS:.0f} s"


def _heartbeat(receivers: Iterable[Receiver], now: Mapping[str, Count]) -> Iterator[str]:
    for one in receivers:
        count = now.get(one.name, Count())
        if one.kind == "heartbeat":
            seen = f"{count.tried:.0f} sent, {count.failed:.0f} of them failed"
            yield f"{one.name} hears Watchdog only: {seen} since Alertmanager read its file"


def _not_asked(receivers: Collection[Receiver], asked: Iterable[Receiver]) -> Iterator[str]:
    every, names = {one.name for one in receivers}, {one.name for one in asked}
    for one in receivers:
        if one.kind != "heartbeat" and one.name not in names:
            without = [team for team in TEAMS if f"{one.kind}-{team}" not in every]
            team = one.team or next(iter(without), "none, each has its own")
            yield f"{one.shown} was not asked: make alert-test TEAM={team}"


def _check_known(wanted: Iterable[Receiver], routed: set[str]) -> None:
    if strangers := sorted({one.name for one in wanted} ^ (routed - {ALERTLOG})):
        said = f"{strangers[0]} is either in .env or in the Alertmanager that runs, not in both"
        raise Fault(said, "`make up` brings them together")


def alert_test(settings: Settings) -> int:
    """Send it, follow it, end it; returns 3 when one receiver did not get it."""
    receivers, team = chosen(settings), _team(settings)
    wanted, before = told(receivers, team), counts()
    began = datetime.datetime.now(datetime.UTC)
    probe = Probe(secrets.token_hex(4), team, began)
    title(f"AlertTest {probe.id}: critical, team {team}")
    probe.fire()
    try:
        routed = _routed(probe)
        _check_known(wanted, routed)
        with step(f"waiting for {len(routed)} receivers"):
            arrived, since = _follow(settings, probe, routed, before)
    finally:
        probe.resolve(datetime.datetime.now(datetime.UTC))
    results = list(_outcomes(settings, wanted, arrived, since))
    for good, shown, known in results:
        word = paint("arrived", "green") if good else paint("FAILED", "red")
        say(f"  {word:<8} {shown}: {known}")
    for line in (*_not_asked(receivers, wanted), *_heartbeat(receivers, counts())):
        say(f"  {line}")
    say("  ended: who was told hears of that within half a minute")
    return 0 if all(good for good, _, _ in results) else FAILED
