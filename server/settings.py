"""Settings of the observed server: read from the environment, checked before the start."""

import errno
import socket
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

PREFIX = "LLM_SERVER_"


class SettingsError(ValueError):
    """A setting that stops the start; the message names where it stands, the key and the fix."""

    def __init__(self, where: str, key: str, fix: str) -> None:
        super().__init__(f"{where}: {key}: {fix}")


_HOST_FAULTS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def cannot_listen(
    where: str, keys: tuple[str, str], host: str, port: int, error: OSError
) -> SettingsError:
    """Why nothing can listen there: names that one of the two keys, host and port, is at fault."""
    if isinstance(error, socket.gaierror) or error.errno in _HOST_FAULTS:
        fix = f"'{host}' is no address of this machine ({error.strerror})"
        return SettingsError(where, keys[0], fix)
    fix = f"{port} cannot be used ({error.strerror}); free it or choose another"
    return SettingsError(where, keys[1], fix)


def host_port(host: str, port: int) -> str:
    """Both as one address, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Tell(StrEnum):
    """Which costs a caller that asks is told: what a device costs is the operator's own affair."""

    OFF = "off"
    PRICE = "price"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator may choose beside the flags of `vllm serve`.

    Seconds and bytes are base units; paths are relative to the working folder.
    An empty `keys_file` means one tenant `default`; an empty `budgets_file` sets no budgets;
    an empty `state_dir` keeps nothing: no journal, no books, no step model;
    an empty `otlp_endpoint` exports neither spans nor logs.
    """

    otlp_endpoint: str
    metrics_host: str
    metrics_port: int
    instance: str
    prices_file: Path
    budgets_file: Path | None
    keys_file: Path | None
    state_dir: Path | None
    deadline_seconds: float
    max_body_bytes: int
    tokenize_route: bool
    show_native_output: bool
    tell_cost: Tell
    stall_seconds: float
    callers_count_tokens: bool


def _text(env: Mapping[str, str], key: str, default: str) -> str:
    return env.get(PREFIX + key, "").strip() or default


def _number(env: Mapping[str, str], key: str, default: str, low: float, high: float) -> float:
    text = _text(env, key, default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        fix = f"'{text}' is not a number from {low:g} to {high:g}"
        raise SettingsError("environment", PREFIX + key, fix)
    return value


def _whole(env: Mapping[str, str], key: str, default: str, low: int, high: int) -> int:
    value = _number(env, key, default, low, high)
    if not value.is_integer():
        fix = f"'{_text(env, key, default)}' is not a whole number"
        raise SettingsError("environment", PREFIX + key, fix)
    return int(value)


def _path(env: Mapping[str, str], key: str) -> Path | None:
    text = _text(env, key, "")
    return Path(text) if text else None


def _endpoint(env: Mapping[str, str]) -> str:
    text = _text(env, "OTLP_ENDPOINT", "")
    if text and not text.startswith(("http://", "https://")):
        fix = f"'{text}' must begin with http:// or https://, such as http://127.0.0.1:4318"
        raise SettingsError("environment", PREFIX + "OTLP_ENDPOINT", fix)
    return text.rstrip("/")


def _switch(env: Mapping[str, str], key: str) -> bool:
    text = _text(env, key, "0")
    if text not in ("0", "1"):
        raise SettingsError("environment", PREFIX + key, f"'{text}' must be 0 or 1")
    return text == "1"


def _tell(env: Mapping[str, str]) -> Tell:
    text = _text(env, "TELL_COST", Tell.PRICE)
    if text not in tuple(Tell):
        fix = f"'{text}' must be one of {', '.join(Tell)}"
        raise SettingsError("environment", PREFIX + "TELL_COST", fix)
    return Tell(text)


def read_settings(env: Mapping[str, str]) -> Settings:
    """Read the settings from the environment; raises SettingsError for the first bad one."""
    host = _text(env, "METRICS_HOST", "127.0.0.1").removeprefix("[").removesuffix("]")
    port = _whole(env, "METRICS_PORT", "9464", 1, 65535)
    return Settings(
        otlp_endpoint=_endpoint(env),
        metrics_host=host,
        metrics_port=port,
        instance=_text(env, "INSTANCE", host_port(host, port)),
        prices_file=Path(_text(env, "PRICES", str(Path(__file__).with_name("prices.yaml")))),
        budgets_file=_path(env, "BUDGETS"),
        keys_file=_path(env, "KEYS"),
        state_dir=_path(env, "STATE_DIR"),
        deadline_seconds=_number(env, "DEADLINE_SECONDS", "600", 0.1, 86400),
        max_body_bytes=_whole(env, "MAX_BODY_BYTES", str(16 * 2**20), 1024, 2**30),
        tokenize_route=_switch(env, "TOKENIZE"),
        show_native_output=_switch(env, "SHOW_NATIVE_OUTPUT"),
        tell_cost=_tell(env),
        stall_seconds=_number(env, "STALL_SECONDS", "20", 5, 3600),
        callers_count_tokens=_switch(env, "CALLERS_COUNT_TOKENS"),
    )


class _KeyTwice(yaml.MarkedYAMLError):
    """A key stands twice in one mapping, where YAML's readers take the last without a word."""


class _Loader(yaml.SafeLoader):
    """Plain YAML whose mappings have each key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping; raises _KeyTwice."""
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise _KeyTwice(problem_mark=key.start_mark)
            seen.add((key.tag, str(key.value)))
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, key: str) -> object:
    """What the YAML file of the setting `key` holds; raises SettingsError when it is unreadable.

    The error tells the line but never its text, which may be a key.
    """
    try:
        return _Loader(path.read_text()).get_single_data()
    except OSError as error:
        problem = str(error.strerror)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        fault = "a key stands twice" if isinstance(error, _KeyTwice) else "no YAML"
        problem = f"{fault} near line {mark.line + 1}" if mark else fault
    except UnicodeDecodeError:
        problem = "no UTF-8 text"
    except ValueError:
        problem = "an impossible date or number stands in it"
    raise SettingsError(str(path), PREFIX + key, f"cannot be read: {problem}")
