"""The native way: the environment of supervisord, its start and its end."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from stack import secret
from stack.builds import gobuild, venv
from stack.errors import Fault
from stack.native import orphans, supervisor
from stack.parts import lineup
from stack.parts.lineup import LineUp
from stack.parts.table import GRAFANA, STORES
from stack.receivers import backend, render
from stack.receivers.chosen import Receiver
from stack.run import last_error
from stack.settings import Settings

STOP_SECONDS = 90.0
_BINARIES = {
    "BIN_OTELCOL": "otelcol",
    "BIN_PROMETHEUS": "prometheus",
    "BIN_ALERTMANAGER": "alertmanager",
    "BIN_NODE_EXPORTER": "node_exporter",
}
_EMBEDDED = {"jaeger": "jaeger", "victorialogs": "victoria-logs"}
"""The stores that we compile, and the names of their binaries."""
_ADDRESSES = {
    "TRACES_OTLP_ENDPOINT": "127.0.0.1:14317",
    "PROMETHEUS_OTLP_ENDPOINT": "http://127.0.0.1:9090/api/v1/otlp",
    "OTLP_LISTEN_HOST": "127.0.0.1",
    "LISTEN_HOST": "127.0.0.1",
    "LLM_SERVER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
    "LLM_SERVER_METRICS_HOST": "127.0.0.1",
    "LLM_SERVER_METRICS_PORT": "9464",
    "LLM_SERVER_INSTANCE": "127.0.0.1:9464",
    "PROMETHEUS_URL": "http://127.0.0.1:9090",
    "TEMPO_URL": "http://127.0.0.1:3200",
    "LOKI_URL": "http://127.0.0.1:3100",
    "ALERTMANAGER_URL": "http://127.0.0.1:9093",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LOGS_OTLP = {
    "loki": "http://127.0.0.1:3100/otlp",
    "victorialogs": "http://127.0.0.1:9428/insert/opentelemetry",
}
_DEFAULTS = {
    "METRICS_RETENTION": "40d",
    "METRICS_RETENTION_SIZE": "8GB",
    "TRACES_RETENTION": "336h",
    "LOGS_RETENTION": "336h",
    "LLM_SERVER_PRICES": "server/prices.yaml",
    "LLM_SERVER_BUDGETS": "",
    "LLM_SERVER_KEYS": "",
    "LLM_SERVER_DEADLINE_SECONDS": "600",
    "LLM_SERVER_MAX_BODY_BYTES": "16777216",
    "LLM_SERVER_TOKENIZE": "0",
    "LLM_SERVER_SHOW_NATIVE_OUTPUT": "0",
    "LLM_SERVER_TELL_COST": "price",
    "LLM_SERVER_STALL_SECONDS": "20",
    "LLM_SERVER_CALLERS_COUNT_TOKENS": "0",
}


def recipes(runs: LineUp) -> tuple[gobuild.Recipe, ...]:
    """What has to be compiled for this line-up: no store that another one stands in for."""
    left_out = set(_EMBEDDED) - set(runs.stores)
    return tuple(recipe for recipe in gobuild.RUN if recipe.part not in left_out)


def _store_binary(settings: Settings, name: str) -> str:
    made = _EMBEDDED.get(name)
    return str(gobuild.binary(settings, made)) if made else shutil.which(name) or name


def _alertlog_pages(runs: LineUp) -> dict[str, str]:
    """What a browser opens of this line-up; empty for what does not run."""
    pages = {name: f"http://127.0.0.1:{part.ports[0]}" for name, part in STORES.items()}
    opened = {name: url if name in runs.stores else "" for name, url in pages.items()}
    opened["grafana"] = GRAFANA.page_url.rstrip("/") if runs.grafana else ""
    return {f"ALERTLOG_{name.upper()}_URL": url for name, url in opened.items()}


def environment(settings: Settings, model: str, runs: LineUp) -> dict[str, str]:
    """Every variable that native/supervisord.conf and the parts' configurations read."""
    folders = {"REPO": settings.repo, "STATE_DIR": settings.state}
    binaries = {key: gobuild.binary(settings, name) for key, name in _BINARIES.items()}
    paths = {**folders, **binaries, "VENV": venv.folder(settings, "native")}
    return {
        **_DEFAULTS,
        **_given(settings),
        **_ADDRESSES,
        **_alertlog_pages(runs),
        **{key: str(path) for key, path in paths.items()},
        **{f"BIN_{name.upper()}": _store_binary(settings, name) for name in runs.stores},
        "LOGS_OTLP_ENDPOINT": _LOGS_OTLP[runs.logs],
        "GRAFANA_BIN": lineup.grafana_binary(settings),
        "MODEL": model,
        "SERVED_MODEL_NAME": settings.served_name,
        **backend.variables(settings, backend.chosen(settings)),
        "VLLM_ARGS": settings.vllm_args,
        "LLM_SERVER_STATE_DIR": str(settings.state / "server"),
        orphans.MARK: str(settings.state),
    }


def _given(settings: Settings) -> dict[str, str]:
    given = {k: v for k, v in _without_otel(settings.values).items() if v}
    return {**given, **dict.fromkeys(("NO_PROXY", "no_proxy"), _no_proxy(given))}


def _without_otel(env: Mapping[str, str]) -> dict[str, str]:
    # The server and every part written in Go read them, and change names, samples and addresses.
    return {key: value for key, value in env.items() if not key.startswith("OTEL_")}


def _no_proxy(given: Mapping[str, str]) -> str:
    """Whom the parts ask past a proxy: each other, and whomever the shell names."""
    named = given.get("no_proxy") or given.get("NO_PROXY") or ""
    return ",".join([*filter(None, named.split(",")), *_LOOPBACK])


def make_model(settings: Settings) -> str:
    """The model to serve: the embedded one, made on first use, or the one that MODEL names."""
    if not settings.is_tiny:
        return settings.values["MODEL"]
    python = str(venv.folder(settings, "native") / "bin" / "python")
    log = settings.logs / "build-model.log"
    with log.open("w") as errors:
        done = subprocess.run(
            [python, "-m", "server.tiny_model"],
            cwd=settings.repo,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode != 0 or not done.stdout.strip():
        raise Fault(f"the embedded model could not be made: {last_error(log)}", f"see {log}")
    return done.stdout.strip().splitlines()[-1]


def _folders(settings: Settings, runs: LineUp) -> None:
    parts = ("prometheus", "otel-collector", "alertmanager", "server", *runs.stores)
    for name in (*parts, "grafana") if runs.grafana else parts:
        (settings.state / name).mkdir(parents=True, exist_ok=True)
    settings.logs.mkdir(parents=True, exist_ok=True)
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)


def _take(source: Path, target: Path, names: Iterable[str], ending: str) -> None:
    """Make the target folder hold these files of the source and no other of them.

    What an operator has put there stays.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob(f"*{ending}"):
        (target / path.name).unlink(missing_ok=True)
    for name in names:
        shutil.copyfile(source / f"{name}{ending}", target / f"{name}{ending}")


def _include(settings: Settings, runs: LineUp) -> None:
    """Put programs and scrape targets of this line-up where supervisord and Prometheus look."""
    names = (*runs.stores, "grafana") if runs.grafana else runs.stores
    _take(settings.repo / "native" / "programs", settings.run / "programs", names, ".conf")
    targets = settings.repo / "prometheus" / "targets" / "native-extra"
    _take(targets, settings.run / "prometheus" / "targets-extra", names, ".yaml")
    if runs.grafana:
        secret.ensure(settings)


def start(
    settings: Settings, model: str, runs: LineUp, receivers: tuple[Receiver, ...]
) -> supervisor.Supervisor:
    """Start supervisord, which starts every part; raises Fault when it refuses."""
    _folders(settings, runs)
    _include(settings, runs)
    render.write(settings, receivers, render.on_host)
    backend.write(settings, backend.chosen(settings))
    program = venv.folder(settings, "native") / "bin" / "supervisord"
    file = settings.repo / "native" / "supervisord.conf"
    return launch(settings, program, file, environment(settings, model, runs))


def launch(
    settings: Settings, program: Path, file: Path, variables: Mapping[str, str]
) -> supervisor.Supervisor:
    """Run supervisord with this configuration until it answers; raises Fault when it refuses."""
    done = subprocess.run(
        [str(program), "-c", str(file)],
        env={**_without_otel(os.environ), **variables},
        cwd=settings.repo,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Fault(f"supervisord did not start: {said[-1]}", f"see {file}")
    return _answering(settings)


def _answering(settings: Settings) -> supervisor.Supervisor:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if found := supervisor.running(settings):
            return found
        time.sleep(0.2)
    raise Fault("supervisord does not answer", f"see {settings.logs / 'supervisord.log'}")


def stop(settings: Settings) -> bool:
    """Stop every part and what they left behind; False when nothing ran."""
    found = supervisor.running(settings)
    if found:
        pid = found.pid()
        found.shutdown()
        until = time.monotonic() + STOP_SECONDS
        while orphans.is_alive(pid) and time.monotonic() < until:
            time.sleep(0.2)
    left = orphans.end(settings)
    return bool(found) or left > 0
