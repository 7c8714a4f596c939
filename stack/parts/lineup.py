"""Which stores run, and whether Grafana does: compose has its own, natively it depends.

A `tempo` or `loki` on PATH runs with compose's configuration; without one an embedded store does.
"""

import shutil
import subprocess
from dataclasses import dataclass

from stack.errors import Fault
from stack.parts import memo
from stack.settings import Settings

VERIFY_SECONDS = 20.0
_GRAFANA = "GRAFANA_RUNS"


@dataclass(frozen=True)
class Signal:
    """What keeps one signal: the variable that decides, the store on PATH, the embedded one."""

    key: str
    found: str
    embedded: str


TRACES = Signal("TRACES_STORE", "tempo", "jaeger")
LOGS = Signal("LOGS_STORE", "loki", "victorialogs")


@dataclass(frozen=True)
class LineUp:
    """The names of the stores that run, and whether Grafana does."""

    traces: str
    logs: str
    grafana: bool

    @property
    def stores(self) -> tuple[str, str]:
        """Both stores' names."""
        return self.traces, self.logs


COMPOSE = LineUp(TRACES.found, LOGS.found, grafana=True)


@dataclass(frozen=True)
class Choice:
    """A line-up, and why each of its members runs or does not: a line each."""

    lineup: LineUp
    why: tuple[str, ...]


def verify_command(name: str) -> list[str]:
    """The command by which `tempo` or `loki` judges the configuration that compose has for it."""
    flag = {"tempo": "-config.verify=true", "loki": "-verify-config"}[name]
    return [name, f"-config.file={name}/{name}.yaml", "-config.expand-env=true", flag]


def _refusal(settings: Settings, name: str) -> str:
    """Why this store cannot run from PATH, empty when it can."""
    if not shutil.which(name):
        return f"no `{name}` on PATH"
    command, repo = verify_command(name), settings.repo
    try:
        done = subprocess.run(
            command,
            cwd=repo,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERIFY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the `{name}` on PATH does not run ({type(error).__name__})"
    return f"the `{name}` on PATH refuses {name}/{name}.yaml" if done.returncode else ""


def _store(settings: Settings, signal: Signal) -> tuple[str, str]:
    """The store of one signal and why it is that one; raises Fault for one that cannot be."""
    wish = settings.values.get(signal.key, "")
    if wish not in ("", signal.found, signal.embedded):
        known = f"use {signal.key}={signal.found} or {signal.key}={signal.embedded}"
        raise Fault(f"{signal.key}={wish} is unknown", known)
    if wish == signal.embedded:
        return wish, f"{signal.key} asks for it"
    refusal = _refusal(settings, signal.found)
    if refusal and wish:
        raise Fault(f"{signal.key}={wish}, but {refusal}", "install it, or leave the variable out")
    if refusal:
        return signal.embedded, refusal
    return signal.found, f"{signal.key} asks for it" if wish else f"`{signal.found}` is on PATH"


def grafana_binary(settings: Settings) -> str:
    """The path of a Grafana on this machine, an empty string when there is none."""
    return settings.values.get("GRAFANA_BIN", "") or shutil.which("grafana") or ""


def _grafana(settings: Settings, stores: tuple[str, str]) -> tuple[bool, str]:
    if stores != COMPOSE.stores:
        return False, "its data sources are Tempo and Loki; `make pictures` draws the boards"
    if not grafana_binary(settings):
        return False, "no `grafana` on PATH; `make pictures` draws the boards"
    return True, "it is on PATH, and Tempo and Loki run"


def choose(settings: Settings) -> Choice:
    """What the native way runs on this machine; raises Fault for a wish that cannot be met."""
    traces, why_traces = _store(settings, TRACES)
    logs, why_logs = _store(settings, LOGS)
    grafana, why_grafana = _grafana(settings, (traces, logs))
    shown = "grafana" if grafana else "no grafana"
    why = (f"{traces} ({why_traces})", f"{logs} ({why_logs})", f"{shown} ({why_grafana})")
    lines = zip(("traces", "logs", "boards"), why, strict=True)
    return Choice(LineUp(traces, logs, grafana), tuple(f"{a}: {b}" for a, b in lines))


def check_compose(settings: Settings) -> None:
    """Raise Fault when a store is asked for that compose.yaml does not have."""
    for signal in (TRACES, LOGS):
        wish = settings.values.get(signal.key, "")
        if wish not in ("", signal.found):
            raise Fault(f"{signal.key}={wish}, but compose has {signal.found}", "use MODE=native")


def running(settings: Settings) -> LineUp:
    """What the last `make up` started; where nothing did, what the variables name, as tests do."""
    known = {**settings.values, **memo.remembered(settings)}
    return LineUp(
        _known(known.get(TRACES.key), TRACES),
        _known(known.get(LOGS.key), LOGS),
        known.get(_GRAFANA, "") == "yes",
    )


def _known(name: object, signal: Signal) -> str:
    """A store of the signal; raises Fault for a name that is none."""
    if name not in (None, "", signal.found, signal.embedded):
        fix = f"use {signal.found} or {signal.embedded}, or make down && make up"
        raise Fault(f"{signal.key}={name} is unknown", fix)
    return str(name or signal.found)


def words(lineup: LineUp) -> dict[str, str]:
    """The line-up as `running` reads it."""
    grafana = "yes" if lineup.grafana else "no"
    return {TRACES.key: lineup.traces, LOGS.key: lineup.logs, _GRAFANA: grafana}
