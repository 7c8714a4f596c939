"""The commands and how they end: 0 well, 1 a fault, 3 running but not healthy."""

import sys
from collections.abc import Callable
from pathlib import Path

from stack.errors import Fault
from stack.say import complain, say
from stack.settings import Settings, load

REPO = Path(__file__).resolve().parent.parent
Command = Callable[[Settings], int | None]


def _up(settings: Settings) -> int | None:
    from stack.up import up

    return up(settings)


def _down(settings: Settings) -> int | None:
    from stack.up import down

    return down(settings)


def _status(settings: Settings) -> int | None:
    from stack.status import status

    return status(settings)


def _logs(settings: Settings) -> int | None:
    from stack.logs import logs

    return logs(settings)


def _ask(settings: Settings) -> int | None:
    from stack.ask import ask

    return ask(settings)


def _check(settings: Settings) -> int | None:
    from stack.check import check

    return check(settings)


def _test(settings: Settings) -> int | None:
    from stack.check import test

    return test(settings)


def _lock(settings: Settings) -> int | None:
    from stack.lock import lock

    return lock(settings)


def _fmt(settings: Settings) -> int | None:
    from stack.check import fmt

    return fmt(settings)


def _help(settings: Settings) -> int | None:
    for name, (_, about) in COMMANDS.items():
        say(f"  make {name:<8} {about}")


COMMANDS: dict[str, tuple[Command, str]] = {
    "up": (_up, "start everything and wait until it is healthy (MODE=compose|native, MODEL=...)"),
    "ask": (_ask, 'send PROMPT="..." and follow it through trace, logs, metrics and cost'),
    "status": (_status, "parts and their health, active alerts, telemetry lost"),
    "logs": (_logs, "follow the logs (PART=server for one)"),
    "down": (_down, "stop everything; the data stays"),
    "test": (_test, "unit, rule and end-to-end tests, from nothing"),
    "check": (_check, "format, lint, types and every configuration file, in seconds"),
    "fmt": (_fmt, "format the code"),
    "lock": (_lock, "resolve requirements/*.in anew into the locks"),
    "help": (_help, "this list"),
}


def main(arguments: list[str]) -> int:
    """Run one command; every fault ends in one clear line and a non-zero status."""
    name = arguments[0] if arguments else "help"
    try:
        if name not in COMMANDS:
            raise Fault(f"unknown command {name}", "see `make help`", code=2)
        return COMMANDS[name][0](load(REPO)) or 0
    except Fault as fault:
        complain(str(fault))
        return fault.code
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
