"""The proxy for other machines: what REMOTE_HOST and its like say, refused where it is open."""

import ipaddress
import re
from dataclasses import dataclass

from stack import secret
from stack.errors import Fault
from stack.receivers import files
from stack.settings import Settings

HOST, TLS = "REMOTE_HOST", "REMOTE_TLS"
CERT, KEY = "REMOTE_CERT_FILE", "REMOTE_KEY_FILE"
PORTS = {"REMOTE_API_PORT": "443", "REMOTE_GRAFANA_PORT": "3443"}
KEYS, LEAST_PASSWORD = "LLM_SERVER_KEYS", 12
INTERNAL = "internal"
"""A CA of the proxy's own: no public one is asked."""
OWN = "/run/secrets/remote_cert /run/secrets/remote_key"
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+", re.ASCII)
_PEM = re.compile(r"\s*-----BEGIN [A-Z ]*PRIVATE KEY-----.*", re.S)
_PRIVATE_KEY = files.Kind("a private key in PEM", _PEM.fullmatch)


@dataclass(frozen=True)
class Remote:
    """What the proxy is called, which certificate it has, and its two ports."""

    host: str
    tls: str
    api_port: str
    grafana_port: str

    @property
    def shown(self) -> tuple[str, str]:
        """The addresses of API and Grafana for other machines."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.api_port}/v1", f"https://{host}:{self.grafana_port}/"


def _value(settings: Settings, key: str) -> str:
    return settings.values.get(key, "").strip()


def chosen(settings: Settings) -> Remote | None:
    """The proxy that is asked for, None without REMOTE_HOST; raises Fault where it is not safe."""
    if not _value(settings, HOST):
        for key in (TLS, CERT, KEY):
            if _value(settings, key):
                raise Fault(f"{key} is set, but {HOST} is not", f"set {HOST}, or leave both out")
        return None
    _check_keys(settings)
    _check_password(settings)
    _check_bind(settings)
    api, grafana = (_port(settings, key, default) for key, default in PORTS.items())
    if api == grafana:
        raise Fault(f"{' and '.join(PORTS)} are the same", "give Grafana another port")
    return Remote(_host(settings), _tls(settings), api, grafana)


def _check_keys(settings: Settings) -> None:
    if not _value(settings, KEYS):
        said = (
            f"{HOST} is set, but {KEYS} is not: whoever reaches the proxy could spend your tokens"
        )
        fix = f"`make key TENANT=name` makes a key; then {KEYS}=keys/keys.yaml in .env"
        raise Fault(said, fix)
    if not (settings.repo / _value(settings, KEYS)).is_file():
        raise Fault(f"{KEYS} names no file", "`make key TENANT=name` makes one")


def _check_password(settings: Settings) -> None:
    path = settings.state / "secrets" / "grafana_admin_password"
    # Made by `make up` where it is not there yet, long enough.
    if path.exists() and len(path.read_text().strip()) < LEAST_PASSWORD:
        said = f"Grafana's password in {path} has fewer than {LEAST_PASSWORD} characters"
        raise Fault(said, f"change it in Grafana and there before {HOST} is set")


def _check_bind(settings: Settings) -> None:
    bind = _value(settings, "REMOTE_BIND") or "0.0.0.0"
    try:
        ipaddress.ip_address(bind)
    except ValueError as error:
        raise Fault("REMOTE_BIND is no address", "an IP address of this machine") from error


def _port(settings: Settings, key: str, default: str) -> str:
    port = _value(settings, key) or default
    if not files.is_port(port):
        raise Fault(f"{key}={port} is no port", f"leave it out for {default}")
    return port


def _host(settings: Settings) -> str:
    host = _value(settings, HOST)
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if _NAME.fullmatch(host) and host != "localhost":
            return host
    raise Fault(f"{HOST} is not understood", f"a name or an address: {HOST}=llm.example.org")


def _tls(settings: Settings) -> str:
    """What stands behind `tls` in remote/Caddyfile."""
    wish = _value(settings, TLS)
    if _value(settings, CERT) or _value(settings, KEY):
        if wish or not (_value(settings, CERT) and _value(settings, KEY)):
            raise Fault(
                f"{CERT}, {KEY} and {TLS} do not go together", f"set {CERT} and {KEY} alone"
            )
        files.secret(settings, KEY, _PRIVATE_KEY)
        if not (settings.repo / _value(settings, CERT)).is_file():
            raise Fault(f"{CERT} names no file", "the certificate and its chain, in PEM")
        return OWN
    if wish and wish != INTERNAL and not _ADDRESS.fullmatch(wish):
        fix = f"{TLS}={INTERNAL}, or your e-mail address for a certificate of a public CA"
        raise Fault(f"{TLS} is not understood", fix)
    return wish or INTERNAL


def is_wanted(settings: Settings) -> bool:
    """True where REMOTE_HOST is set, whatever else is wrong: what runs must come down."""
    return bool(_value(settings, HOST))


def variables(settings: Settings) -> dict[str, str]:
    """What compose.yaml cannot say by itself of a certificate that is your own."""
    return {TLS: OWN} if _value(settings, CERT) else {}


def write(settings: Settings, remote: Remote | None) -> None:
    """Put certificate and key where the proxy's container reads them; empty without."""
    for key, name in ((CERT, "remote_cert"), (KEY, "remote_key")):
        named = _value(settings, key) if remote else ""
        secret.put(settings, name, (settings.repo / named).read_bytes() if named else "")
