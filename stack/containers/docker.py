"""What Docker knows of our containers, in the words that supervisord uses for processes."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stack.native.supervisor import Process

# An exited container of ours is about to be restarted by Docker, so it is no verdict yet.
_STATES = {"running": "RUNNING", "restarting": "BACKOFF", "exited": "BACKOFF", "dead": "FATAL"}


def read_rows(text: str) -> list[dict[str, Any]]:
    """The rows of `compose ps --format json`: one object a line, or one array (before 2.21)."""
    lines = [line for line in text.splitlines() if line.startswith(("{", "["))]
    found = [json.loads(line) for line in lines]
    return [row for item in found for row in (item if isinstance(item, list) else [item])]


def _name(row: dict[str, Any]) -> str:
    return str(row["Service"]).removesuffix("-gpu")


@dataclass
class Containers:
    """Looks at all containers; counts restarts, and keeps the log of one that ended."""

    ask: Callable[..., str]
    logs: Path
    # Each look starts compose anew, which costs a third of a second of CPU: at most one in so long.
    every_seconds: float = 0.0
    looked_at: float = float("-inf")
    seen: dict[str, Process] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)

    def __call__(self) -> dict[str, Process]:
        """Every container that is to stay, by the name of its part."""
        if time.monotonic() >= self.looked_at + self.every_seconds:
            rows = read_rows(self.ask("ps", "--all", "--format", "json"))
            self.seen = {_name(row): self._process(row) for row in rows if not _is_one_shot(row)}
            self.looked_at = time.monotonic()
        return self.seen

    def _process(self, row: dict[str, Any]) -> Process:
        name, state = _name(row), str(row["State"])
        if state == "restarting" and self.last.get(name) != state:
            self.restarts[name] = self.restarts.get(name, 0) + 1
        self.last[name] = state
        if state in ("restarting", "exited", "dead"):
            self._keep_log(name, str(row["Service"]))
        exit_code, count = int(row.get("ExitCode") or 0), self.restarts.get(name, 0)
        return Process(name, _STATES.get(state, "STARTING"), 0, 1 + count, 0, exit_code, "")

    def _keep_log(self, name: str, service: str) -> None:
        text = self.ask("logs", "--no-color", "--no-log-prefix", "--tail", "200", service)
        (self.logs / f"{name}.log").write_text(text)


def _is_one_shot(row: dict[str, Any]) -> bool:
    """A container that did its work and ended well, such as the one that owns the volumes."""
    return row["State"] == "exited" and not row.get("ExitCode")
