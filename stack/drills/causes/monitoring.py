"""Causes at those who watch: rules that fail, alerts that go nowhere, too many series."""

import datetime
import json
from collections.abc import Iterator
from contextlib import contextmanager

from stack.drills.hands import wait
from stack.drills.pages import Page
from stack.drills.scene import Scene
from stack.errors import Fault
from stack.http import answered
from stack.receivers.running import URL as ALERTMANAGER

PROBE = "DrillProbe"
"""The alert whose notifications the receiver refuses."""
PROBES = 3
"""Alertmanager gives up after 10 s, and the shortened window holds only two of those."""
HEARTBEAT = "http://127.0.0.1:9095/heartbeat"
SILENT_SECONDS = 400.0
_FIRES = "expr: vector(1)"
_BROKEN = """groups:
  - name: drill-broken
    query_offset: 0s
    rules:
      - record: drill:broken
        expr: up * on () up
"""


@contextmanager
def broken_rule(scene: Scene) -> Iterator[None]:
    """A rule that Prometheus can read and not evaluate: it matches many to many."""
    file = scene.rig.alerts / "drill-broken.yaml"
    file.write_text(_BROKEN, encoding="utf-8")
    try:
        scene.rig.reload_prometheus()
        scene.begin()
        yield
    finally:
        file.unlink()
        scene.rig.reload_prometheus()


@contextmanager
def no_alertmanager(scene: Scene) -> Iterator[None]:
    """Prometheus knows of no Alertmanager, though one runs."""
    with scene.rig.targets_changed("alertmanagers.yaml", lambda _: "[]\n"):
        scene.begin()
        yield


@contextmanager
def alertmanager_down(scene: Scene) -> Iterator[None]:
    """Alertmanager is stopped: Prometheus sees it and can tell nobody."""
    with scene.hands.stopped("alertmanager"):
        scene.begin()
        yield
    # It began with the drill's receiver, which stands in its file.


def _probe(seconds: float) -> None:
    """Send the probes to Alertmanager, to end in so many seconds."""
    ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    labels = {"alertname": PROBE, "severity": "warning", "team": "observability"}
    notes = {"summary": "a probe of a drill"}
    probes = [
        {
            "labels": {**labels, "probe": str(number)},
            "annotations": notes,
            "endsAt": ends.isoformat(),
        }
        for number in range(PROBES)
    ]
    status, why = answered(f"{ALERTMANAGER}/api/v2/alerts", json.dumps(probes).encode())
    if status != 200:
        raise Fault(f"Alertmanager took no alert: {why}", "`make logs PART=alertmanager`")


def _is_heard() -> bool:
    """False once alertlog has missed the heartbeat for too long."""
    status, body = answered(HEARTBEAT)
    try:
        return status == 200 and json.loads(body)["status"] != "silent"
    except (ValueError, KeyError, TypeError):
        return False


@contextmanager
def watchdog_silent(scene: Scene) -> Iterator[None]:
    """Watchdog no longer fires; `make status` has to notice, for no alert can say so."""
    file = scene.rig.alerts / "monitoring.yaml"
    shipped = file.read_text(encoding="utf-8")
    file.write_text(shipped.replace(_FIRES, f"{_FIRES} < 0"), encoding="utf-8")
    try:
        scene.rig.reload_prometheus()
        scene.begin()
        wait("silence of the heartbeat", lambda: not _is_heard(), SILENT_SECONDS)
        yield
    finally:
        file.write_text(shipped, encoding="utf-8")
        scene.rig.reload_prometheus()
        wait("heartbeat", _is_heard, SILENT_SECONDS)


@contextmanager
def refusing_receiver(scene: Scene) -> Iterator[None]:
    """A receiver answers 500 to every notification of one alert."""
    scene.receiver.refuses = PROBE
    try:
        _probe(600)
        scene.begin()
        yield
    finally:
        scene.receiver.refuses = ""
        _probe(0)


def many(seconds: float) -> str:
    """A page of series that only a label tells apart."""
    del seconds
    return "".join(f'drill_flood{{id="{number}"}} 1\n' for number in range(30_000))


@contextmanager
def flood(scene: Scene) -> Iterator[None]:
    """Somebody writes values without bound into a label."""
    with scene.target(Page(many), "drill"):
        yield
