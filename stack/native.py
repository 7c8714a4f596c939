"""The native way: the environment of supervisord, its start and its end."""

import os
import shutil
import subprocess
import time

from stack import gobuild, orphans, secret, supervisor, venv
from stack.errors import Fault
from stack.run import last_error
from stack.settings import Settings

STOP_SECONDS = 90.0
_BINARIES = {
    "BIN_OTELCOL": "otelcol",
    "BIN_PROMETHEUS": "prometheus",
    "BIN_ALERTMANAGER": "alertmanager",
    "BIN_TEMPO": "tempo",
    "BIN_LOKI": "loki",
    "BIN_NODE_EXPORTER": "node_exporter",
}
_ADDRESSES = {
    "TEMPO_OTLP_ENDPOINT": "127.0.0.1:14317",
    "LOKI_OTLP_ENDPOINT": "http://127.0.0.1:3100/otlp",
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
}


def grafana_binary(settings: Settings) -> str:
    """The path of a Grafana on this machine, an empty string when there is none."""
    named = settings.values.get("GRAFANA_BIN", "")
    return named or shutil.which("grafana") or ""


def environment(settings: Settings, model: str) -> dict[str, str]:
    """Every variable that native/supervisord.conf and the parts' configurations read."""
    folders = {"REPO": settings.repo, "STATE_DIR": settings.state}
    binaries = {key: gobuild.binary(settings, name) for key, name in _BINARIES.items()}
    paths = {**folders, **binaries, "VENV": venv.folder(settings, "native")}
    return {
        **_DEFAULTS,
        **{key: value for key, value in settings.values.items() if value},
        **_ADDRESSES,
        **{key: str(path) for key, path in paths.items()},
        "GRAFANA_BIN": grafana_binary(settings),
        "MODEL": model,
        "SERVED_MODEL_NAME": settings.served_name,
        "VLLM_ARGS": settings.vllm_args,
        "LLM_SERVER_STATE_DIR": str(settings.state / "server"),
        orphans.MARK: str(settings.state),
    }


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


def _folders(settings: Settings) -> None:
    for name in ("prometheus", "tempo", "loki", "otel-collector", "alertmanager", "server"):
        (settings.state / name).mkdir(parents=True, exist_ok=True)
    settings.logs.mkdir(parents=True, exist_ok=True)
    settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)


def _include_grafana(settings: Settings) -> None:
    """Put Grafana's program where supervisord includes it, when there is a Grafana to run."""
    rendered = settings.run / "grafana.conf"
    rendered.unlink(missing_ok=True)
    if grafana_binary(settings):
        secret.ensure(settings)
        (settings.state / "grafana").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(settings.repo / "native" / "grafana.conf", rendered)


def start(settings: Settings, model: str) -> supervisor.Supervisor:
    """Start supervisord, which starts every part; raises Fault when it refuses."""
    _folders(settings)
    _include_grafana(settings)
    command = [str(venv.folder(settings, "native") / "bin" / "supervisord"), "-c"]
    done = subprocess.run(
        [*command, str(settings.repo / "native" / "supervisord.conf")],
        env={**os.environ, **environment(settings, model)},
        cwd=settings.repo,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise Fault(f"supervisord did not start: {said[-1]}", "see native/supervisord.conf")
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
