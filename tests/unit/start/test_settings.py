"""Settings: defaults that are safe, and each bad value stops with environment, key and fix."""

import socket
from pathlib import Path

import pytest

from server.settings import SettingsError, Tell, cannot_listen, read_settings, read_yaml
from tests.unit.helpers import write


def test_defaults_need_nothing_and_stay_on_loopback() -> None:
    found = read_settings({})
    assert (found.metrics_host, found.metrics_port) == ("127.0.0.1", 9464)
    assert found.instance == "127.0.0.1:9464"
    assert (found.otlp_endpoint, found.keys_file, found.state_dir) == ("", None, None)
    assert found.budgets_file is None
    assert (found.deadline_seconds, found.max_body_bytes) == (600.0, 16_777_216)
    assert found.tokenize_route is found.callers_count_tokens is False
    assert found.tell_cost is Tell.PRICE
    assert found.prices_file.name == "prices.yaml"
    assert found.prices_file.is_file()


def test_every_value_is_read() -> None:
    env = {
        "LLM_SERVER_OTLP_ENDPOINT": "http://127.0.0.1:4318/",
        "LLM_SERVER_METRICS_HOST": "127.0.0.2",
        "LLM_SERVER_METRICS_PORT": "9999",
        "LLM_SERVER_INSTANCE": "server:9464",
        "LLM_SERVER_PRICES": "p.yaml",
        "LLM_SERVER_BUDGETS": "b.yaml",
        "LLM_SERVER_KEYS": "k.yaml",
        "LLM_SERVER_STATE_DIR": "state",
        "LLM_SERVER_DEADLINE_SECONDS": "1.5",
        "LLM_SERVER_MAX_BODY_BYTES": "2048",
        "LLM_SERVER_TOKENIZE": "1",
        "LLM_SERVER_TELL_COST": "all",
        "LLM_SERVER_STALL_SECONDS": "60",
        "LLM_SERVER_CALLERS_COUNT_TOKENS": "1",
    }
    found = read_settings(env)
    assert found.otlp_endpoint == "http://127.0.0.1:4318"
    assert (found.metrics_host, found.metrics_port) == ("127.0.0.2", 9999)
    assert found.instance == "server:9464"
    assert (found.prices_file, found.keys_file) == (Path("p.yaml"), Path("k.yaml"))
    assert found.budgets_file == Path("b.yaml")
    assert found.state_dir == Path("state")
    assert (found.deadline_seconds, found.max_body_bytes) == (1.5, 2048)
    assert found.tokenize_route is True
    assert found.tell_cost is Tell.ALL
    assert found.stall_seconds == 60
    assert found.callers_count_tokens is True


def test_instance_follows_the_metrics_address() -> None:
    assert read_settings({"LLM_SERVER_METRICS_PORT": "9000"}).instance == "127.0.0.1:9000"


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_instance_has_brackets(host: str) -> None:
    found = read_settings({"LLM_SERVER_METRICS_HOST": host})
    assert (found.metrics_host, found.instance) == ("::1", "[::1]:9464")


KEYS = ("LLM_SERVER_METRICS_HOST", "LLM_SERVER_METRICS_PORT")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "2001:db8::1"])
def test_a_host_of_another_machine_is_named_as_the_fault(host: str) -> None:
    with pytest.raises(OSError, match=r"\w") as fault:
        listen(host, 0)
    error = cannot_listen("environment", KEYS, host, 9464, fault.value)
    assert str(error).startswith(f"environment: {KEYS[0]}: '{host}' is no address of this machine")


def test_a_port_in_use_is_named_as_the_fault() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=r"\w") as fault:
            listen("127.0.0.1", port)
    error = cannot_listen("environment", KEYS, "127.0.0.1", port, fault.value)
    assert str(error).startswith(f"environment: {KEYS[1]}: {port} cannot be used (Address already")


def listen(host: str, port: int) -> None:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as sock:
        sock.bind(address)


def test_blank_counts_as_unset() -> None:
    env = {"LLM_SERVER_METRICS_PORT": " ", "LLM_SERVER_KEYS": "", "LLM_SERVER_TOKENIZE": ""}
    assert read_settings(env) == read_settings({})


BAD = [
    ("METRICS_PORT", "zero", "'zero' is not a number from 1 to 65535"),
    ("METRICS_PORT", "0", "'0' is not a number from 1 to 65535"),
    ("METRICS_PORT", "65536", "'65536' is not a number from 1 to 65535"),
    ("METRICS_PORT", "9464.5", "'9464.5' is not a whole number"),
    ("DEADLINE_SECONDS", "0", "'0' is not a number from 0.1 to 86400"),
    ("DEADLINE_SECONDS", "nan", "'nan' is not a number from 0.1 to 86400"),
    ("DEADLINE_SECONDS", "inf", "'inf' is not a number from 0.1 to 86400"),
    ("MAX_BODY_BYTES", "16MB", "'16MB' is not a number from 1024"),
    ("MAX_BODY_BYTES", "1023", "'1023' is not a number from 1024"),
    ("MAX_BODY_BYTES", "2048.5", "'2048.5' is not a whole number"),
    ("OTLP_ENDPOINT", "127.0.0.1:4318", "must begin with http:// or https://"),
    ("TOKENIZE", "yes", "'yes' must be 0 or 1"),
    ("STALL_SECONDS", "1", "'1' is not a number from 5 to 3600"),
    ("TELL_COST", "1", "'1' must be one of off, price, all"),
]


@pytest.mark.parametrize(("key", "text", "fix"), BAD)
def test_a_bad_value_names_environment_key_and_fix(key: str, text: str, fix: str) -> None:
    with pytest.raises(SettingsError) as stop:
        read_settings({"LLM_SERVER_" + key: text})
    assert str(stop.value).startswith(f"environment: LLM_SERVER_{key}: ")
    assert fix in str(stop.value)


@pytest.mark.parametrize(
    "text", ["a: 1\nb: 2\na: 3\n", "x:\n  a: 1\n  a: 1\n", "- b: 1\n- {a: 1, 'a': 2}\n"]
)
def test_a_key_that_stands_twice_is_no_silent_last_one(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, "x.yaml", text)
    with pytest.raises(SettingsError, match=r"X: cannot be read: a key stands twice near line \d"):
        read_yaml(path, "X")


def test_equal_keys_of_two_mappings_and_merges_are_fine(tmp_path: Path) -> None:
    text = "a: &a {x: 1}\nb: {x: 2}\nc: {<<: *a, x: 3}\n"
    found = read_yaml(write(tmp_path, "x.yaml", text), "X")
    assert found == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}
