"""`make replay SINCE=1h`: a past window's load once more, from its log records."""

import os
import re
import secrets
import time
from pathlib import Path

from stack.builds import venv
from stack.commands import load
from stack.errors import Fault
from stack.settings import Settings

ASKED = (
    "SINCE", "UNTIL", "FROM", "TENANTS_KEYS", "TOKEN_IDS", "SEED", "URL", "METRICS_URL",
    "OTLP_ENDPOINT", "PROCESSES", "MOST_IN_FLIGHT", "PATIENCE", "LOAD_ANOTHER_MACHINE",
)  # fmt: skip
RECORDED = ("SHAPE", "ARRIVALS", "REPLAY", "RATE", "DURATION", "TENANTS", "PLAN")
"""What a load is asked, and a replay has from its records."""
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OF_A_RUN = ("run.json", "requests.jsonl")
WELL, UNEXPECTED, INVALID = 0, 1, 3
"""How a load ends that has left all its rows."""


def replay(settings: Settings) -> int:
    """Repeat the window; 0 equal, 1 not, 2 bad input, 3 an invalid run; raises Fault."""
    if given := [name for name in RECORDED if os.environ.get(name)]:
        fix = "the records say what is sent, and when; leave it out"
        raise Fault(f"{given[0]} is no variable of a replay", fix, code=2)
    # Prompts of one seed are in the cache of a server that has seen them.
    seed = settings.values.get("SEED") or str(secrets.randbelow(10**9))
    run_id = settings.values.get("RUN_ID") or f"replay-{time.strftime('%Y%m%dT%H%M%S')}"
    folder = settings.state / "load" / run_id
    _check(run_id, folder)
    if code := _step(settings, "plan", str(folder), seed):
        return code
    plan = str(folder / "plan.jsonl")
    more = {"SHAPE": "replay", "PLAN": plan, "SEED": seed, "RUN_ID": run_id}
    if keys := settings.values.get("TENANTS_KEYS"):
        more["TENANTS"] = keys
    code = load.run_beside(settings, "replay", ASKED, more)
    if code not in (WELL, UNEXPECTED, INVALID):
        return code
    return _step(settings, "compare", str(folder)) or code


def _check(run_id: str, folder: Path) -> None:
    """Raise Fault before the plan is written: it would be that of another run, or anywhere."""
    if not _RUN_ID.fullmatch(run_id):
        raise Fault(f"RUN_ID={run_id} is no name of a folder", "leave it out", code=2)
    if any((folder / name).exists() for name in _OF_A_RUN):
        raise Fault(f"{folder} holds another run", "choose another RUN_ID, or leave it out", code=2)


def _step(settings: Settings, *arguments: str) -> int:
    return venv.run_module(settings, "load", "loadtest.replay", *arguments)
