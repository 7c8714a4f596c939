"""Launcher: flags that accounting cannot hold are refused by name, the rest is vLLM's own."""

import importlib
import json
import logging
import socket
import time
from argparse import Namespace
from pathlib import Path
from unittest.mock import Mock

import pytest
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser

from server import launcher
from server.catalogue.grids import REQUEST_SECONDS, TOKEN_SECONDS
from server.flags import REFUSED, parse, served_models
from server.gateway import middleware
from server.settings import SettingsError

GIVEN = {
    "api_server_count": ["2"],
    "data_parallel_size": ["2"],
    "data_parallel_rank": ["1"],
    "headless": [],
    "grpc": [],
    "grpc_port": ["50051"],
    "enable_elastic_ep": [],
    "disable_log_stats": [],
    "api_key": ["secret-of-a-test"],
    "log_config_file": ["other.json"],
}


@pytest.fixture(autouse=True)
def _no_rust_frontend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_USE_RUST_FRONTEND", raising=False)


def test_every_refused_flag_has_a_case_here_and_exists_in_vllm() -> None:
    parser = make_arg_parser(FlexibleArgumentParser())
    known = {action.dest for action in parser._actions}
    assert GIVEN.keys() == REFUSED.keys()
    assert REFUSED.keys() <= known, "a refused flag was renamed in vLLM: it would pass now"


@pytest.mark.parametrize("name", GIVEN)
def test_a_flag_is_refused_by_name_and_reason(name: str) -> None:
    flag = "--" + name.replace("_", "-")
    with pytest.raises(SettingsError) as stop:
        parse([flag, *GIVEN[name]])
    assert str(stop.value) == f"command line: {flag}: cannot be used here: {REFUSED[name]}"


@pytest.mark.parametrize(
    "argv",
    [["--api-server-count", "0"], ["--data-parallel-rank", "0"], ["-dp", "2"], ["-asc", "2"]],
)
def test_zero_and_short_spellings_are_refused_too(argv: list[str]) -> None:
    with pytest.raises(SettingsError, match="cannot be used here"):
        parse(argv)


@pytest.mark.parametrize(
    "argv",
    [
        ["--api-server-count", "1"],
        ["--data-parallel-size", "1"],
        ["--no-enable-elastic-ep"],
        ["--port", "8001", "--max-model-len", "1"],
    ],
)
def test_flags_that_change_nothing_are_taken(argv: list[str]) -> None:
    assert parse(argv).host == "127.0.0.1"


def test_the_rust_front_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_USE_RUST_FRONTEND", "1")
    with pytest.raises(SettingsError, match="environment: VLLM_USE_RUST_FRONTEND: unset it"):
        parse([])


def test_stored_responses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_ENABLE_RESPONSES_API_STORE", "1")
    with pytest.raises(SettingsError, match="VLLM_ENABLE_RESPONSES_API_STORE: unset it"):
        parse([])


def test_defaults_are_loopback_observed_and_without_vllms_own_tracing() -> None:
    args = parse([])
    assert args.host == "127.0.0.1"
    assert args.middleware == ["server.gateway.middleware.Middleware"]
    assert args.otlp_traces_endpoint is None
    assert args.disable_fastapi_docs is True
    assert args.disable_uvicorn_access_log is True
    assert args.disable_log_stats is False
    assert args.api_key is None


def test_our_middleware_comes_last_which_is_outermost() -> None:
    args = parse(["--middleware", "their.module.Middleware"])
    assert args.middleware == ["their.module.Middleware", "server.gateway.middleware.Middleware"]
    assert middleware.Middleware.__name__ == "Middleware"


def test_a_host_of_the_operators_own_stays() -> None:
    assert parse(["--host", "0.0.0.0"]).host == "0.0.0.0"


def test_vllms_own_trace_export_is_switched_off() -> None:
    assert parse(["--otlp-traces-endpoint", "http://127.0.0.1:4317"]).otlp_traces_endpoint is None


def test_vllms_histograms_get_our_grids_unless_given() -> None:
    assert parse([]).custom_histogram_buckets == {
        "request_latency": list(REQUEST_SECONDS),
        "time_to_first_token": list(REQUEST_SECONDS),
        "inter_token_latency": list(TOKEN_SECONDS),
    }
    given = parse(["--custom-histogram-buckets", '{"request_latency": [1.0, 2.0]}'])
    assert given.custom_histogram_buckets == {"request_latency": [1.0, 2.0]}


def test_the_model_may_be_given_by_position() -> None:
    assert parse(["some/model"]).model == "some/model"
    assert parse(["--model", "some/model"]).model == "some/model"


def test_the_logging_configuration_is_ours() -> None:
    config = json.loads(Path(parse([]).log_config_file).read_text())
    assert config["formatters"]["json"]["()"] == "server.signals.logs.JsonFormatter"
    assert config["root"]["handlers"] == ["console", "otlp"]
    assert config["disable_existing_loggers"] is False


@pytest.mark.parametrize(
    ("names", "adapters", "models"),
    [
        (None, None, ("path/to",)),
        ([], None, ("path/to",)),
        (["a", "b"], None, ("a",)),
        ("a", None, ("a",)),
        (["a"], [Namespace(name="lora-1")], ("a", "lora-1")),
    ],
)
def test_served_models(
    names: list[str] | str | None, adapters: list[Namespace] | None, models: tuple[str, ...]
) -> None:
    args = Namespace(model="path/to", served_model_name=names, lora_modules=adapters)
    assert served_models(args).values == models


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        (["--served-model-name", "a", "other"], "--served-model-name"),
        (["--model", "other"], "--served-model-name"),
        (["--lora-modules", "other=/some/where"], "--lora-modules"),
    ],
)
def test_no_model_may_be_called_by_the_label_of_all_unknown(flags: list[str], flag: str) -> None:
    with pytest.raises(SettingsError, match=f"command line: {flag}: 'other' is where"):
        served_models(parse(flags))
    assert served_models(parse(["--model", "other", "--served-model-name", "Other"])).values == (
        "Other",
    )


async def test_killed_requests_are_counted_after_scrapes_saw_the_counters_at_zero(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launcher, "LAST_SCRAPE_SECONDS", 0.2)
    created, order = time.monotonic(), []
    exposition = Mock(wait_for_scrapers=lambda since, patience: order.append(since) is None)
    observer = Mock(recover=lambda found: order.append(found), leftovers=lambda: "left")
    await launcher._recover(exposition, observer)
    assert order[1:] == ["left"]
    # Whoever asks first, and however often: the time of one scrape has passed.
    assert created <= order[0] <= time.monotonic() - 0.2


@pytest.mark.parametrize(
    ("flags", "flag"),
    [
        (["--host", "192.0.2.1"], "--host"),
        (["--host", "[::1]"], "--host"),
        (["--host", "2001:db8::1"], "--host"),
        (["--uds", "/no/such/folder/s"], "--uds"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(flags: list[str], flag: str) -> None:
    with pytest.raises(SettingsError, match=f"command line: {flag}: "):
        launcher._listen(parse(["--port", "0", *flags]))


def test_a_number_that_is_no_port_is_named() -> None:
    with pytest.raises(SettingsError, match="command line: --port: 70000 is no port"):
        launcher._listen(parse(["--port", "70000"]))


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"command line: --port: {port} cannot be used"):
            launcher._listen(parse(["--port", str(port)]))


@pytest.mark.parametrize("shell", ["DEBUG", "ERROR", "nonsense"])
def test_no_module_of_a_closed_route_sets_what_is_logged(
    monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    """vLLM imports it while it builds the application, after logging was configured."""
    monkeypatch.setenv("LOG_LEVEL", shell)
    monkeypatch.setenv("SAGEMAKER_CONTAINER_LOG_LEVEL", shell)
    monkeypatch.setattr(logging.root, "level", logging.WARNING)
    launcher.keep_root_level()
    importlib.reload(importlib.import_module("model_hosting_container_standards.logging_config"))
    assert logging.root.level == logging.WARNING
