"""The second OTLP backend that `.env` may name: checked here, written down for the Collector."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from stack import secret
from stack.errors import Fault
from stack.receivers import files
from stack.settings import Settings

ENDPOINT, HEADERS = "LLM_OTLP_ENDPOINT", "LLM_OTLP_HEADERS_FILE"
CA, INSECURE = "LLM_OTLP_CA_FILE", "LLM_OTLP_INSECURE"
_LIKE = f"write it like {ENDPOINT}=https://otlp.example.org:4318"
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"
_URL = re.compile(rf"https?://{_HOST}(?::(?P<port>[0-9]{{1,5}}))?(?:/[\w.~/-]*)?", re.ASCII)
_SIGNAL = re.compile(r"/v1/(?:traces|logs|metrics)/?$")
_LINE = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([^\x00-\x1f\x7f-\U0010ffff]+)")
_OUR_PORTS = (4317, 4318)
_OURS = ("otel-collector",)


def _pairs(text: str) -> list[tuple[str, str]] | None:
    found = [_LINE.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    pairs = [(one[1].lower(), one[2].strip()) for one in found if one]
    is_whole = len(pairs) == len(found) == len(dict(pairs)) > 0
    return pairs if is_whole else None


_LINES = files.Kind("headers, a line `name: value` each, in ASCII and each name once", _pairs)


@dataclass(frozen=True)
class Backend:
    """Where telemetry goes beside our stores: an OTLP/HTTP base URL, headers, a CA of its own."""

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca: Path | None = None

    @property
    def shown(self) -> str:
        """Its host and port, with nothing of what its path may hold."""
        return urlsplit(self.endpoint).netloc


def _value(settings: Settings, key: str) -> str:
    return settings.values.get(key, "").strip()


def chosen(settings: Settings) -> Backend | None:
    """The backend that the settings name, or None; raises Fault with key and fix."""
    if not _value(settings, ENDPOINT):
        for key in (HEADERS, CA):
            if _value(settings, key):
                raise Fault(f"{key} is set, but {ENDPOINT} is not", f"{_LIKE}, or leave both out")
        return None
    return Backend(_endpoint(settings), _headers(settings), _ca(settings))


def _endpoint(settings: Settings) -> str:
    url = _value(settings, ENDPOINT)
    found = _URL.fullmatch(url)
    if not found or not files.is_port(found["port"] or "443"):
        # Not the value: some write a token into it.
        raise Fault(f"{ENDPOINT} is not understood", f"{_LIKE}, without a user and a query")
    if _SIGNAL.search(url):
        raise Fault(f"{ENDPOINT} names the path of one signal", "end it before /v1/...")
    split = urlsplit(url)
    host = (split.hostname or "").lower().removesuffix(".")
    if host in _OURS or (_leads_here(host) and split.port in _OUR_PORTS):
        raise Fault(f"{ENDPOINT} is our own Collector", "name another, or leave it out")
    _check_insecure(settings, split.scheme)
    return url.rstrip("/")


def _leads_here(host: str) -> bool:
    """True for whatever is connected to on loopback: what sends to itself sends without end."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    address = getattr(found, "ipv4_mapped", None) or found
    return bool(address.is_loopback or address.is_unspecified)


def _check_insecure(settings: Settings, scheme: str) -> None:
    wish = _value(settings, INSECURE) or "0"
    if wish not in ("0", "1"):
        raise Fault(f"{INSECURE} must be 0 or 1", f"leave it out, or {INSECURE}=1")
    if scheme == "http" and wish == "0":
        said = f"{ENDPOINT} begins with http://, so anybody on the way could read all of it"
        raise Fault(said, f"use https://, or {INSECURE}=1 where the way is yours")


def _headers(settings: Settings) -> dict[str, str]:
    if not _value(settings, HEADERS):
        return {}
    path = files.secret(settings, HEADERS, _LINES)
    return dict(_pairs(path.read_text(encoding="utf-8").strip()) or ())


def _ca(settings: Settings) -> Path | None:
    if not (named := _value(settings, CA)):
        return None
    path = settings.repo / named
    if not path.is_file() or "-----BEGIN CERTIFICATE-----" not in path.read_text(errors="replace"):
        raise Fault(f"{CA}: {path} holds no certificate", "name a file in PEM, or leave it out")
    return path.resolve()


def write(settings: Settings, backend: Backend | None) -> Path:
    """Write headers (JSON, which is YAML) and CA where the Collector of both ways reads them."""
    held = backend.headers if backend else {}
    # The Collector takes `$` for a variable.
    text = json.dumps({name: value.replace("$", "$$") for name, value in held.items()})
    secret.put(settings, "otlp_ca", backend.ca.read_bytes() if backend and backend.ca else "")
    return secret.put(settings, "otlp_headers", text)


def variables(settings: Settings, backend: Backend | None) -> dict[str, str]:
    """What the native Collector reads of it; which file is read behind collector.yaml among it."""
    folder = settings.state / "secrets"
    return {
        ENDPOINT: backend.endpoint if backend else "",
        "SECOND_CONFIG": "second-otlp.yaml" if backend else "second.yaml",
        "SECOND_HEADERS": str(folder / "otlp_headers"),
        "SECOND_CA": str(folder / "otlp_ca") if backend and backend.ca else "",
    }
