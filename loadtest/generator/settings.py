"""What a run is asked to be, from the environment; what is wrong is said in one line."""

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loadtest import target
from loadtest.generator.arrivals import ARRIVALS, REPLAY, recorded
from loadtest.generator.shapes import PLANNED, SHAPES
from loadtest.plan import Plan
from loadtest.plan import read as read_plan
from loadtest.target import Keys
from loadtest.target import SettingsError as SettingsError


@dataclass(frozen=True)
class Settings:
    """Of one run. Seconds; requests per second; `keys` are API keys by tenant.

    With a `plan`, it says what is sent and when.
    """

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
    keys: Keys = field(repr=False)
    plan: Plan | None = field(default=None, repr=False)


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


def _plan(env: Mapping[str, str]) -> Plan | None:
    name = env.get("PLAN")
    if (env.get("SHAPE") == PLANNED) != bool(name):
        raise SettingsError(f"SHAPE={PLANNED} goes with PLAN: `make replay` sets both")
    if not name:
        return None
    try:
        return read_plan(Path(name))
    except OSError as error:
        raise SettingsError(f"PLAN: {name}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"PLAN: {error}") from error


def _run_id(env: Mapping[str, str]) -> str:
    found = env.get("RUN_ID") or f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(2)}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", found):
        raise SettingsError(f"RUN_ID: '{found}' is no name of a folder")
    return found


def read(env: Mapping[str, str]) -> Settings:
    """The settings of a run; raises SettingsError."""
    run_id = _run_id(env)
    url = target.url(env)
    plan = _plan(env)
    duration, patience = (f"{plan.seconds}", f"{plan.patience}") if plan else ("120", "120")
    return Settings(
        url=url,
        metrics_url=target.metrics_url(env, url),
        otlp_endpoint=(env.get("OTLP_ENDPOINT") or "http://127.0.0.1:4318").rstrip("/"),
        shape=_one_of(env, "SHAPE", "steady", SHAPES),
        arrivals=_one_of(env, "ARRIVALS", "poisson", {**ARRIVALS, REPLAY: None}),
        replay=_replay(env),
        rate=_number(env, "RATE", "3", 0.01, 10_000),
        duration=_number(env, "DURATION", duration, 5, 7 * 86_400),
        seed=_whole(env, "SEED", "1", 0, 2**31),
        processes=_whole(env, "PROCESSES", "1", 1, 64),
        most_in_flight=_whole(env, "MOST_IN_FLIGHT", "1000", 1, 100_000),
        patience=_number(env, "PATIENCE", patience, 1, 3600),
        keys=target.keys("TENANTS", env["TENANTS"]) if env.get("TENANTS") else (),
        folder=Path(env.get("RUNS_FOLDER") or ".state/load") / run_id,
        run_id=run_id,
        command=env.get("RUN_COMMAND", ""),
        plan=plan,
    )
