"""`make status`: the parts, the active alerts and the telemetry that was lost."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from stack.alerts.read import read
from stack.alerts.told import gaps, sentence
from stack.containers import compose
from stack.drills import left
from stack.evidence import grafana, recorded
from stack.http import UNREADABLE, answered, get_json, refusal
from stack.native import supervisor, turn
from stack.native.supervisor import Process
from stack.parts import lineup
from stack.parts.memo import remembered
from stack.parts.table import GRAFANA, Part, parts
from stack.receivers import running as alertmanager
from stack.say import lasting, paint, say, title, visible
from stack.settings import Settings
from stack.stores.protocol import LogStore
from stack.stores.running import stores

UNHEALTHY = 3
_LOST = (
    "sum by (signal, result) "
    '(llm_telemetry_items_total{job="llm-server", result=~"failed|dropped"}) > 0'
)
_DISCARDED = "job_reason:telemetry_discarded_items:sum > 0"


def _row(part: Part, process: Process | None, refused: str | None) -> str:
    state = process.state if process else "absent"
    pid = str(process.pid) if process and process.pid else "-"
    uptime = lasting(process.uptime) if process and process.uptime else "-"
    bad = f"NOT HEALTHY {refused}".rstrip()
    word = paint("healthy", "green") if refused is None else paint(bad, "red")
    return f"  {part.name:<15} {state:<10} {pid:>8} {uptime:>9}  {word}"


def _table(wanted: tuple[Part, ...], processes: Mapping[str, Process]) -> bool:
    with ThreadPoolExecutor(len(wanted)) as pool:
        refused = list(pool.map(lambda part: refusal(part.probe_url), wanted))
    say(paint(f"  {'part':<15} {'state':<10} {'pid':>8} {'uptime':>9}  health", "dim"))
    for part, why in zip(wanted, refused, strict=True):
        say(_row(part, processes.get(part.name), why))
    return all(why is None for why in refused)


def _data_sources(settings: Settings, wanted: tuple[Part, ...]) -> bool:
    """True when Grafana does not run or has each of its data sources; else says what is wrong."""
    found = grafana.problems(settings) if GRAFANA in wanted else []
    for problem in found:
        say(f"  {paint('NOT HEALTHY', 'red')}  {visible(problem)}")
    return not found


def _alerts() -> None:
    title("Active alerts")
    board, now = read(), time.time()
    for gone in gaps(board):
        say(f"  {gone}")
    for alert in board.firing:
        say(sentence(alert, now))
    if not board.firing and board.prometheus:
        say("  none")


def heartbeat_line(status: int, body: str) -> tuple[bool, str]:
    """Whether alerts would be heard, and how alertlog's answer to GET /heartbeat reads."""
    try:
        said = json.loads(body)
        state, age = str(said["status"]), said["age_seconds"]
        last = "never came" if age is None else f"{lasting(float(age))} ago"
    except UNREADABLE:
        return False, f"not known: alertlog answered {status or 'nothing'}"
    if state == "waiting":
        return True, "heartbeat of the alerts: none yet, alertlog has just started"
    if state == "ok":
        return True, f"heartbeat of the alerts: {last}"
    return False, (
        f"heartbeat of the alerts: {last}, so no alert may arrive: is Watchdog on "
        f"{alertmanager.URL}, does Prometheus reach it? (docs/alerts.md)"
    )


def _heartbeat() -> bool:
    good, line = heartbeat_line(*answered("http://127.0.0.1:9095/heartbeat"))
    say(f"  {line}" if good else f"  {paint('NOT HEALTHY', 'red')}  {line}")
    return good


def _drill(settings: Settings) -> bool:
    """False where a drill that was killed left the stack as it had made it."""
    if pid := turn.drill_pid(settings):
        say(f"  a drill runs (pid {pid}): until it ends, alerts go to it alone")
        return True
    lines = left.found(settings)
    for line in lines:
        say(f"  {paint('NOT HEALTHY', 'red')}  {line}: a drill was killed, `make up` puts it right")
    return not lines


def _rows(query: str) -> list[Any]:
    answer = get_json(f"http://127.0.0.1:9090/api/v1/query?query={quote(query)}")
    return list(answer["data"]["result"]) if answer else []


def _lost_lines() -> list[str]:
    lines = [
        f"{float(row['value'][1]):.0f} {row['metric']['signal']} {row['metric']['result']}"
        for row in _rows(_LOST)
    ]
    return lines + [
        f"{float(row['value'][1]):.0f} thrown away by {row['metric']['job']}: "
        f"{row['metric'].get('reason', 'no reason given')}"
        for row in _rows(_DISCARDED)
    ]


def _lost() -> None:
    try:
        lines = _lost_lines()
    except UNREADABLE:
        lines = ["not known: what answers on port 9090 is no Prometheus"]
    if lines:
        title("Telemetry lost since its part started")
    for line in lines:
        say(f"  {visible(line)}")


def recorded_lines(seen: recorded.Recorded | str, store: str) -> list[str]:
    """Requests beside records, and what a difference means."""
    if isinstance(seen, str):
        return [f"not known: {seen}"]
    since = "since the server started" if seen.exact else "to a scrape at its beginning"
    count = f"{seen.counted:,} requests counted, {seen.found:,} records in {store}"
    lines = [f"{count}, {lasting(seen.seconds)}, {since}"]
    if seen.exact and seen.found < seen.counted:
        lost = f"{seen.counted - seen.found:,} records are not there"
        lines.append(f"{lost}: lost in a kill of a part, or waiting in the Collector's queue")
    return lines


def _recorded(store: LogStore) -> None:
    title("Requests and their records")
    for line in recorded_lines(recorded.settled(store), store.name):
        say(f"  {visible(line)}")


def status(settings: Settings) -> int:
    """Print all of it; returns 0 when every part is healthy and alerts are heard of, else 3."""
    found = supervisor.running(settings)
    is_compose = not found and remembered(settings).get("way") == "compose"
    if not found and not (is_compose and compose.is_up(settings)):
        say("not running: `make up` starts it")
        return UNHEALTHY
    say(f"way: {'compose' if is_compose else 'native'}")
    wanted = parts(lineup.running(settings))
    seen = found.processes() if found else compose.containers(settings)()
    healthy = all([_table(wanted, seen), _data_sources(settings, wanted)])
    _alerts()
    healthy = _heartbeat() and healthy
    healthy = (is_compose or _drill(settings)) and healthy
    _lost()
    _recorded(stores(settings).logs)
    return 0 if healthy else UNHEALTHY
