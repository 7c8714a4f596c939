"""`make gpu-check`: what whoever owns a GPU can tell of it, in one command and a report to send.

Starts the stack the GPU way, loads it for five minutes, and holds what it shows against what we
could only read or simulate: names of NVML and DCGM, asynchronous scheduling, the ledger, the bill.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from stack.commands import load
from stack.commands.audit import audit
from stack.commands.up import up
from stack.containers import compose
from stack.errors import Fault
from stack.evidence.scrape import METRICS, scrape
from stack.http import get_text
from stack.parts import memo
from stack.readiness import ways
from stack.say import say, title
from stack.settings import Settings

DCGM = "http://127.0.0.1:9400/metrics"
GOOD, BAD = "✓", "✗"
NEEDS = (
    "an NVIDIA GPU with its driver (`nvidia-smi -L` lists it), Docker with the Compose plugin, and "
    "the NVIDIA Container Toolkit"
)
GPU_WAY = {"MODE": "compose", "COMPOSE_PROFILES": "gpu"}
LOAD_SECONDS, RATE = "300", "3"
_METER = re.compile(r"steps are metered by (\w+)")
_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")


def gpu_check(settings: Settings) -> int:
    """Check and print what to report; 0 where all is as expected; raises Fault without a GPU."""
    _check_needs(settings)
    # Compose's own commands read it of the environment.
    os.environ.update(GPU_WAY)
    chosen = replace(settings, values={**settings.values, **GPU_WAY})
    up(chosen)
    lines = [line for step in STEPS for line in _lines(step, chosen)]
    report = "\n".join([*_head(chosen), "", *lines]) + "\n"
    path = _folder(chosen) / "report.txt"
    path.write_text(report, encoding="utf-8")
    title("Please report this, good or bad, as an issue (no prompt and no key is in it)")
    say(report)
    say(f"{path}; the stack stays up: `make status`, `make down`")
    return int(any(line.startswith(BAD) for line in lines))


def _check_needs(settings: Settings) -> None:
    if not ways.has_gpu():
        raise Fault("this machine shows no GPU", f"gpu-check needs {NEEDS}")
    if not ways.compose_command():
        raise Fault("a GPU is here, but there is no compose command", f"gpu-check needs {NEEDS}")
    if memo.remembered(settings).get("way") == "native":
        raise Fault("the stack runs natively, whose engine is the CPU's", "`make down`, then again")


def _folder(settings: Settings) -> Path:
    folder = settings.state / "gpu-check"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _head(settings: Settings) -> Iterator[str]:
    """Which machine, engine and tree it was."""
    commit = _said("git", "rev-parse", "--short", "HEAD")
    yield f"gpu-check of {commit}, {time.strftime('%Y-%m-%d')}"
    yield from (f"GPU: {line}" for line in _said(*_QUERY).splitlines())
    yield f"image: {settings.values.get('GPU_BASE_IMAGE', '')}; model: {settings.served_name}"
    yield f"flags: {settings.vllm_args or 'none'}"


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"not known ({type(error).__name__})"
    return done.stdout.strip()


Step = Callable[[Settings], Iterator[str]]


def _lines(step: Step, settings: Settings) -> list[str]:
    """What a step found; one that cannot be made is a finding, and the others go on."""
    title((step.__doc__ or "").rstrip("."))
    try:
        found = list(step(settings))
    except Fault as fault:
        found = [f"{BAD} {step.__name__.strip('_')}: {fault}"]
    for line in found:
        say(f"  {line}")
    return found


def _load(settings: Settings) -> Iterator[str]:
    """Five minutes of load."""
    run_id = f"gpu-{time.strftime('%Y%m%dT%H%M%S')}"
    rate = settings.values.get("RATE") or RATE
    more = {"DURATION": LOAD_SECONDS, "RATE": rate, "RUN_ID": run_id, "SHAPE": "steady"}
    code = load.run_beside(settings, "load", (), more)
    try:
        run = json.loads((settings.state / "load" / run_id / "run.json").read_text())
        told = f"{run['lines']:,} requests"
        why = f" ({'; '.join(run['invalid_because'])})" if run["invalid_because"] else ""
    except (OSError, ValueError, KeyError) as error:
        told, why = f"no run ({type(error).__name__})", ""
    yield f"{BAD if code else GOOD} load: {told} in {LOAD_SECONDS} s, status {code}{why}"


def _names(settings: Settings) -> Iterator[str]:
    """Names of NVML and DCGM beside the catalogue."""
    files = []
    for name, url in (("nvml", METRICS), ("dcgm", DCGM)):
        files.append(_folder(settings) / f"{name}.txt")
        files[-1].write_text(get_text(url) or "", encoding="utf-8")
    command = [sys.executable, "-m", "server.catalogue.gpu_seen", *map(str, files)]
    done = subprocess.run(command, cwd=settings.repo, capture_output=True, text=True, check=False)
    yield from done.stdout.splitlines() or [f"{BAD} names: {done.stderr.strip()[-300:]}"]


def _scheduling(settings: Settings) -> Iterator[str]:
    """Asynchronous scheduling, and a ledger without an error."""
    log = compose.output(settings, "logs", "--no-color", compose.service(settings, "server"))
    found = _METER.findall(log)
    told = found[-1] if found else "nobody"
    mark = GOOD if told == "MeteredAsyncScheduler" else BAD
    yield f"{mark} asynchronous scheduling: steps are metered by {told}"
    errors = [one.value for one in scrape() or () if one.name == "llm_ledger_error_seconds"]
    if not errors:
        yield f"{BAD} ledger: {METRICS} has no llm_ledger_error_seconds: has the device a price?"
    for error in errors:
        yield f"{BAD if error else GOOD} ledger: its error is {error:g} s, which has to be 0"


def _cost(settings: Settings) -> Iterator[str]:
    """The bill once more, from other witnesses."""
    audit(settings)
    yield f"{GOOD} cost-audit: all witnesses agree"


STEPS: tuple[Step, ...] = (_load, _names, _scheduling, _cost)
