"""CostPer1kOutputTokensHigh on the live server: it fires in time, and not one bucket below.

The rule is the one of prometheus/alerts/cost.yaml with shorter times and lower edges, evaluated by
a Prometheus of this test's own: the stack's would need ten minutes, and ten more.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from stack.http import probe
from tests.conftest import REPO, is_compose
from tests.e2e.client import COMPLETIONS, Client, poll
from tests.e2e.ledger import priced, unheard
from tests.e2e.stores import METRICS, query, total

pytestmark = pytest.mark.e2e
NAME = "CostPer1kOutputTokensHigh"
METRIC = "llm_request_cost_microdollars_per_1k_tokens"
BELOW, EDGE, ABOVE = "5000.0", "10000.0", "20000.0"
CHEAP, DEAR, OUTPUT = 1100, 1800, 16
"""Input tokens whose request costs one bucket below EDGE, and one above it."""
WINDOW, FOR_SECONDS, LATE_SECONDS = "30s", 15, 60
PAUSE_SECONDS = 0.3
ENOUGH, SILENT_SECONDS = 20, 25.0
"""Requests that the rule asks for, and how long it must stay silent once they are there."""


def rule() -> dict[str, Any]:
    """The alert as it is shipped."""
    content = yaml.safe_load((REPO / "prometheus/alerts/cost.yaml").read_text(encoding="utf-8"))
    rules = [rule for group in content["groups"] for rule in group["rules"]]
    return next(rule for rule in rules if rule.get("alert") == NAME)


def variant(edge: str) -> dict[str, Any]:
    """The alert with a window of WINDOW, 15 seconds of patience and another edge; no more."""
    shipped = rule()
    expression = shipped["expr"]
    for old, new in (("[10m]", f"[{WINDOW}]"), ('le="100000.0"', f'le="{edge}"')):
        assert old in expression, f"{NAME} has no {old} to replace: mend this test"
        expression = expression.replace(old, new)
    short = {key: value for key, value in shipped.items() if key != "keep_firing_for"}
    labels = {**shipped["labels"], "edge": edge}
    return {**short, "expr": expression, "for": f"{FOR_SECONDS}s", "labels": labels}


def configure(folder: Path) -> Path:
    """Write a configuration with the stack's own globals, one target and the variants."""
    config = yaml.safe_load((REPO / "prometheus/prometheus.yaml").read_text(encoding="utf-8"))
    shared = {k: v for k, v in config["global"].items() if k != "rule_query_offset"}
    target = {"targets": [urlsplit(METRICS).netloc]}
    rules = [variant(edge) for edge in (EDGE, ABOVE)]
    content = {
        "global": {**shared, "scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "llm-server", "static_configs": [target]}],
    }
    groups = {"groups": [{"name": "cost", "rules": rules}]}
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder / "prometheus.yaml"


def free_address() -> str:
    """A loopback address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def prometheus(client: Client, tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a Prometheus that lives as long as the test."""
    if is_compose(pytestconfig):
        pytest.skip("the rule and the server are the same two minutes natively")
    if not (binary := shutil.which("prometheus")):
        pytest.skip("prometheus is not on PATH: `make test` puts it there")
    config, address = configure(tmp_path), free_address()
    command = [binary, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            poll("the test's own Prometheus", lambda: probe(f"http://{address}/-/ready"), 30)
            yield f"http://{address}"
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Window:
    """The last WINDOW as the test's own Prometheus sees it."""

    def __init__(self, url: str, model: str) -> None:
        self._url, self._model = url, model

    def _increase(self, name: str, matchers: str = "") -> str:
        return f'sum(increase({METRIC}_{name}{{model="{self._model}"{matchers}}}[{WINDOW}]))'

    def _value(self, promql: str) -> float | None:
        found = query(promql, self._url)
        return float(found[0]["value"][1]) if found else None

    def requests(self) -> float | None:
        """How many requests there were, None before there are two scrapes."""
        return self._value(self._increase("count"))

    def share(self, edge: str) -> float | None:
        """The share of them at or below the edge, None where the server has no such edge."""
        below = self._increase("bucket", f', le="{edge}"')
        return self._value(f"{below} / {self._increase('count')}")

    def true(self, edge: str) -> bool:
        """Whether the expression of the variant with this edge has a result now."""
        return bool(query(variant(edge)["expr"], self._url))

    def alerts(self, edge: str, state: str) -> float:
        """How many alerts of the variant with this edge are in a state that matches."""
        labels = f'alertname="{NAME}", edge="{edge}", alertstate=~"{state}"'
        return total(f"ALERTS{{{labels}}}", self._url)

    def wait_until_empty(self) -> None:
        """Wait until no request, of this test or another, is in it."""
        poll("a window without requests", lambda: self.requests() == 0, 150)


def send(client: Client, tokens: int) -> None:
    """One request of so many input tokens, none of them cached."""
    body = {"prompt": unheard(tokens), "max_tokens": OUTPUT, "ignore_eos": True}
    sent = client.post(COMPLETIONS, body)
    assert sent.status == 200, sent.text
    assert sent.usage["prompt_tokens"] == tokens
    assert sent.usage["completion_tokens"] == OUTPUT
    time.sleep(PAUSE_SECONDS)


def stay_silent(client: Client, window: Window) -> None:
    """Send what costs one bucket less until the alert had every reason and time to fire."""
    begin, enough = time.monotonic(), 0.0
    while not enough or time.monotonic() < enough + SILENT_SECONDS:
        assert enough or time.monotonic() < begin + 120, "too slow: no 20 requests in a window"
        send(client, CHEAP)
        if not enough and (window.requests() or 0) >= ENOUGH:
            enough = time.monotonic()
        for edge in (EDGE, ABOVE):
            assert not window.true(edge)
            assert not window.alerts(edge, "pending|firing")
    assert (window.requests() or 0) >= ENOUGH
    assert (window.share(BELOW), window.share(EDGE)) == (0, 1)


def seconds_from_true_to_firing(client: Client, window: Window) -> float:
    """Send what costs more than the edge until the alert fires; how long after it had to."""
    begin, true = time.monotonic(), 0.0
    while not window.alerts(EDGE, "firing"):
        now = time.monotonic()
        assert true or now < begin + 120, "too slow: no 20 requests in a window"
        assert not true or now < true + FOR_SECONDS + LATE_SECONDS, "it does not fire"
        send(client, DEAR)
        if not true and window.true(EDGE):
            true = time.monotonic()
        assert not window.alerts(ABOVE, "pending|firing")
    return time.monotonic() - true if true else 0.0


def test_each_load_fills_the_bucket_that_it_is_named_after(client: Client) -> None:
    per_1k = [priced(client.model, n, 0, OUTPUT) / OUTPUT * 1000 for n in (CHEAP, DEAR)]
    edges = [float(edge) for edge in (BELOW, EDGE, ABOVE)]
    assert edges[0] < per_1k[0] <= edges[1] < per_1k[1] <= edges[2], "the price list changed"


def test_it_fires_within_its_for_and_a_minute_and_not_one_bucket_below(
    client: Client, prometheus: str
) -> None:
    window = Window(prometheus, client.model)
    window.wait_until_empty()
    stay_silent(client, window)
    window.wait_until_empty()
    assert seconds_from_true_to_firing(client, window) <= FOR_SECONDS + LATE_SECONDS
    assert (window.share(EDGE), window.share(ABOVE)) == (0, 1)
