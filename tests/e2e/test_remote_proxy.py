"""remote/Caddyfile on the real Caddy: who gets in, what goes through, and that a stream is one."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import proxied
from tests.e2e.client import poll
from tests.e2e.proxied import EVENT, Proxy

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        not proxied.CADDY,
        reason="no caddy on PATH: go install github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9",
    ),
]
BEARER = {"Authorization": "Bearer key"}
SECRET = "k3y-that-no-log-may-have"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxied.running(tmp_path_factory.mktemp("caddy")) as found:
        yield found


def _adapted(home: Path, host: str = "llm.example.org") -> dict[str, Any]:
    command = [str(proxied.CADDY), "adapt", "--config", str(proxied.CADDYFILE), "--validate"]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "REMOTE_HOST": host}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def _found(node: Any, key: str) -> list[Any]:
    if isinstance(node, list):
        return [one for each in node for one in _found(each, key)]
    if not isinstance(node, dict):
        return []
    own = [node[key]] if key in node else []
    return [*own, *(one for each in node.values() for one in _found(each, key))]


def test_nothing_cuts_a_long_request_and_nothing_steers_it(tmp_path: Path) -> None:
    config = _adapted(tmp_path)
    for limit in ("read_timeout", "write_timeout", "response_header_timeout", "stream_timeout"):
        assert _found(config, limit) == []
    assert config["admin"]["disabled"] is True
    assert _found(config, "trusted_proxies") == []
    listen = {port for each in _found(config, "listen") for port in each}
    assert listen == {":8443", ":3443", "127.0.0.1:8080"}


@pytest.mark.parametrize("host", ["llm.example.org", "192.0.2.7", "2001:db8::7"])
def test_both_sites_and_their_certificate_are_of_the_host(tmp_path: Path, host: str) -> None:
    config = _adapted(tmp_path, host)
    assert _found(config, "host") == [["127.0.0.1"], [host], [host]]
    assert _found(config, "subjects") == [[host]]
    assert set(_found(config, "default_sni")) == {host}


def test_under_another_name_nothing_seems_to_be_well(proxy: Proxy) -> None:
    before = len(proxy.upstream.asked)
    for port in (proxy.api, proxy.grafana):
        for path in ("/health", "/v1/models", "/"):
            status, text, _ = proxy.ask(path, {**BEARER, "Host": "192.0.2.7"}, port=port)
            assert (status, json.loads(text)["error"]["code"]) == (421, "unknown_host")
    assert len(proxy.upstream.asked) == before


def test_a_key_gets_in_and_ids_go_both_ways(proxy: Proxy) -> None:
    ids = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "x-request-id": "mine-1"}
    status, text, headers = proxy.ask("/v1/models?x=1", {**BEARER, **ids})
    assert (status, text) == (200, "ok")
    assert headers["x-request-id"] == "mine-1" and headers["x-trace-id"] == "t" * 32
    _, path, asked = proxy.upstream.asked[-1]
    assert path == "/v1/models?x=1"
    assert asked["authorization"] == "Bearer key"
    assert {name: asked[name] for name in ids} == ids
    assert proxy.ask("/rerank", {"x-api-key": "key"}, "POST")[0] == 200
    # A preflight brings no key by its nature.
    assert proxy.ask("/v1/chat/completions", {"Origin": "https://a"}, "OPTIONS")[0] == 200


def test_what_a_caller_says_of_itself_is_not_believed(proxy: Proxy) -> None:
    forged = {"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "gopher", "Forwarded": "for=x"}
    more = {f"X-Forwarded-{what}": "forged" for what in ("Host", "Port", "Prefix", "Server")}
    assert proxy.ask("/v1/models", {**BEARER, **forged, **more})[0] == 200
    asked = proxy.upstream.asked[-1][2]
    assert (asked["x-forwarded-for"], asked["x-forwarded-proto"]) == ("127.0.0.1", "https")
    assert "forwarded" not in asked and "forged" not in asked.values()


def test_without_a_key_nothing_is_passed_on(proxy: Proxy) -> None:
    before = len(proxy.upstream.asked)
    for method, path in (
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/score"),
    ):
        status, text, headers = proxy.ask(path, method=method)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert json.loads(text)["error"]["code"] == "auth"
    assert len(proxy.upstream.asked) == before


@pytest.mark.parametrize(
    "path",
    [
        "/metrics", "//metrics", "/%6detrics", "/v1/../metrics", "/v1/..%2fmetrics",
        "/V1/../metrics", "/ready", "/version", "/docs", "/", "/debug/pprof/", "/load", "/ping",
        "/v2/embed", "/v1x/models", "/sleep", "/health/x",
    ],
)  # fmt: skip
def test_what_is_not_the_api_is_not_there(proxy: Proxy, path: str) -> None:
    before = len(proxy.upstream.asked)
    status, text, _ = proxy.ask(path, BEARER)
    assert (status, json.loads(text)["error"]["code"]) == (404, "unknown_route")
    assert len(proxy.upstream.asked) == before


@pytest.mark.parametrize(
    "path", ["/metrics", "//metrics", "/%6detrics", "/x/../metrics", "/metrics/x", "/debug/pprof/"]
)
def test_grafana_is_there_without_its_inside(proxy: Proxy, path: str) -> None:
    before = len(proxy.upstream.asked)
    assert proxy.ask(path, port=proxy.grafana)[0] == 404
    assert len(proxy.upstream.asked) == before
    assert proxy.ask("/login", port=proxy.grafana)[:2] == (200, "ok")
    assert proxy.upstream.asked[-1][2]["host"] == f"localhost:{proxy.grafana}"


def test_probes_that_cost_nothing_need_no_key(proxy: Proxy) -> None:
    assert proxy.ask("/health")[0] == 200
    assert proxy.ask("/health", method="POST")[0] == 404


def test_each_event_is_here_before_the_next_is_made(proxy: Proxy) -> None:
    connection = proxy.connect()
    connection.request("POST", "/v1/stream", body=b"{}", headers=BEARER)
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"
    for number in range(3):
        # It makes none before it is told to, so a buffer would hold this one for ever.
        assert answer.read(len(EVENT % number)) == EVENT % number
        proxy.upstream.next.release()
    connection.close()
    poll("the server to see its caller go", proxy.upstream.hung_up.is_set, 10.0)
    proxy.upstream.hung_up.clear()


def test_who_hangs_up_before_an_answer_is_seen_to_go(proxy: Proxy) -> None:
    connection = proxy.connect()
    connection.request("POST", "/v1/long", body=b"{}", headers=BEARER)
    poll("the request", lambda: proxy.upstream.asked[-1][1] == "/v1/long")
    connection.close()
    poll("the server to see its caller go", proxy.upstream.hung_up.is_set, 10.0)
    proxy.upstream.hung_up.clear()


def test_without_keys_of_the_server_nobody_gets_in(tmp_path: Path) -> None:
    with proxied.running(tmp_path, REMOTE_KEYS="") as proxy:
        for path in ("/v1/models", "/health", "/metrics"):
            status, text, _ = proxy.ask(path, BEARER)
            assert (status, json.loads(text)["error"]["code"]) == (503, "no_keys")
        assert proxy.upstream.asked == []


def test_no_key_is_logged_when_the_server_is_away(tmp_path: Path) -> None:
    with proxied.running(tmp_path, REMOTE_API="127.0.0.1:9") as proxy:
        keys = {"Authorization": f"Bearer {SECRET}", "x-api-key": SECRET, "Cookie": SECRET}
        assert proxy.ask(f"/v1/models?key={SECRET}", keys)[0] == 502
        poll("its complaint", lambda: "connection refused" in proxy.log.read_text())
        assert SECRET not in proxy.log.read_text()
