"""What alertlog reads of its environment; a value that cannot be meant stops the start."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PORT = 9095
_PRINTABLE = re.compile(r"[!-~]+")
_HERE = Path(__file__).resolve().parents[1] / "docs"


@dataclass(frozen=True)
class Settings:
    """Where to listen, where to send, whom to ask, and what a browser opens; empty is nowhere.

    `prometheus` is asked by alertlog itself; `grafana` and the stores are opened by the browser of
    whoever follows a link, and so are on loopback whatever network alertlog is on.
    """

    host: str
    otlp: str
    prometheus: str
    grafana: str
    stores: Mapping[str, str]
    docs: Path


def is_loopback(host: str) -> bool:
    """True for localhost and for addresses of this machine's loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse(key: str, value: str, fix: str) -> SystemExit:
    shown = "an address with a user in it" if "@" in value else repr(value)
    return SystemExit(f"environment: {key}: {shown} {fix}")


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        # Reading a port that is none raises.
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    return bool(_PRINTABLE.fullmatch(value)) and named and plain


def _url(env: Mapping[str, str], key: str, default: str, like: str) -> str:
    value = env.get(key, default)
    if value and not value.startswith(("http://", "https://")):
        raise _refuse(key, value, f"must begin with http:// or https://, such as {like}")
    if value and not _is_address(value):
        raise _refuse(key, value, f"must have a host, and neither user nor query, such as {like}")
    return value.rstrip("/")


def _opened(env: Mapping[str, str], key: str, like: str) -> str:
    """An address that browsers are sent to."""
    value = _url(env, key, "", like)
    if value and not is_loopback(urlsplit(value).hostname or ""):
        raise _refuse(key, value, f"is opened by a browser here: use loopback, such as {like}")
    return value


_STORES = {
    "tempo": "http://127.0.0.1:3200",
    "jaeger": "http://127.0.0.1:16686",
    "loki": "http://127.0.0.1:3100",
    "victorialogs": "http://127.0.0.1:9428",
}


def load(env: Mapping[str, str]) -> Settings:
    """The settings; raises SystemExit, which names the variable and a value that would do."""
    otlp = "http://127.0.0.1:4318"
    stores = {
        name: _opened(env, f"ALERTLOG_{name.upper()}_URL", like) for name, like in _STORES.items()
    }
    return Settings(
        host=env.get("ALERTLOG_HOST", "127.0.0.1"),
        otlp=_url(env, "ALERTLOG_OTLP_ENDPOINT", otlp, otlp),
        prometheus=_url(env, "ALERTLOG_PROMETHEUS_URL", "", "http://127.0.0.1:9090"),
        grafana=_opened(env, "ALERTLOG_GRAFANA_URL", "http://127.0.0.1:3000"),
        stores={name: url for name, url in stores.items() if url},
        docs=Path(env.get("ALERTLOG_DOCS") or _HERE),
    )
