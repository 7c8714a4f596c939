"""What browsers, proxies and load balancers send, through uvicorn and vLLM's own middleware."""

import socket
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from vllm.entrypoints.serve.middleware import register
from vllm.entrypoints.serve.utils.api_utils import validate_json_request

from server.flags import parse
from server.gateway.api_keys import Tenants
from server.gateway.cors import EXPOSED, Cors
from server.record.request import RequestRecord
from server.settings import SettingsError
from tests.unit.asgi import KEY, KEY_DIGEST, Client, Inner, Install, end
from tests.unit.helpers import total

PAGE = "https://app.example"
PREFLIGHT = {
    "origin": PAGE,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


def application(args: Namespace) -> FastAPI:
    """vLLM's frame around three of its routes."""
    app = FastAPI()
    app.root_path = args.root_path

    @app.get("/health")
    def health() -> str:
        return "fine"

    @app.get("/v1/models")
    def models() -> list[str]:
        return ["tiny-llama"]

    @app.post("/v1/chat/completions")
    def chat() -> dict[str, str]:
        return {"answer": "yes"}

    register.init_entrypoints_middleware(args, app, ())
    return app


@contextmanager
def served(app: FastAPI, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        sock.bind((host, 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        where = f"[{host}]" if ":" in host else host
        with httpx.Client(base_url=f"http://{where}:{sock.getsockname()[1]}") as client:
            yield client
        server.should_exit = True
        thread.join()


Served = AbstractContextManager[httpx.Client]


class Serve:
    """Starts a server with these flags; `records` is what it recorded."""

    def __init__(self, install: Install) -> None:
        self._install = install
        self.records: list[RequestRecord] = []

    def __call__(self, *flags: str, keys: bool = False, host: str = "127.0.0.1") -> Served:
        args = parse(list(flags))
        tenants = Tenants({KEY_DIGEST: "acme"}) if keys else None
        self.records = self._install(tenants, cors=args.cors)
        return served(application(args), host)


@pytest.fixture
def serve(install: Install) -> Serve:
    return Serve(install)


def allowed(answer: httpx.Response) -> str | None:
    """The page that may read the answer; said once, or browsers refuse it."""
    if answer.request.method != "OPTIONS":
        assert answer.headers["vary"] == "Origin"
    found = answer.headers.get_list("access-control-allow-origin")
    assert len(found) < 2
    return found[0] if found else None


def test_a_page_of_an_allowed_origin_may_ask_and_its_preflight_is_no_request(serve: Serve) -> None:
    before = total("llm_requests", "llm_requests_total")
    with serve("--allowed-origins", f'["{PAGE}"]', keys=True) as client:
        answer = client.options("/v1/chat/completions", headers=PREFLIGHT)
        assert (answer.status_code, allowed(answer)) == (200, PAGE)
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert serve.records == []
        assert total("llm_requests", "llm_requests_total") == before
        asked = {"origin": PAGE, "authorization": f"Bearer {KEY}"}
        answer = client.post("/v1/chat/completions", headers=asked, json={})
        assert (answer.status_code, allowed(answer)) == (200, PAGE)
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    ours = {"x-trace-id", "traceresponse", "x-llm-cost-microdollars"}
    assert ours | {"x-request-id", "server-timing"} <= set(exposed)
    assert exposed == list(EXPOSED)
    assert len(serve.records) == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/chat/completions", 401), ("GET", "/nope", 404), ("PUT", "/health", 405)],
)
def test_our_own_refusals_can_be_read_by_the_page(
    serve: Serve, method: str, path: str, status: int
) -> None:
    with serve("--allowed-origins", f'["{PAGE}"]', keys=True) as client:
        answer = client.request(method, path, headers={"origin": PAGE})
    assert (answer.status_code, allowed(answer)) == (status, PAGE)
    assert [record.status_code for record in serve.records] == [status]


@pytest.mark.parametrize("flags", [(), ("--allowed-origins", '["https://other.example"]')])
def test_no_other_page_is_let_in(serve: Serve, flags: tuple[str, ...]) -> None:
    with serve(*flags) as client:
        refused = client.options("/v1/chat/completions", headers=PREFLIGHT)
        answer = client.get("/v1/models", headers={"origin": PAGE})
    assert refused.status_code == 400
    assert allowed(refused) is allowed(answer) is None
    assert len(serve.records) == 1


async def test_vllm_takes_no_body_that_a_page_may_send_without_a_preflight() -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        with pytest.raises(Exception, match="Unsupported Media Type"):
            await validate_json_request(Namespace(headers={"content-type": kind}))
    await validate_json_request(Namespace(headers={"content-type": "application/json"}))


def test_every_origin_and_credentials_are_the_operators_choice(serve: Serve) -> None:
    with serve("--allowed-origins", '["*"]', "--allow-credentials") as client:
        answer = client.get("/v1/models", headers={"origin": PAGE, "cookie": "a=b"})
    assert allowed(answer) == PAGE
    assert answer.headers.get_list("access-control-allow-credentials") == ["true"]


@pytest.mark.parametrize("name", ["--allowed-origins", "--allowed-methods", "--allowed-headers"])
@pytest.mark.parametrize("value", ['"https://app.example"', "[1]", '{"a": 1}', "null"])
def test_what_is_no_list_would_allow_parts_of_a_text(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"command line: {name}: must be a JSON list"):
        parse([name, value])


def test_vllms_own_cors_is_left_with_nothing_to_allow() -> None:
    args = parse(["--allowed-origins", f'["{PAGE}"]', "--allow-credentials"])
    assert (args.allowed_origins, args.allow_credentials) == ([], False)
    assert args.cors == Cors((PAGE,), credentials=True)
    assert parse([]).cors == Cors()


def test_a_probe_by_head_is_a_probe_without_a_body(serve: Serve) -> None:
    with serve(keys=True) as client:
        answer = client.head("/health")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-length"] == str(len(client.get("/health").content))
    assert serve.records == []


def test_head_answers_wherever_get_does_and_nowhere_else(serve: Serve) -> None:
    with serve() as client:
        for path in ("/v1/models", "/v1/chat/completions", "/nope"):
            client.head(path)
    # The next request of a connection may begin before the record of the last is made.
    assert sorted(end(record) for record in serve.records) == [
        ("client_error", "method_not_allowed", 405),
        ("client_error", "unknown_route", 404),
        ("ok", "complete", 200),
    ]


async def test_head_is_bare_whatever_serves_us(install: Install) -> None:
    install()
    client = Client(Inner())
    await client.call("HEAD", "/health", body=(b"",))
    assert (client.status, client.body, client.ended) == (200, b"", True)


ROOTS: list[Callable[[str], str]] = [lambda path: path, lambda path: f"/llm{path}"]


@pytest.mark.parametrize("proxied", ROOTS, ids=["stripped", "as it came"])
@pytest.mark.parametrize("root", ["/llm", "/llm/", "llm"])
def test_routes_are_found_below_the_root_path(
    serve: Serve, root: str, proxied: Callable[[str], str]
) -> None:
    with serve("--root-path", root) as client:
        assert client.get(proxied("/health")).text == '"fine"'
        assert client.get(proxied("/v1/models")).json() == ["tiny-llama"]
        assert client.head(proxied("/v1/models")).status_code == 200
        assert client.post(proxied("/v1/chat/completions"), json={}).status_code == 200
        assert client.get(proxied("/metrics")).status_code == 404
    # The next request of a connection may begin before the record of the last is made.
    assert sorted(record.route for record in serve.records) == [
        "/v1/chat/completions", "/v1/models", "/v1/models", "other",
    ]  # fmt: skip


def test_a_prefix_that_is_also_a_route_is_taken_off_once(serve: Serve) -> None:
    with serve("--root-path", "/v1") as client:
        assert client.get("/v1/v1/models").json() == ["tiny-llama"]
        assert client.get("/v1/v1/v1/models").status_code == 404
        assert client.get("/v1/health").status_code == 200


def test_without_a_root_path_no_prefix_is_guessed(serve: Serve) -> None:
    with serve() as client:
        for path in ("/llm/v1/models", "//v1/models", "/v1/v1/models"):
            assert client.get(path).status_code == 404


def test_the_api_may_listen_on_ipv6(serve: Serve) -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with serve(host="::1") as client:
        assert client.get("/health").status_code == 200
