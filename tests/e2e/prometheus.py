"""A Prometheus that is not ours, by the configuration and flags of docs/existing-stack.md."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stack.http import probe
from stack.readiness import ports
from tests import docs
from tests.conftest import run_stack
from tests.e2e.client import poll
from tests.e2e.stores import HTTP

PAGE = "existing-stack.md"


def exported(folder: Path) -> Path:
    """What `make export` writes, as the page calls it; the folder that stands in its TO."""
    target = folder / "export"
    given, words = docs.command(docs.block(PAGE, "export", {"/etc/llm-observability": str(target)}))
    assert words[0] == "make"
    done = run_stack(words[1], **given)
    assert done.returncode == 0, done.stdout
    return target


def configuration(folder: Path, rules: Path, instead: Mapping[str, str]) -> Path:
    """The page's configuration with these addresses, evaluated each second: a test waits for it."""
    foreign = folder / "rules"
    foreign.mkdir()
    (foreign / "yours.yaml").write_text(
        'groups: [{name: yours, rules: [{alert: Yours, expr: "vector(1)"}]}]'
    )
    changed = {
        "interval: 15s": "interval: 1s", "interval: 5s": "interval: 1s",
        "/etc/prometheus/rules": str(foreign), "/etc/llm-observability/rules": str(rules),
        **instead,
    }  # fmt: skip
    path = folder / "prometheus.yaml"
    path.write_text(docs.block(PAGE, "prometheus.yaml", changed))
    return path


@contextmanager
def running(folder: Path, config: Path) -> Iterator[str]:
    """The page's command with this configuration; yields the URL."""
    port = ports.any_free()
    instead = {"/etc/prometheus/prometheus.yaml": str(config)}
    _, words = docs.command(docs.block(PAGE, "prometheus", instead))
    words[0] = shutil.which(words[0]) or words[0]
    own = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'data'}"]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen([*words, *own], stdout=log, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        try:
            poll("a Prometheus of yours", lambda: probe(f"{url}/-/ready", 1.0), 20.0)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def rules(url: str) -> list[dict[str, Any]]:
    """Every rule that it has loaded, once those have been evaluated that are each second."""

    def look() -> list[dict[str, Any]] | None:
        groups = HTTP.get(f"{url}/api/v1/rules").raise_for_status().json()["data"]["groups"]
        due = [rule for group in groups if group["interval"] <= 1 for rule in group["rules"]]
        found = [rule for group in groups for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in due) else None

    return poll("every rule evaluated", look, 30.0)
