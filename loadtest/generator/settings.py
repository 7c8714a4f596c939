"""What a run is asked to be, from the environment; what is wrong is said in one line."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.generator.arrivals import ARRIVALS, REPLAY, recorded
from loadtest.generator.shapes import SHAPES

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
COMPOSE = "server"
"""The server's name among compose's services: the only other host that is loaded unasked."""


class SettingsError(ValueError):
    """What an operator has to mend: the variable, and the fix."""


@dataclass(frozen=True)
class Settings:
    """Of one run. Seconds; requests per second; `keys` are API keys by tenant."""

    url: str
    metrics_url: str
    otlp_endpoint: str
    shape: str
    arrivals: str
    replay: Path | None
    rate: float
    duration: float
    seed: int
    processes: int
    most_in_flight: int
    patience: float
    folder: Path
    run_id: str
    command: str
    keys: tuple[tuple[str, str], ...] = field(repr=False)


def _number(env: Mapping[str, str], name: str, default: str, least: float, most: float) -> float:
    text = env.get(name) or default
    try:
        found = float(text)
    except ValueError:
        found = float("nan")
    if not least <= found <= most:
        raise SettingsError(f"{name}: '{text}' is not a number from {least:g} to {most:g}")
    return found


def _whole(env: Mapping[str, str], name: str, default: str, least: int, most: int) -> int:
    found = _number(env, name, default, least, most)
    if found != int(found):
        raise SettingsError(f"{name}: '{env.get(name)}' is not a whole number")
    return int(found)


def _one_of(env: Mapping[str, str], name: str, default: str, known: Mapping[str, object]) -> str:
    found = env.get(name) or default
    if found not in known:
        raise SettingsError(f"{name}: '{found}' is not known: choose one of {', '.join(known)}")
    return found


def _url(env: Mapping[str, str]) -> str:
    text = (env.get("URL") or "http://127.0.0.1:8000").rstrip("/")
    parts = urlsplit(text)
    extra = parts.username or parts.password or parts.path or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or extra:
        # Not the text itself: it may hold a password.
        raise SettingsError("URL: it is none such as http://127.0.0.1:8000, and no more than that")
    allowed = env.get("LOAD_ANOTHER_MACHINE") == "yes"
    if parts.hostname not in LOOPBACK | {COMPOSE} and not allowed:
        fix = "LOAD_ANOTHER_MACHINE=yes sends this load to a machine that may be somebody else's"
        raise SettingsError(f"URL: '{text}' is not this machine: {fix}")
    return text


def _host(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def _keys(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not (name := env.get("TENANTS")):
        return ()
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"TENANTS: {name}: {error.strerror}") from error
    found = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not found or not all(len(each) == 2 and each[1].isascii() for each in found):
        # Not the line itself: it holds a key.
        fix = "each line is a tenant's name and its key, which is plain ASCII"
        raise SettingsError(f"TENANTS: {name}: {fix}")
    return tuple((tenant, key) for tenant, key in found)


def _replay(env: Mapping[str, str]) -> Path | None:
    path = Path(env["REPLAY"]) if env.get("REPLAY") else None
    if (env.get("ARRIVALS") == REPLAY) != (path is not None):
        raise SettingsError("REPLAY: a file of seconds, one a line, goes with ARRIVALS=replay")
    if path is not None and env.get("SHAPE") not in (None, "", "steady"):
        raise SettingsError("REPLAY: its file says when, so it goes with SHAPE=steady only")
    if path is not None:
        try:
            recorded(path)
        except OSError as error:
            raise SettingsError(f"REPLAY: {path}: {error.strerror}") from error
        except ValueError as error:
            raise SettingsError(str(error)) from error
    return path


def _run_id(env: Mapping[str, str]) -> str:
    found = env.get("RUN_ID") or f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", found):
        raise SettingsError(f"RUN_ID: '{found}' is no name of a folder")
    return found


def read(env: Mapping[str, str]) -> Settings:
    """The settings of a run; raises SettingsError."""
    run_id = _run_id(env)
    url = _url(env)
    return Settings(
        url=url,
        metrics_url=env.get("METRICS_URL") or f"http://{_host(url)}:9464/metrics",
        otlp_endpoint=(env.get("OTLP_ENDPOINT") or "http://127.0.0.1:4318").rstrip("/"),
        shape=_one_of(env, "SHAPE", "steady", SHAPES),
        arrivals=_one_of(env, "ARRIVALS", "poisson", {**ARRIVALS, REPLAY: None}),
        replay=_replay(env),
        rate=_number(env, "RATE", "3", 0.01, 10_000),
        duration=_number(env, "DURATION", "120", 5, 7 * 86_400),
        seed=_whole(env, "SEED", "1", 0, 2**31),
        processes=_whole(env, "PROCESSES", "1", 1, 64),
        most_in_flight=_whole(env, "MOST_IN_FLIGHT", "1000", 1, 100_000),
        patience=_number(env, "PATIENCE", "120", 1, 3600),
        keys=_keys(env),
        folder=Path(env.get("RUNS_FOLDER") or ".state/load") / run_id,
        run_id=run_id,
        command=env.get("RUN_COMMAND", ""),
    )
