"""Every route that vLLM can register is open or closed by name, and the page says which and why."""

import ast
import logging
import re
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import vllm
import vllm.envs as envs
from fastapi import FastAPI
from starlette.routing import BaseRoute
from vllm.entrypoints.launchers.api_server.routers import register_api_routers
from vllm.tasks import GENERATION_TASKS, POOLING_TASKS

from server.gateway import closed_routes, route_tables
from server.gateway.closed_routes import CLOSED
from server.gateway.routes import CALLS, MEANING, NEEDS, PROBES, TOKENIZE, Routes

SOURCES = Path(str(vllm.__file__)).parent / "entrypoints"
OTHER_SERVERS = ("launchers/dp_supervisor.py", "cli/preload.py")
"""What serves no model: a supervisor of several servers, and one that loads for others."""
WAYS = {"get", "post", "put", "patch", "delete", "head", "options", "websocket", "add_api_route",
        "mount", "api_route", "add_route"}  # fmt: skip
READ_ELSEWHERE = {"/metrics", "/redoc", "/openapi.json", "/docs/oauth2-redirect"}
"""Registered by FastAPI, or by vLLM in a way that names no path in its source."""
OPEN = {path for _, path in (*PROBES, *CALLS, *TOKENIZE)}
KNOWN = OPEN | {path for closed in CLOSED for path in closed.paths}
HOW = "open it in server/gateway/routes.py, or close it with a reason in closed_routes.py"


def written(source: str) -> Iterator[str]:
    """The paths of the routes that a source file names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            first = node.args[0] if node.args else None
            is_path = isinstance(first, ast.Constant) and isinstance(first.value, str)
            if node.func.attr in WAYS and is_path and str(first.value).startswith("/"):
                yield str(first.value)


def sources() -> list[Path]:
    every = sorted(SOURCES.rglob("*.py"))
    return [path for path in every if str(path.relative_to(SOURCES)) not in OTHER_SERVERS]


def test_each_route_in_vllms_source_is_known() -> None:
    found = {path: place for place in sources() for path in written(place.read_text())}
    new = {f"{path} ({found[path].relative_to(SOURCES)})" for path in found.keys() - KNOWN}
    assert not new, f"vLLM has new routes: {', '.join(sorted(new))}: {HOW}"


def test_each_route_that_is_closed_is_one_of_vllms() -> None:
    found = {path for place in sources() for path in written(place.read_text())}
    gone = KNOWN - found - READ_ELSEWHERE - {"/ready"}
    assert not gone, f"vLLM has no such routes any more: {', '.join(sorted(gone))}"


def test_no_route_is_open_and_closed() -> None:
    paths = [path for closed in CLOSED for path in closed.paths]
    assert not OPEN & set(paths)
    assert len(paths) == len(set(paths))


def paths_of(routes: list[BaseRoute]) -> set[str]:
    return {re.sub(r":\w+}", "}", path) for route in routes if (path := getattr(route, "path", ""))}


@pytest.fixture
def root_level() -> Iterator[None]:
    """What vLLM imports for its routes raises the root logger's level, which is for all tests."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)


@pytest.mark.usefixtures("root_level")
@pytest.mark.parametrize("task", [*GENERATION_TASKS, *POOLING_TASKS, "render"])
def test_each_route_that_vllm_registers_for_a_task_is_known(
    monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    for name in ("VLLM_SERVER_DEV_MODE", "VLLM_ENABLE_COHERE_API"):
        monkeypatch.setattr(envs, name, True, raising=False)
    config: Any = SimpleNamespace(
        get_pooling_task=lambda tasks: tasks[0] if tasks[0] in POOLING_TASKS else None,
        hf_config=SimpleNamespace(num_labels=1),
    )
    args = Namespace(
        enable_fault_tolerance=True, enable_scale_out=True, tokens_only=True,
        enable_tokenizer_info_endpoint=True, enable_offline_docs=False, log_error_stack=False,
    )  # fmt: skip
    app = FastAPI()
    app.state.args = args
    register_api_routers(args, app, (task,), config)
    new = paths_of(app.routes) - KNOWN
    assert not new, f"vLLM registers {', '.join(sorted(new))} for '{task}': {HOW}"


@pytest.mark.parametrize("closed", CLOSED, ids=lambda closed: closed.what)
def test_a_closed_route_is_refused_with_its_reason(closed: closed_routes.Closed) -> None:
    routes = Routes(MEANING, tokenize=True)
    for path in closed.paths:
        asked = path.replace("{response_id}", "resp_1")
        for method in ("GET", "POST"):
            refusal = routes.refuse(method, asked)
            assert refusal is not None
            assert (refusal.status, refusal.reason) == (404, "unknown_route")
            assert closed.why in refusal.message
        assert routes.label(asked) == "other"


@pytest.mark.parametrize("path", ["/v1/responses/", "/v1/responses/a/b", "/nope", "/V1/realtime"])
def test_what_vllm_has_not_either_has_no_reason(path: str) -> None:
    assert closed_routes.why(path) is None


def test_each_call_of_a_model_says_what_it_needs() -> None:
    posts = {path for method, path in CALLS if method == "POST"}
    assert posts == NEEDS.keys()
    assert set(NEEDS.values()) == MEANING.keys()


def test_the_page_has_the_tables_of_the_code() -> None:
    page = (Path(__file__).parents[3] / route_tables.PAGE).read_text()
    assert route_tables.put_into(page) == page, "run python -m server.gateway.route_tables"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no"):
        route_tables.put_into("text")
