"""The commands and how they end: 0 well, 1 a fault, 2 bad input, 3 not healthy."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from stack.commands.alerts import alerts
from stack.commands.alerttest import alert_test
from stack.commands.ask import ask
from stack.commands.audit import audit
from stack.commands.backup import backup
from stack.commands.bench import bench
from stack.commands.bill import bill
from stack.commands.check import check, fmt, test
from stack.commands.clean import clean
from stack.commands.clients import clients
from stack.commands.compare import compare
from stack.commands.composetest import test_compose
from stack.commands.drill import drill
from stack.commands.evidence import evidence
from stack.commands.export import export
from stack.commands.gpu_check import gpu_check
from stack.commands.key import key
from stack.commands.load import load as load_test
from stack.commands.load import load_ui
from stack.commands.lock import lock
from stack.commands.logs import logs
from stack.commands.pictures import pictures
from stack.commands.replay import replay
from stack.commands.report import report
from stack.commands.restore import restore
from stack.commands.status import status
from stack.commands.tunnel import tunnel
from stack.commands.up import down, up
from stack.commands.upgrade import upgrade_check
from stack.errors import Fault
from stack.say import complain, say
from stack.settings import Settings, load

REPO = Path(__file__).resolve().parent.parent
Command = Callable[[Settings], int]


FLAGS = {"--watch": ("WATCH", "1"), "--all": ("ALL", "1")}
"""What may stand behind a command's name where no make is between, and the variable it sets."""


def _help(_: Settings) -> int:
    for name, (_command, about) in COMMANDS.items():
        say(f"  make {name:<13} {about}")
    return 0


COMMANDS: dict[str, tuple[Command, str]] = {
    "up": (up, "start everything and wait until it is healthy (MODE=compose|native, MODEL=...)"),
    "ask": (ask, 'send PROMPT="..." and follow it through trace, logs, metrics and cost'),
    "status": (status, "parts and their health, alerts and their heartbeat, telemetry lost"),
    "alerts": (alerts, "what fires, the worst trace, the first step (WATCH=1, FORMAT=json)"),
    "alert-test": (alert_test, "one alert through Alertmanager to every receiver (TEAM=serving)"),
    "drill": (drill, "make a cause and time its alerts to a receiver (CAUSE=name, ALL=1; lists)"),
    "cost-audit": (audit, "the bill once more, from the clock, the log records and the counters"),
    "bill": (bill, "a month by tenant and model (MONTH=2026-11 FORMAT=table|csv|json)"),
    "pictures": (
        pictures,
        "draw every board (BENCH=1 times its queries, DAY=1 makes the docs' pictures)",
    ),
    "report": (report, "a load run as a page and as JSON (RUN=id or folder, else the newest)"),
    "compare": (compare, "load runs A= and B=: what got worse, exit 1 beyond TOLERANCE=0.05"),
    "load": (load_test, "a load test: RATE= DURATION= SHAPE=steady|ramp|spike|soak|limit SEED="),
    "load-ui": (load_ui, "the same with Locust's page on loopback"),
    "bench": (bench, "what all of this costs a server, beside stock vLLM (ROUNDS=15 STREAMS=8)"),
    "clients": (
        clients,
        "openai, anthropic, LangChain, LiteLLM and a page, held against the records (API_KEY=...)",
    ),
    "replay": (replay, "a past window's load once more, from its log records (SINCE=1h, UNTIL=)"),
    "evidence": (
        evidence,
        "the long runs that CI cannot hold, into docs/performance.md (RUN=fuzz)",
    ),
    "logs": (logs, "follow the logs (PART=server for one)"),
    "down": (down, "stop everything; the data stays"),
    "tunnel": (
        tunnel,
        "a stack elsewhere on the same ports here (HOST=user@gpubox, PORTS=8000,3000)",
    ),
    "key": (key, "an API key for TENANT=name, printed once; the keys file gets its digest"),
    "backup": (backup, "books, journal, prices, budgets, digests of keys in one file (TO=folder)"),
    "restore": (restore, "put a backup back and keep what is there (FROM=file, ONLY=books)"),
    "export": (export, "rules and boards for a Prometheus and a Grafana of yours (TO=folder)"),
    "clean": (clean, "ask, then delete state and volumes (MODE=native|compose, CONFIRM=yes)"),
    "test": (test, "unit, rule and end-to-end tests, from nothing"),
    "test-compose": (test_compose, "compose.yaml on a Docker engine of its own (root, Debian)"),
    "check": (check, "format, lint, types and every configuration file, in seconds"),
    "fmt": (fmt, "format the code"),
    "lock": (lock, "resolve requirements/*.in anew into the locks"),
    "upgrade-check": (
        upgrade_check,
        "what another vLLM would break here (VLLM=x.y.z), from its wheel",
    ),
    "gpu-check": (gpu_check, "for whoever owns a GPU: start, load, check, and what to report"),
    "help": (_help, "this list"),
}


def _settings(flags: list[str]) -> Settings:
    if unknown := [flag for flag in flags if flag not in FLAGS]:
        raise Fault(f"unknown argument {unknown[0]}", f"known are {', '.join(FLAGS)}", code=2)
    os.environ.update(FLAGS[flag] for flag in flags)
    return load(REPO)


def main(arguments: list[str]) -> int:
    """Run one command; every fault ends in one clear line and a non-zero status."""
    name = arguments[0] if arguments else "help"
    try:
        if name not in COMMANDS:
            raise Fault(f"unknown command {name}", "see `make help`", code=2)
        return COMMANDS[name][0](_settings(arguments[1:]))
    except Fault as fault:
        complain(str(fault))
        return fault.code
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f"{error.filename}: " if error.filename else ""
            complain(f"{where}{error.strerror}: make room, then try again")
            return 1
        # A file of the state or the cache that is a folder, or is not ours: the system says which.
        if error.filename is None:
            raise
        complain(f"{error.filename}: {error.strerror}: mend or remove it, then try again")
        return 1
