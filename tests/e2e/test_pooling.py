"""Rerank, score, pooling and classify on a real engine: each one record, trace, line and price."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from stack.readiness import ports
from tests.conftest import is_compose
from tests.e2e import prometheus
from tests.e2e.client import poll
from tests.e2e.ledger import priced
from tests.e2e.pooling_server import MODEL, Server, running
from tests.e2e.stores import HTTP, query

pytestmark = pytest.mark.e2e
TEXTS = ["import os, sys", "def main() -> None:"]
BODIES: dict[str, tuple[str, dict[str, Any]]] = {
    "/v1/rerank": ("rerank", {"query": "import", "documents": TEXTS}),
    "/rerank": ("rerank", {"query": "import", "documents": TEXTS}),
    "/score": ("score", {"queries": "import", "documents": TEXTS}),
    "/v1/score": ("score", {"text_1": "import", "text_2": TEXTS}),
    "/pooling": ("pooling", {"input": TEXTS, "task": "classify"}),
    "/classify": ("classify", {"input": TEXTS}),
}
PHASES = {"tokenize", "queue", "prefill", "decode", "deliver"}


@pytest.fixture(scope="module")
def pooling(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One start for all of them."""
    if is_compose(pytestconfig):
        pytest.skip("the second server is started natively")
    with running(tmp_path_factory.mktemp("pooling")) as server:
        yield server


@pytest.mark.parametrize("path", BODIES)
def test_each_route_leaves_one_record_of_all_its_texts(pooling: Server, path: str) -> None:
    operation, body = BODIES[path]
    sent = pooling.ask(path, body)
    assert sent.status_code == 200, sent.text
    told, trace_id = sent.json(), sent.headers["x-trace-id"]
    line = pooling.line(trace_id)
    assert (line["operation"], line["route"]) == (operation, path)
    assert (line["outcome"], line["reason"]) == ("ok", "complete")
    assert line["input_tokens"] == told["usage"]["prompt_tokens"] > len(TEXTS)
    assert (line["output_tokens"], line["response_id"]) == (0, told["id"])
    cached = line["cached_input_tokens"]
    cost = priced(MODEL, line["input_tokens"] - cached, cached, 0)
    assert line["cost_microdollars"] == pytest.approx(cost)
    assert line["gpu_cost_microdollars"] > 0
    spans = pooling.spans(trace_id)
    assert spans.keys() == {f"POST {path}", *PHASES}
    server = spans[f"POST {path}"]
    assert server["gen_ai.operation.name"] == operation
    assert server["gen_ai.usage.input_tokens"] == line["input_tokens"]
    assert server["llm.cost.microdollars"] == pytest.approx(cost)
    assert f'operation="{operation}",outcome="ok",reason="complete"' in pooling.metrics()


@pytest.mark.parametrize(
    ("path", "needs"),
    [("/v1/embeddings", "embed"), ("/v1/chat/completions", "generate"),
     ("/v1/responses", "generate"), ("/v1/messages", "generate")],
)  # fmt: skip
def test_what_a_pooling_model_cannot_is_refused_with_what_it_needs(
    pooling: Server, path: str, needs: str
) -> None:
    sent = pooling.ask(path, {"input": "a", "max_tokens": 1, "messages": []})
    assert (sent.status_code, sent.json()["error"]["type"]) == (400, "unsupported_operation")
    assert f"'{needs}'" in sent.json()["error"]["message"]
    assert pooling.line(sent.headers["x-trace-id"])["reason"] == "unsupported_operation"


def test_a_text_that_is_too_long_is_the_callers_error(pooling: Server) -> None:
    sent = pooling.ask("/classify", {"input": "import os\n" * 2000})
    assert sent.status_code == 400, sent.text
    assert pooling.line(sent.headers["x-trace-id"])["outcome"] == "client_error"


def test_with_nothing_else_of_ours_a_prometheus_of_yours_has_it_all(
    pooling: Server, tmp_path: Path
) -> None:
    """The last way of docs/existing-stack.md: the server was started by the page's own line."""
    path, (operation, body) = "/classify", BODIES["/classify"]
    address = urlsplit(pooling.metrics_url).netloc
    away = f"127.0.0.1:{ports.any_free()}"
    instead = {
        "shop.example.org:8080": away, "gpu-box.example.org:8888": away,
        "gpu-box.example.org:9464": address,
    }  # fmt: skip
    rules = prometheus.exported(tmp_path) / "rules"
    with prometheus.running(tmp_path, prometheus.configuration(tmp_path, rules, instead)) as url:
        trace_id = pooling.ask(path, body).headers["x-trace-id"]
        asked_for = f'llm_requests_total{{job="llm-server", operation="{operation}"}}'
        mine = f"sum by (instance) ({asked_for}) > 0"
        (series,) = poll("the request", lambda: query(mine, url))
        assert series["metric"]["instance"] == address
        asked = {"query": "gen_ai_server_request_duration_seconds_bucket", "start": "0"}
        far = {**asked, "end": str(time.time() + 600)}
        exemplars = f"{url}/api/v1/query_exemplars"
        poll("its exemplar", lambda: trace_id in HTTP.get(exemplars, params=far).text)
        assert all(rule["health"] != "err" for rule in prometheus.rules(url))
    assert pooling.line(trace_id)["operation"] == operation
