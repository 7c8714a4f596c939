"""A second server, of a model that only pools, whose telemetry comes to the test alone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from server.tiny_model import TinyModel, make_once, models_folder
from stack.readiness import ports
from tests import docs
from tests.conftest import REPO
from tests.e2e.client import poll
from tests.e2e.sink import Sink, value
from tests.unit.listening import listening

MODEL = "tiny-llama"
"""As the price list calls the embedded model."""
START_SECONDS = 240.0
LABELS = {"architectures": ["LlamaForSequenceClassification"], "num_labels": 1}
FLAGS = ("--runner", "pooling", "--convert", "classify", "--hf-overrides", json.dumps(LABELS),
         "--load-format", "dummy", "--enforce-eager", "--dtype", "float32",
         "--max-model-len", "512", "--max-num-seqs", "8")  # fmt: skip
"""Random weights: the embedded model has no head that classifies."""


class Server:
    """The running server, and what it told of a request."""

    def __init__(self, url: str, metrics: str, sink: Sink) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self.metrics_url = metrics
        self._sink = sink

    def ask(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Post JSON for the served model."""
        return self._http.post(path, json={"model": MODEL, **body})

    def line(self, trace_id: str) -> dict[str, Any]:
        """The one request_finished line of a trace."""

        def look() -> list[dict[str, Any]]:
            lines = [line for line in self._sink.lines if line["trace_id"] == trace_id]
            return [line for line in lines if line.get("event") == "request_finished"]

        (found,) = poll(f"request_finished of {trace_id}", look)
        return found

    def spans(self, trace_id: str) -> dict[str, dict[str, Any]]:
        """The attributes of each span of a trace by its name."""

        def look() -> dict[str, dict[str, Any]]:
            own = [span for span in self._sink.spans if span.trace_id.hex() == trace_id]
            return {s.name: {a.key: value(a.value) for a in s.attributes} for s in own}

        return poll(f"spans of {trace_id}", look)

    def metrics(self) -> str:
        """What a scrape says now."""
        return httpx.get(self.metrics_url, trust_env=False).raise_for_status().text


def _documented(
    folder: Path, model: str, port: int, metrics: int, collector: str
) -> tuple[dict[str, str], list[str]]:
    """The way of docs/existing-stack.md to start nothing but the server, with these addresses."""
    instead = {
        "http://collector.example.org:4318": collector,
        "METRICS_HOST=0.0.0.0": "METRICS_HOST=127.0.0.1",
        "METRICS_PORT=9464": f"METRICS_PORT={metrics}",
        "gpu-box.example.org:9464": f"127.0.0.1:{metrics}",
        "/var/lib/llm-server": str(folder / "state"),
        "/opt/llm-server/bin/python": sys.executable,
        "Qwen/Qwen3-0.6B": model,
        "--port 8000": f"--port {port}",
    }
    variables, words = docs.command(docs.block("existing-stack.md", "server", instead))
    return variables, [*words, "--served-model-name", MODEL, *FLAGS]


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """The server, with its books and its log in the folder."""
    port, metrics = ports.any_free(), ports.any_free()
    model = make_once(TinyModel(), models_folder())
    with listening(sink := Sink()) as collector, (folder / "server.log").open("w") as log:
        ours, command = _documented(folder, str(model), port, metrics, collector)
        known = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "LLM_SERVER"))}
        ours |= {
            "PYTHONDONTWRITEBYTECODE": "", "LLM_OBSERVABILITY_SERVER": str(folder),
            # By default vLLM wants most of the machine's memory, where another server has its part.
            "VLLM_CPU_KVCACHE_SPACE": "1",
        }  # fmt: skip
        process = subprocess.Popen(
            command, cwd=REPO, env={**known, **ours}, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _await_ready(process, url, folder / "server.log")
            yield Server(url, f"http://127.0.0.1:{metrics}/metrics", sink)
        finally:
            process.terminate()
            process.wait(60)


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(f"the pooling server did not start:\n{log.read_text()[-3000:]}")
